import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** A provider that is dead, or hangs, beside one that is well. */

const setup = await setUp({
  dialects: ["openai-chat"],
  config: [
    "models: { falls: [mock/primary, mock-openai-chat/second] }",
    "server:",
    "  attempts: { max: 2, backoffMs: 1 }",
    "  breaker: { consecutive: 5, probeMs: 500 }",
    "  bulkhead: { maxWaiting: 20, maxQueued: 10, queueMs: 300 }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

interface Health {
  readonly data: readonly {
    readonly name: string;
    readonly waiting: number;
    readonly queued: number;
    readonly breakers: readonly { readonly model: string; readonly state: string; readonly reason: string }[];
  }[];
}
const healthOf = async (name: string) => {
  const { data } = await gateway.admin<Health>("GET", "/api/providers/health");
  return data.find((provider) => provider.name === name);
};
const ask = (model: string) => call(gateway, key.key, chat(model));
const down = json(503, { error: { message: "down" } });

describe("what a client can cause by itself opens no breaker", () => {
  test("a header that no provider may get: it is told so, and nothing is sent", async () => {
    upstream.on("well", answers());
    for (const value of ["a\x7fb", "caf\xe9", "a".repeat(5_000)]) {
      for (let at = 0; at < 10; at++) {
        const answer = await sendRaw(gateway.url, {
          path: "/v1/chat/completions",
          headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json", "openai-beta": value },
          body: JSON.stringify(chat("mock/well")),
        });
        expect([answer?.status, JSON.parse(answer?.text ?? "{}").error.param]).toEqual([400, "openai-beta"]);
      }
    }
    expect(upstream.requestsFor("well")).toHaveLength(0);
    expect((await ask("mock/well")).status).toBe(200);
  });

  test("a request that its provider takes for a wrong one, whatever the status", async () => {
    upstream.on("strict", json(431, {}));
    for (let at = 0; at < 20; at++) expect((await ask("mock/strict")).status).toBe(502);
    expect(upstream.requestsFor("strict")).toHaveLength(20);
    expect((await healthOf("mock"))?.breakers).toEqual([]);
  });
});

describe("a target that is dead", () => {
  test("is left alone but for probes; its calls get 503 with when and why, and it is back when it is well", async () => {
    upstream.on("dead", down);
    for (let at = 0; at < 12; at++) await ask("mock/dead");
    const tripped = upstream.requestsFor("dead").length;
    const openedMs = performance.now();
    const replies = [];
    for (let at = 0; at < 150; at++) replies.push(await ask("mock/dead"));
    const probes = upstream.requestsFor("dead").length - tripped;
    expect(probes).toBeLessThanOrEqual(Math.ceil((performance.now() - openedMs) / 500) + 1);

    const refused = replies.filter(({ text }) => text.includes("breaker_open"));
    expect(refused.length).toBeGreaterThanOrEqual(replies.length - probes);
    expect(refused[0]?.status).toBe(503);
    expect(refused[0]?.headers.get("retry-after")).toBe("1");
    expect(JSON.parse(refused[0]?.text ?? "").error.details).toMatchObject({
      provider: "mock",
      model: "dead",
      reason: "the provider is overloaded",
    });
    expect((await healthOf("mock"))?.breakers).toMatchObject([{ model: "dead" }]);

    upstream.on("dead", answers());
    const backMs = performance.now();
    await until("it is asked again", async () => (await ask("mock/dead")).status === 200);
    expect(performance.now() - backMs).toBeLessThan(2_000);
    expect((await healthOf("mock"))?.breakers).toEqual([]);
    for (let at = 0; at < 20; at++) expect((await ask("mock/dead")).status).toBe(200);
  });

  test("costs those who can fall back nothing", async () => {
    upstream.on("primary", down);
    upstream.on("second", answers());
    for (let at = 0; at < 40; at++) {
      const { status, headers } = await ask("falls");
      expect([status, headers.get("x-llm-proxy-provider")]).toEqual([200, "mock-openai-chat"]);
    }
    expect(upstream.requestsFor("primary").length).toBeLessThan(15);
  });
});

describe("a provider that hangs", () => {
  test("takes so many calls; others wait a little, the rest get 503 at once, and other providers do not notice", async () => {
    const release = gate();
    upstream.on("hung", async (exchange) => {
      await release.opened;
      await answers()(exchange);
    });
    upstream.on("well", answers());
    const started = performance.now();
    const hung = Array.from({ length: 60 }, async () => {
      const reply = await ask("mock/hung");
      return { ...reply, tookMs: performance.now() - started };
    });
    await until("all places are taken", async () => (await healthOf("mock"))?.waiting === 20);
    for (let at = 0; at < 20; at++) expect((await ask("mock-openai-chat/well")).status).toBe(200);
    await until("nobody is queued any more", async () => (await healthOf("mock"))?.queued === 0);
    expect(upstream.requestsFor("hung")).toHaveLength(20);
    release.open();
    const all = await Promise.all(hung);
    const busy = all.filter(({ status }) => status === 503);
    expect([all.filter(({ status }) => status === 200).length, busy.length]).toEqual([20, 40]);
    for (const { text, headers } of busy)
      expect([text.includes("provider_busy"), headers.get("retry-after")]).toEqual([true, "1"]);
    expect((await healthOf("mock"))?.waiting).toBe(0);
  });

  test("whoever leaves the queue leaves it at once", async () => {
    const release = gate();
    upstream.on("hung-too", async (exchange) => {
      await release.opened;
      await answers()(exchange);
    });
    const inside = Array.from({ length: 20 }, () => ask("mock/hung-too"));
    await until("all places are taken", async () => (await healthOf("mock"))?.waiting === 20);
    const leaving = new AbortController();
    const gone = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify(chat("mock/hung-too")),
      signal: leaving.signal,
    }).catch(() => "left");
    await until("it is queued", async () => (await healthOf("mock"))?.queued === 1);
    leaving.abort();
    expect(await gone).toBe("left");
    await until("it is not any more", async () => (await healthOf("mock"))?.queued === 0);
    release.open();
    expect((await Promise.all(inside)).every(({ status }) => status === 200)).toBe(true);
    expect(upstream.requestsFor("hung-too")).toHaveLength(20);
  });
});

test("the metrics say so", async () => {
  const text = (await (await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` }))?.text()) ?? "";
  for (const name of ["retries_total", "breakers_opened_total", "breaker_skips_total", "provider_busy_total"])
    expect(Number(new RegExp(`^llm_proxy_${name} (\\d+)$`, "m").exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).toContain('llm_proxy_provider_waiting{provider="mock"} 0');
});
