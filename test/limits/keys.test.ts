import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Limits } from "../../core/plugin/limits.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ dialects: ["openai-chat", "anthropic-messages"] });
  setup.upstream.on("ok", answers({ promptTokens: 20, completionTokens: 30 }));
  setup.upstream.on("bad", json(500, { error: { message: "no", type: "server_error", code: null, param: null } }));
});
afterAll(async () => {
  await invariants(setup);
  await setup.stop();
});

const keyWith = async (limits: Limits, budget?: { usd: string; window: string }) =>
  (await setup.gateway.createKey({ limits, ...(budget && { budget }) })).key;
const send = (
  key: string,
  more: Readonly<Record<string, unknown>> = {},
  model = "mock/ok",
): Promise<RawAnswer | null> =>
  sendRaw(setup.gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(chat(model, more)),
  });
const statuses = (replies: readonly ({ readonly status: number } | null)[]) => {
  const counts: Record<string, number> = {};
  for (const reply of replies) counts[reply?.status ?? "none"] = (counts[reply?.status ?? "none"] ?? 0) + 1;
  return counts;
};
const detailsOf = (text: string) => JSON.parse(text).error.details;

test("60 a minute and 1,000 at once: exactly 60 pass, the others are told when to come again", async () => {
  const key = await keyWith({ requestsPerMinute: 60 });
  const before = setup.upstream.log.length;
  const startMs = performance.now();
  const replies = await Promise.all(Array.from({ length: 1_000 }, (_, at) => send(key, { stream: at % 2 === 0 })));
  const refilled = Math.floor((performance.now() - startMs) / 1_000);
  const passed = statuses(replies)["200"] ?? 0;
  expect(passed).toBeGreaterThanOrEqual(60);
  expect(passed).toBeLessThanOrEqual(60 + refilled);
  expect(statuses(replies)).toEqual({ 200: passed, 429: 1_000 - passed });
  expect(setup.upstream.log.length - before).toBe(passed);
}, 30_000);

test("who waits exactly as long as Retry-After says gets 200", async () => {
  const key = await keyWith({ requestsPerMinute: 30 });
  await Promise.all(Array.from({ length: 30 }, () => call(setup.gateway, key, chat("mock/ok"))));
  for (let round = 0; round < 2; round++) {
    const refused = await call(setup.gateway, key, chat("mock/ok"));
    if (refused.status === 200) continue;
    expect(refused.status).toBe(429);
    const waitMs = Number(refused.headers.get("retry-after")) * 1_000;
    expect(waitMs).toBeWithin(1_000, 3_000);
    const atMs = performance.now();
    await until("the wait is over", () => performance.now() - atMs >= waitMs, { everyMs: 5 });
    expect((await call(setup.gateway, key, chat("mock/ok"))).status).toBe(200);
  }
});

test("a key's limit counts the calls of all dialects, streamed or not", async () => {
  const key = await keyWith({ requestsPerHour: 8 });
  const dialects: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];
  const asked = [...dialects, ...dialects, ...dialects];
  const replies = await eachOf(asked, 1, (dialect, at) =>
    ask(setup.gateway, key, dialect, { model: "mock/ok", stream: at % 2 === 0 }),
  );
  expect(replies.map(({ status }) => status)).toEqual([...Array(8).fill(200), ...Array(4).fill(429)]);
  const bodies = replies.slice(8).map(({ text }) => JSON.parse(text));
  expect(bodies[0].error.details).toMatchObject({ scope: { kind: "key" }, limit: 8, used: 8, held: 0, needed: 1 });
  expect(bodies[2].error.details).toMatchObject({ limit: 8, per: "hour", resetsAt: expect.any(Number) });
  expect(bodies[3].error.details).toContainEqual({
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    retryDelay: `${replies[11]?.headers.get("retry-after")}s`,
  });
});

describe("headers", () => {
  test.each<[DialectName, readonly string[]]>([
    ["openai-chat", ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"]],
    ["openai-responses", ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]],
    [
      "anthropic-messages",
      [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-remaining",
      ],
    ],
  ])("%s: its own names, on 200 and 429", async (dialect, names) => {
    const key = await keyWith({ requestsPerMinute: 1, requestsPerDay: 50, tokensPerMinute: 100_000 });
    for (const status of [200, 429]) {
      const { headers, status: got } = await ask(setup.gateway, key, dialect, { model: "mock/ok" });
      expect(got).toBe(status);
      for (const name of names) expect([name, headers.get(name)]).toEqual([name, expect.any(String)]);
      const foreign = dialect === "anthropic-messages" ? "x-ratelimit" : "anthropic-ratelimit";
      expect([...headers.keys()].filter((name) => name.startsWith(foreign))).toEqual([]);
      const remaining =
        dialect === "anthropic-messages" ? "anthropic-ratelimit-requests-remaining" : "x-ratelimit-remaining-requests";
      expect(headers.get(remaining)).toBe("0");
    }
  });

  test("none where no limit exists", async () => {
    const { headers } = await call(setup.gateway, setup.key.key, chat("mock/ok"));
    expect([...headers.keys()].filter((name) => name.includes("ratelimit"))).toEqual([]);
  });
});

describe("tokens", () => {
  test("what a call may write is reserved, and what it did not is given back", async () => {
    const key = await keyWith({ tokensPerMinute: 1_000 });
    const held = gate();
    setup.upstream.on("held", async (exchange) => {
      await held.opened;
      await answers({ promptTokens: 20, completionTokens: 30 })(exchange);
    });
    const racing = Promise.all(
      Array.from({ length: 50 }, () => send(key, { max_completion_tokens: 480, stream: true }, "mock/held")),
    );
    await until("the others are refused", () => setup.upstream.requestsFor("held").length > 0);
    held.open();
    const replies = await racing;
    expect(statuses(replies)["200"]).toBeWithin(1, 3);
    // 50 tokens of each that passed are used; the rest is free again.
    const passed = statuses(replies)["200"] ?? 0;
    const next = await call(setup.gateway, key, chat("mock/ok", { max_completion_tokens: 950 - 50 * passed - 40 }));
    expect(next.status).toBe(200);
  });

  test("what a model usually writes is learned of calls that let it write, and of no others", async () => {
    const { id, key } = await setup.gateway.createKey({ limits: { outputTokensPerMinute: 1_000_000 } });
    const request = chat("mock/talks");
    const reserved = async () => {
      const { limits } = await setup.gateway.admin<{ limits: { needed: number }[] }>("POST", "/api/explain", {
        keyId: id,
        request,
      });
      return limits[0]?.needed;
    };
    setup.upstream.on("talks", answers({ completionTokens: 2_000 }));
    const untaught = await reserved();
    expect((await call(setup.gateway, key, request)).status).toBe(200);
    const taught = await reserved();
    expect(taught).toBeGreaterThan(untaught ?? 0);
    setup.upstream.on("talks", answers({ completionTokens: 1 }));
    await call(setup.gateway, key, { ...request, max_completion_tokens: 1 });
    setup.upstream.on("talks", json(200, { data: [{ embedding: [1] }], usage: { prompt_tokens: 2, total_tokens: 2 } }));
    const { status } = await call(setup.gateway, key, { model: "mock/talks", input: "x" }, { path: "/v1/embeddings" });
    expect([status, await reserved()]).toEqual([200, taught]);
    // Of several candidates, what each wrote.
    setup.upstream.on("talks", answers({ completionTokens: 8 * 2_000 }));
    const before = await reserved();
    for (let at = 0; at < 20; at++) await call(setup.gateway, key, { ...request, n: 8 });
    expect(await reserved()).toBeWithin((before ?? 0) - 1, 2_001);
  });

  test("a guess of what a call will write refuses none for good, by a limit in USD as little as by one in tokens", async () => {
    setup.upstream.on("long", answers({ completionTokens: 20_000 }));
    const teacher = await keyWith({ requestsPerMinute: 100 });
    for (let at = 0; at < 8; at++) await call(setup.gateway, teacher, chat("mock/long"));
    setup.upstream.on("long", answers({ promptTokens: 20, completionTokens: 30 }));
    for (const limits of [{ usdPerMinute: "0.005" }, { tokensPerMinute: 500 }]) {
      const key = await keyWith(limits);
      expect([limits, (await call(setup.gateway, key, chat("mock/long"))).status]).toEqual([limits, 200]);
      // What it reserved beyond what it used is given back.
      expect((await call(setup.gateway, key, chat("mock/long", { max_completion_tokens: 100 }))).status).toBe(200);
    }
    const key = await keyWith({ usdPerMinute: "0.000001" });
    const refused = await call(setup.gateway, key, chat("mock/long"));
    expect([refused.status, refused.headers.get("x-should-retry")]).toEqual([429, "false"]);
  });

  test("a single call above the limit is refused with a clear message, and nothing goes upstream", async () => {
    const key = await keyWith({ tokensPerMinute: 1_000 });
    const before = setup.upstream.log.length;
    const refused = await call(setup.gateway, key, chat("mock/ok", { max_completion_tokens: 5_000 }));
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text).error.message).toMatch(
      /^This call needs \d+ tokens, and the limit is 1000 tokens a minute for this key: it can never pass\.$/,
    );
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(setup.upstream.log.length).toBe(before);
    expect((await call(setup.gateway, key, chat("mock/ok", { max_completion_tokens: 900 }))).status).toBe(200);
  });

  test.each<[Limits, object]>([
    [{ inputTokensPerMinute: 30 }, { measure: "input-tokens", used: 20, held: 0 }],
    [{ outputTokensPerHour: 40 }, { measure: "output-tokens", used: 30, held: 0, per: "hour" }],
    // 20 × 1 and 30 × 2 USD a million.
    [{ usdPerDay: "0.0001" }, { measure: "spend", limit: 100_000, used: 80_000, held: 0, per: "day" }],
  ])("%j counts what it says", async (limits, details) => {
    const key = await keyWith(limits);
    const more = { max_completion_tokens: 30 };
    expect((await call(setup.gateway, key, chat("mock/ok", more))).status).toBe(200);
    const refused = await call(
      setup.gateway,
      key,
      chat("mock/ok", { ...more, messages: [{ role: "user", content: "x".repeat(70) }] }),
    );
    expect(refused.status).toBe(429);
    expect(detailsOf(refused.text)).toMatchObject(details);
  });
});

describe("what is refused consumes nothing", () => {
  test("of the other limits and the budget", async () => {
    const key = await keyWith(
      { requestsPerMinute: 20, tokensPerMinute: 100_000, concurrency: 1 },
      { usd: "1", window: "day" },
    );
    const opened = gate();
    setup.upstream.on("slow", async (exchange) => {
      await opened.opened;
      await answers({ promptTokens: 20, completionTokens: 30 })(exchange);
    });
    const first = send(key, {}, "mock/slow");
    await until("the first call is upstream", () => setup.upstream.requestsFor("slow").length > 0);
    const refused = await Promise.all(Array.from({ length: 100 }, () => send(key)));
    expect(statuses(refused)).toEqual({ 429: 100 });
    expect(detailsOf(refused[0]?.text ?? "")).toMatchObject({ measure: "concurrency", limit: 1, held: 1 });
    opened.open();
    expect((await first)?.status).toBe(200);
    const { status, headers } = await call(setup.gateway, key, chat("mock/ok"));
    expect(status).toBe(200);
    expect(Number(headers.get("x-ratelimit-remaining-requests"))).toBeGreaterThanOrEqual(18);
  });

  test("a budget that refuses takes nothing of the limits", async () => {
    const key = await setup.gateway.createKey({
      limits: { requestsPerDay: 3, concurrency: 1 },
      budget: { usd: "0.000000001", window: "lifetime" },
    });
    for (let at = 0; at < 10; at++) expect((await call(setup.gateway, key.key, chat("mock/ok"))).status).toBe(402);
    const query = `/api/budgets?scopeKind=key&scopeId=${key.id}`;
    const { data } = await setup.gateway.admin<{ data: readonly { id: string }[] }>("GET", query);
    for (const { id } of data) await setup.gateway.admin("DELETE", `/api/budgets/${id}`);
    const { status, headers } = await call(setup.gateway, key.key, chat("mock/ok"));
    expect([status, headers.get("x-ratelimit-remaining-requests")]).toEqual([200, "2"]);
  });

  test("nor does a call that no provider could be asked for, and a slot comes back", async () => {
    const key = await keyWith({ requestsPerDay: 3, concurrency: 1 });
    const before = setup.upstream.log.length;
    // Anthropic has no embeddings.
    for (let at = 0; at < 5; at++) {
      const refused = await call(
        setup.gateway,
        key,
        { model: "mock-anthropic-messages/ok", input: "hi" },
        {
          path: "/v1/embeddings",
        },
      );
      expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([400, "operation_not_offered"]);
    }
    expect(setup.upstream.log.length).toBe(before);
    const { status, headers } = await call(setup.gateway, key, chat("mock/ok"));
    expect([status, headers.get("x-ratelimit-remaining-requests")]).toEqual([200, "2"]);
    const asked = await call(setup.gateway, key, chat("mock/bad"));
    expect([asked.status, asked.headers.get("x-ratelimit-remaining-requests")]).toEqual([502, "1"]);
  });
});

test("slots come back however calls end: clients that leave, failures, refusals", async () => {
  const key = await keyWith({ concurrency: 2 });
  const text = "word ".repeat(200);
  setup.upstream.on("long", answers({ text, promptTokens: 20, completionTokens: 200 }));
  const leave = (at: number) =>
    sendRaw(setup.gateway.url, {
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(chat("mock/long", { stream: true })),
      leaveWhen: (received) => received.length > (at * 37) % 4_000,
    });
  await eachOf(
    Array.from({ length: 300 }, (_, at) => at),
    4,
    (at) => leave(at),
  );
  await eachOf(
    Array.from({ length: 100 }, (_, at) => at),
    4,
    (at) => send(key, {}, at % 2 === 0 ? "mock/bad" : "mock/unknown"),
  );
  const both = async () => statuses(await Promise.all([send(key), send(key)]))["200"] === 2;
  await until("two run at the same time", both, { deadlineMs: 15_000 });
}, 40_000);
