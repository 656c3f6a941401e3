import { describe, expect, test } from "bun:test";
import { GatewayError, type Hold, type LimitUse, type RateLimiter } from "llm-proxy/plugin";
import type { Scope } from "../../core/chat/error.ts";
import { handle } from "../../core/gateway.ts";
import { aBudget, startMs } from "../contract/storage-samples.ts";
import { type Bench, type BenchOptions, benches, chat, chatRequest, priceOf } from "./bench.ts";
import { FetchedResponse } from "../../core/runtime/upstream-response.ts";

const newBench = benches();

/** An upstream of the dialect that keeps what it is sent and answers with 10 tokens in and 20 out. */
async function world(options: BenchOptions = {}): Promise<Bench & { readonly sent: Record<string, unknown>[] }> {
  const sent: Record<string, unknown>[] = [];
  const bench = await newBench({
    providers: {
      mock: { dialects: ["openai-chat"], request: ({ body }) => ({ url: "http://mock", headers: {}, body }) },
    },
    transport: async ({ body }) => {
      sent.push(JSON.parse(body));
      const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };
      const choices = [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }];
      return new FetchedResponse(Response.json({ id: "chatcmpl-1", object: "chat.completion", choices, usage }));
    },
    ...options,
  });
  return { ...bench, sent };
}
const answer = async (bench: Bench, body: object = {}) => {
  const response = await handle(chatRequest(body), chat, bench.services);
  return { status: response.status, headers: response.headers, body: await response.json() };
};
const ofCaller = { kind: "account", id: "default" } as const;
const budgeted = (bench: Bench, limitNano: number, scope: Scope = ofCaller) =>
  bench.database.budgets.create(aBudget({ scope, limitNano, createdMs: startMs - 1 }));
const heldNano = async (bench: Bench) => (await bench.database.budgets.list({})).data[0]?.heldNano;

describe("what cannot be recorded is not admitted", () => {
  test.each([
    [
      "storage has trouble",
      (bench: Bench): Bench => ({
        ...bench,
        services: { ...bench.services, database: { ...bench.services.database, trouble: () => "disk" } },
      }),
    ],
    [
      "the process drains",
      (bench: Bench): Bench => ({ ...bench, services: { ...bench.services, draining: { value: true } } }),
    ],
  ])("%s: 503, and nothing goes upstream", async (_, change) => {
    const bench = await world();
    const { status, headers } = await answer(change(bench));
    expect([status, headers.get("retry-after"), bench.sent]).toEqual([503, "5", []]);
  });

  test("the admission itself fails: 503, not 500", async () => {
    const bench = await world();
    const admit = () =>
      Promise.reject(new GatewayError("unavailable", "the database cannot be written", { retryAfterSeconds: 5 }));
    const services = {
      ...bench.services,
      database: { ...bench.services.database, ledger: { ...bench.services.database.ledger, admit } },
    };
    expect((await answer({ ...bench, services })).status).toBe(503);
    expect(bench.sent).toEqual([]);
  });

  test("a target without a price: 400, and with a budget also where the operator lets it pass", async () => {
    const refusing = await world();
    expect(await answer(refusing, { model: "mock/unpriced" })).toMatchObject({
      status: 400,
      body: { error: { code: "unpriced_model" } },
    });
    const allowing = await world({ biller: { policy: { ...priceOf(1, 1).policy, unpriced: "allow" } } });
    expect((await answer(allowing, { model: "mock/unpriced" })).status).toBe(200);
    expect((await allowing.database.calls.list({}, {})).data).toMatchObject([
      { status: "ok", costNano: null, chargeNano: null },
    ]);
    await budgeted(allowing, 1e9);
    expect(await answer(allowing, { model: "mock/unpriced" })).toMatchObject({
      status: 400,
      body: { error: { code: "unpriced_model" } },
    });
  });
});

describe("the cap on the output", () => {
  test("without a budget nothing is set", async () => {
    const bench = await world();
    const { headers } = await answer(bench);
    expect(Object.keys(bench.sent[0] ?? {})).not.toContain("max_completion_tokens");
    expect(headers.get("x-llm-proxy-warnings")).toBeNull();
  });

  test("with a budget an uncapped call gets the default, is told, and its hold ends with it", async () => {
    const bench = await world();
    await budgeted(bench, 1e9);
    const { headers } = await answer(bench);
    expect(bench.sent[0]).toMatchObject({ max_completion_tokens: 16_384 });
    expect(headers.get("x-llm-proxy-warnings")).toContain("16384");
    expect(bench.finishes).toMatchObject([{ chargeNano: 50 }]);
    expect(await heldNano(bench)).toBe(0);
  });

  test("where the hold does not fit it is lowered, down to 1,024 and no further", async () => {
    const bench = await world();
    const input =
      1_024 +
      Buffer.byteLength(
        JSON.stringify({ model: "mock/one", messages: [{ role: "user", content: "hello" }], max_tokens: 50_000 }),
      );
    await budgeted(bench, input + 2 * 2_000 + 2);
    await answer(bench, { max_tokens: 50_000 });
    expect(bench.sent[0]).toMatchObject({ max_tokens: 2_000 });
    const tight = await world();
    await budgeted(tight, input + 2 * 1_023);
    expect(await answer(tight, { max_tokens: 50_000 })).toMatchObject({ status: 402 });
  });

  test("several answers share what is left", async () => {
    const bench = await world();
    const body = { max_tokens: 50_000, n: 3 };
    const bytes = Buffer.byteLength(
      JSON.stringify({ model: "mock/one", messages: [{ role: "user", content: "hello" }], ...body }),
    );
    await budgeted(bench, 1_024 + bytes + 2 * 3 * 1_500 + 2);
    await answer(bench, body);
    expect(bench.sent[0]).toMatchObject({ max_tokens: 1_500, n: 3 });
  });

  test("a budget that an earlier config has left refuses all, when nothing rates calls any more", async () => {
    const bench = await world({ biller: null });
    expect((await answer(bench)).status).toBe(200);
    await budgeted(bench, 1e9);
    expect((await answer(bench)).status).toBe(503);
    expect(bench.sent).toHaveLength(1);
  });
});

describe("a budget that is short", () => {
  test("spent: 402 with the figures, and not to be tried again", async () => {
    const bench = await world();
    const budget = await budgeted(bench, 1_000);
    const { status, headers, body } = await answer(bench, { max_tokens: 10 });
    expect([status, headers.get("x-should-retry")]).toEqual([402, "false"]);
    expect(body.error.details).toEqual({
      scope: budget.scope,
      limit: 1_000,
      used: 0,
      held: 0,
      needed: expect.any(Number),
      free: 1_000,
      fittingMaxOutputTokens: 0,
      resetsAt: null,
      explain: {
        stage: "budgets",
        estimate: {
          expectedInputTokens: expect.any(Number),
          mostInputTokens: expect.any(Number),
          mostOutputTokens: 10,
        },
      },
    });
    expect(bench.sent).toEqual([]);
  });

  test("above the caller's account: without the figures, which the record has", async () => {
    const bench = await world();
    await budgeted(bench, 1_000, { kind: "global", id: "global" });
    const { status, headers, body } = await answer(bench, { max_tokens: 10 });
    expect([status, headers.get("x-should-retry"), body.error.code]).toEqual([402, "false", "insufficient_quota"]);
    expect(body.error.message).toBe(
      "A budget that is set above your account, on all calls, does not let this call pass.",
    );
    const { explain: _, ...details } = body.error.details;
    expect(details).toEqual({ scope: { kind: "global" }, above: true });
    const [row] = (await bench.database.calls.list({}, {})).data;
    expect((await bench.database.calls.get(row?.callId ?? ""))?.notes?.error).toContain("1000 are free");
  });

  test("only held by calls in flight: 429, soon to be tried again", async () => {
    const gate = Promise.withResolvers<FetchedResponse>();
    const bench = await world({ transport: () => gate.promise });
    await budgeted(bench, 2_000);
    const first = answer(bench, { max_tokens: 10 });
    await answer(bench, { max_tokens: 10 }).then(({ status, headers, body }) => {
      expect([status, headers.get("retry-after"), body.error.code]).toEqual([429, "1", "budget_held"]);
      expect(body.error.details.held).toBeGreaterThan(0);
    });
    gate.resolve(new FetchedResponse(new Response("no", { status: 501 })));
    expect((await first).status).toBe(502);
    expect(await heldNano(bench)).toBe(0);
  });
});

describe("all holds or none", () => {
  test("a refusal gives back what was taken before it, in reverse", async () => {
    const log: string[] = [];
    const limiter = (name: string): { name: string; slot: RateLimiter } => ({
      name,
      slot: {
        own: { scope: "key", limits: { concurrency: 1 } },
        acquire: () => (log.push(`take ${name}`), holdOf(name, log)),
      },
    });
    const bench = await world({
      rateLimit: [limiter("a"), limiter("b")],
      biller: { authorize: () => (log.push("take credit"), holdOf("credit", log)) },
    });
    await budgeted(bench, 1);
    expect((await answer(bench)).status).toBe(402);
    expect(log).toEqual(["take a", "take b", "take credit", "release credit", "release b", "release a"]);
    log.length = 0;
    for (const { id } of (await bench.database.budgets.list({})).data) await bench.database.budgets.remove(id);
    expect((await answer(bench)).status).toBe(200);
    expect(log).toEqual(["take a", "take b", "take credit", "settle credit", "settle b", "settle a"]);
  });

  test("one that cannot be given back does not keep the others, nor hide the refusal", async () => {
    const log: string[] = [];
    const broken: Hold = { settle: () => {}, release: () => Promise.reject(new Error("lost")) };
    const own = { scope: "key", limits: { concurrency: 1 } } as const;
    const bench = await world({
      rateLimit: [
        { name: "good", slot: { own, acquire: () => holdOf("good", log) } },
        { name: "broken", slot: { own, acquire: () => broken } },
      ],
    });
    await budgeted(bench, 1);
    expect((await answer(bench)).status).toBe(402);
    expect(log).toEqual(["release good"]);
  });

  test("one whose plugin spoils later what it told with it costs neither the record nor what is held", async () => {
    const log: string[] = [];
    const use: LimitUse[] = [];
    const own = { scope: "key", limits: { concurrency: 1 } } as const;
    const bench = await world({
      rateLimit: [{ name: "live", slot: { own, acquire: () => ({ use, ...holdOf("live", log) }) } }],
      transport: () => {
        use.push(null as never);
        return Promise.reject(new Error("reset"));
      },
    });
    await budgeted(bench, 1e9);
    // Nor is there anything left to answer with.
    expect(await answer(bench).catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(bench.finishes).toMatchObject([{ status: "upstream_error" }]);
    expect(log).toEqual(["settle live"]);
    expect(await heldNano(bench)).toBe(0);
    expect(bench.logged.join()).toContain("what explains a call could not be put together");
  });
});

const holdOf = (name: string, log: string[]): Hold => ({
  settle: () => void log.push(`settle ${name}`),
  release: () => void log.push(`release ${name}`),
});
