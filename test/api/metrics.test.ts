import { describe, expect, test } from "bun:test";
import type { Observer } from "llm-proxy/plugin";
import { callMetrics } from "../../plugins/observer/prometheus.ts";
import { parseExposition } from "../support/exposition.ts";
import { adminToken, apis } from "./server.ts";

const newApi = apis();
const withObserver = (slot: Observer) => newApi({ observers: [{ name: "test", slot }] });
const asAdmin = { headers: { authorization: `Bearer ${adminToken}` } };
const nothing: Observer = { callEnded: () => {} };
const gauge = (name: string) => ({ name, type: "gauge", help: "h", series: [{ labels: {}, value: 5 }] }) as const;

describe("/metrics", () => {
  test("without an observer that counts tells of the process, and says what is missing", async () => {
    const api = await newApi();
    const response = await api.send("GET", "/metrics", asAdmin);
    expect([response.status, response.headers.get("content-type"), response.headers.get("cache-control")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
      "no-store",
    ]);
    const { samples, comments } = parseExposition(await response.text());
    const value = (name: string) => Number(samples.find((sample) => sample.name === name)?.value);
    expect(value("llm_proxy_ready")).toBe(1);
    expect(value("llm_proxy_event_loop_lag_seconds")).toBe(0.001);
    expect(value("llm_proxy_event_loop_lag_max_seconds")).toBe(0.02);
    for (const name of [
      "open_calls",
      "open_streams",
      "stalled_streams",
      "shed_calls_total",
      "drains",
      "held_nano_usd",
      "storage_trouble",
      "commits_waiting",
    ])
      expect([name, value(`llm_proxy_${name}`)]).toEqual([name, 0]);
    for (const name of [
      "llm_proxy_heap_used_bytes",
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
      "process_start_time_seconds",
      ...(process.platform === "linux" ? ["process_open_fds"] : []),
    ])
      expect([name, value(name) > 0]).toEqual([name, true]);
    expect(samples.find(({ name }) => name === "llm_proxy_build_info")?.labels).toEqual({ version: "0.0.0" });
    expect(comments).toEqual([expect.stringContaining("has no prometheus")]);
  });

  test("with one has its metrics behind those of the process, and no comment", async () => {
    const api = await withObserver(callMetrics(() => null));
    const { types, comments } = parseExposition(await (await api.send("GET", "/metrics", asAdmin)).text());
    expect([...types.keys()]).toEqual(expect.arrayContaining(["llm_proxy_ready", "llm_proxy_calls_total"]));
    expect(comments).toEqual([]);
  });

  test("is open to all where an observer says so, but tells its version only to whom it knows", async () => {
    const api = await withObserver({ ...nothing, openMetrics: true });
    const open = await api.send("GET", "/metrics");
    expect(open.status).toBe(200);
    expect(await open.text()).not.toContain("build_info");
    expect(await (await api.send("GET", "/metrics", asAdmin)).text()).toContain("build_info");
    expect(api.routes.find(({ path }) => path === "/metrics")?.access).toBe("public");
    for (const authorization of ["Basic eDp5", "Bearer wrong"]) {
      const other = await api.send("GET", "/metrics", { headers: { authorization } });
      expect([other.status, (await other.text()).includes("build_info")]).toEqual([200, false]);
    }
  });

  test("leaves out an observer that throws, at once or while it lists, and names it in the log", async () => {
    for (const metrics of [
      () => {
        throw new Error("no list");
      },
      function* () {
        yield gauge("half");
        throw new Error("no end");
      },
    ]) {
      const api = await newApi({
        observers: [
          { name: "broken", slot: { ...nothing, metrics } },
          { name: "whole", slot: { ...nothing, metrics: () => [gauge("whole"), gauge("process_open_fds")] } },
        ],
      });
      const { samples } = parseExposition(await (await api.send("GET", "/metrics", asAdmin)).text());
      expect(samples.filter(({ value }) => value === "5").map(({ name }) => name)).toContain("whole");
      expect(samples.map(({ name }) => name)).not.toContain("half");
      expect(api.logged.some((line) => line.includes("observer/broken"))).toBe(true);
    }
  });

  test("shows what is held and what is in trouble", async () => {
    const api = await newApi();
    const database = {
      ...api.services.database,
      trouble: () => "the disk is full",
      load: () => ({ commitsWaiting: 1, finalsWaiting: 2, heldNano: 3, goneCalls: 4, sweptCalls: 5, strayCalls: 6 }),
    };
    Object.assign(api.services, { database });
    const { samples } = parseExposition(await (await api.send("GET", "/metrics", asAdmin)).text());
    const value = (name: string) => samples.find((sample) => sample.name === `llm_proxy_${name}`)?.value;
    expect(
      [
        "storage_trouble",
        "commits_waiting",
        "final_records_waiting",
        "held_nano_usd",
        "deleted_calls_total",
        "swept_calls_total",
        "stray_calls_total",
      ].map(value),
    ).toEqual(["1", "1", "2", "3", "4", "5", "6"]);
  });
});
