import { afterEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, chat, dataOf } from "../support/clients.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { flood, stall } from "../support/stalls.ts";

/** SIGTERM: what is open may end, nothing new begins, and every call has its record. */
let setup: Setup;
afterEach(() => setup.stop());
const streams = 20;

async function openStreams(config: string, released: Promise<void>): Promise<Promise<string>[]> {
  setup = await setUp({ config, key: { name: "draining", budget: { usd: 100, window: "lifetime" } } });
  setup.upstream.on("long", (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const all = frames(id, { text: "one two three" }, wantsUsage(exchange));
    return stalled(all.slice(0, 2).join(""), released, all.slice(2).join(""))(exchange);
  });
  setup.upstream.on("quick", answers());
  let begun = 0;
  const texts = Array.from({ length: streams }, async () => {
    let first = true;
    const onPiece = (): void => {
      if (first) begun++;
      first = false;
    };
    return (
      await call(setup.gateway, setup.key.key, chat("mock/long", { stream: true, max_completion_tokens: 100 }), {
        onPiece,
      })
    ).text;
  });
  await until("all streams to begin", () => begun === streams);
  return texts;
}

test("unready first and calls still taken, then open streams end in full, new calls are refused, the exit is clean", async () => {
  const release = gate();
  const texts = await openStreams("server: { timeouts: { unreadyMs: 1500 } }", release.opened);
  process.kill(setup.gateway.pid, "SIGTERM");
  await until("the process to be unready", async () => (await setup.gateway.get("/readyz"))?.status === 503);
  expect((await call(setup.gateway, setup.key.key, chat("mock/quick"))).status).toBe(200);
  await until("the process to stop listening", async () => (await setup.gateway.get("/readyz")) === null);
  const late = await call(setup.gateway, setup.key.key, chat("mock/quick")).catch(() => null);
  expect(late?.status ?? 503).toBe(503);
  release.open();
  for (const text of await Promise.all(texts)) expect(dataOf(text).at(-1)).toBe("[DONE]");
  const endedMs = performance.now();
  expect(await setup.gateway.exited()).toBe(0);
  expect(performance.now() - endedMs).toBeLessThan(3_000);
  const rows = allUsage(setup.gateway).filter((row) => row.model === "mock/long");
  expect(rows.map((row) => row.status)).toEqual(Array.from({ length: streams }, () => "ok"));
}, 30_000);

test("streams that outlive the drain time end with an error event and a record", async () => {
  const texts = await openStreams("server: { timeouts: { drainMs: 500 } }", new Promise(() => {}));
  const started = performance.now();
  expect(await setup.gateway.stop()).toBe(0);
  expect(performance.now() - started).toBeLessThan(3_500);
  for (const text of await Promise.all(texts)) {
    const last = dataOf(text).at(-1) ?? "";
    expect(last).toContain('"error"');
  }
  const rows = allUsage(setup.gateway).filter((row) => row.model === "mock/long");
  expect(rows.map((row) => row.status)).toEqual(Array.from({ length: streams }, () => "shutdown"));
}, 30_000);

test("a second signal ends them at once, each with an error event and a record", async () => {
  const texts = await openStreams("server: { timeouts: { drainMs: 60000 } }", new Promise(() => {}));
  const { pid } = setup.gateway;
  const firstMs = performance.now();
  process.kill(pid, "SIGTERM");
  // Ctrl-C comes twice at once where a shell signals a group: only what comes a second later is a second one.
  process.kill(pid, "SIGTERM");
  await until("a second signal counts", () => performance.now() - firstMs > 1_100);
  expect(allUsage(setup.gateway).filter(({ status }) => status === "open")).toHaveLength(streams);
  process.kill(pid, "SIGTERM");
  for (const text of await Promise.all(texts)) {
    expect(dataOf(text).at(-1)).toContain('"error"');
    expect(text).not.toContain("[DONE]");
  }
  expect(await setup.gateway.exited()).toBe(0);
  expect(performance.now() - firstMs).toBeLessThan(6_000);
  const rows = allUsage(setup.gateway).filter((row) => row.model === "mock/long");
  expect(rows.map((row) => row.status)).toEqual(Array.from({ length: streams }, () => "shutdown"));
}, 30_000);

test("a client that reads nothing holds up the exit for two seconds at most, and its record says why it ended", async () => {
  setup = await setUp({ config: "server: { timeouts: { drainMs: 100 } }" });
  setup.upstream.on("flood", flood(20e6));
  const { socket } = await stall(setup.gateway.url, setup.key.key, "mock/flood");
  process.kill(setup.gateway.pid, "SIGTERM");
  const startedMs = performance.now();
  expect(await setup.gateway.exited()).toBe(0);
  socket.destroy();
  expect(performance.now() - startedMs).toBeLessThan(3_500);
  expect(allUsage(setup.gateway)).toMatchObject([{ status: "shutdown", source: "estimated" }]);
}, 30_000);

test("a log that nobody reads does not keep the process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-pipe-"));
  const pipe = join(folder, "log");
  execFileSync("mkfifo", [pipe]);
  // Open for reading too, or the process would wait for a reader.
  const descriptor = openSync(pipe, "r+");
  setup = await setUp({ wrapper: ["sh", "-c", `exec "$@" >"${pipe}"`, "sh"] });
  try {
    setup.upstream.on("quick", answers());
    const { pid } = setup.gateway;
    // More than a pipe holds; from then on the process keeps what it would write.
    for (let calls = 0; calls < 300; calls++) await call(setup.gateway, setup.key.key, chat("mock/quick"));
    process.kill(pid, "SIGTERM");
    expect(await setup.gateway.exited()).toBe(0);
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
}, 30_000);
