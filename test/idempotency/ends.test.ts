import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { endsIn } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { json, resetAfter, stalled } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { spokenStream, type Turn } from "../support/spoken.ts";
import type { Script } from "../support/upstream.ts";
import { canary, codeOf, isReplay, newKey, newModel, send } from "./calls.ts";

const turn: Turn = { text: `${canary} and more of them`, usage: { input: 11, output: 3 } };
const config = "server: { idempotency: { waitMs: 3000, maxAnswerBytes: 20000 }, disconnect: { drainMs: 1500 } }";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ config });
  setup.gateway.secrets.add(canary);
});
/** How many answers are read for a client that has left. */
async function drains(): Promise<number> {
  const answer = await setup.gateway.get("/metrics", { authorization: `Bearer ${setup.gateway.adminToken}` });
  return Number(/^llm_proxy_drains (\d+)/m.exec((await answer?.text()) ?? "")?.[1] ?? 0);
}
afterAll(() => setup.stop());
afterEach(() => invariants(setup));

describe("money", () => {
  test("a replay is free: it works with the budget spent, and holds and charges nothing", async () => {
    const { model, sent } = newModel(setup, answers({ promptTokens: 1_000, completionTokens: 10 }));
    const key = await setup.gateway.createKey({ budget: { usd: "0.00205", window: "lifetime" } });
    const idempotencyKey = newKey();
    const body = chat(model, { max_tokens: 10 });
    const first = await send(setup, body, idempotencyKey, { key: key.key });
    expect([first.status, first.headers.get("x-llm-proxy-cost-usd")]).toEqual([200, "0.001020000"]);
    expect((await send(setup, body, newKey(), { key: key.key })).status).toBe(402);
    const second = await send(setup, body, idempotencyKey, { key: key.key });
    expect([second.status, second.text, second.headers.get("x-llm-proxy-cost-usd")]).toEqual([200, first.text, null]);
    expect(sent()).toBe(1);
    expect(usageOf(setup.gateway, first.callId).charge_nano).toBe(1_020_000);
  });

  test("what limits had left then is not told again, and replays count on none", async () => {
    const { model } = newModel(setup, answers());
    const key = await setup.gateway.createKey({ limits: { requestsPerMinute: 1 } });
    const idempotencyKey = newKey();
    const first = await send(setup, chat(model), idempotencyKey, { key: key.key });
    expect([first.status, first.headers.get("x-ratelimit-limit-requests")]).toEqual([200, "1"]);
    const second = await send(setup, chat(model), idempotencyKey, { key: key.key });
    expect([second.status, isReplay(second), second.headers.get("x-ratelimit-limit-requests")]).toEqual([
      200,
      true,
      null,
    ]);
    expect((await send(setup, chat(model), newKey(), { key: key.key })).status).toBe(429);
  });

  test("a refusal by a budget keeps nothing: with money the same key works", async () => {
    const { model, sent } = newModel(setup, answers());
    const key = await setup.gateway.createKey({ budget: { usd: "0.000001", window: "lifetime" } });
    const idempotencyKey = newKey();
    expect((await send(setup, chat(model), idempotencyKey, { key: key.key })).status).toBe(402);
    expect(sent()).toBe(0);
    const budgets = await setup.gateway.admin<{ data: { id: string; scope: { id: string } }[] }>(
      "GET",
      "/api/budgets?limit=200",
    );
    const budget = budgets.data.find(({ scope }) => scope.id === key.id);
    await setup.gateway.admin("DELETE", `/api/budgets/${budget?.id}`);
    const again = await send(setup, chat(model), idempotencyKey, { key: key.key });
    expect([again.status, isReplay(again)]).toEqual([200, false]);
  });

  test("a provider that fails keeps nothing: the next one asks again", async () => {
    let fails = true;
    const bad = json(400, { error: { message: "bad", type: "invalid_request_error", param: null, code: null } });
    const script: Script = (exchange) => (fails ? bad(exchange) : answers()(exchange));
    const { model, sent } = newModel(setup, script);
    const idempotencyKey = newKey();
    expect((await send(setup, chat(model), idempotencyKey)).status).toBe(400);
    fails = false;
    const again = await send(setup, chat(model), idempotencyKey);
    expect([again.status, isReplay(again), sent()]).toEqual([200, false, 2]);
  });
});

describe("a first call that does not end well", () => {
  test("while it runs: the same request waits, for no longer than it may; another one is refused at once", async () => {
    const held = gate();
    const script: Script = async (exchange) => {
      await held.opened;
      await answers()(exchange);
    };
    const { model, sent } = newModel(setup, script);
    const idempotencyKey = newKey();
    const first = send(setup, chat(model), idempotencyKey);
    await until("the first is upstream", () => sent() === 1);
    expect(codeOf(await send(setup, chat(model, { user: "x" }), idempotencyKey))).toEqual([
      422,
      "idempotency_key_reused",
    ]);
    const late = await send(setup, chat(model), idempotencyKey);
    expect(codeOf(late)).toEqual([409, "idempotency_key_in_use"]);
    expect(late.headers.get("retry-after")).toBe("2");
    const second = send(setup, chat(model), idempotencyKey);
    held.open();
    expect((await second).text).toBe((await first).text);
    expect(sent()).toBe(1);
  });

  test("its client leaves before the answer: who comes back gets it", async () => {
    const held = gate();
    const { model, sent } = newModel(setup, async (exchange) => {
      await held.opened;
      await answers()(exchange);
    });
    const idempotencyKey = newKey();
    const leaves = new AbortController();
    const left = send(setup, chat(model), idempotencyKey, { signal: leaves.signal }).catch(() => null);
    await until("it is upstream", () => sent() === 1);
    leaves.abort();
    await left;
    await until("the proxy has seen it leave", drains);
    const back = send(setup, chat(model), idempotencyKey);
    held.open();
    expect([(await back).status, isReplay(await back), sent()]).toEqual([200, true, 1]);
  });

  test("its client leaves in the middle of a stream that goes on: who comes back gets all of it", async () => {
    const held = gate();
    const text = spokenStream("openai-chat", turn);
    const half = text.indexOf("\n\n", text.length / 2) + 2;
    const { model, sent } = newModel(setup, stalled(text.slice(0, half), held.opened, text.slice(half)));
    const idempotencyKey = newKey();
    const leaves = new AbortController();
    await call(setup.gateway, setup.key.key, chat(model, { stream: true }), {
      headers: { "idempotency-key": idempotencyKey },
      signal: leaves.signal,
      onPiece: () => leaves.abort(),
    });
    await until("the proxy has seen it leave", drains);
    const back = send(setup, chat(model, { stream: true }), idempotencyKey);
    held.open();
    const reply = await back;
    expect([reply.status, isReplay(reply), endsIn("openai-chat", reply.text), sent()]).toEqual([200, true, 1, 1]);
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ source: "drained", output_tokens: 3 });
  });

  test("its stream breaks off and costs nothing: the same key asks again", async () => {
    const text = spokenStream("openai-chat", turn);
    const { model, sent } = newModel(setup, resetAfter(text.slice(0, text.indexOf("\n\n", text.length / 2) + 2)));
    const idempotencyKey = newKey();
    const first = await send(setup, chat(model, { stream: true }), idempotencyKey);
    expect(first.status).toBe(200);
    const second = await send(setup, chat(model, { stream: true }), idempotencyKey);
    // Its provider failed and charges nothing, as the record says; so it may be tried again.
    expect(usageOf(setup.gateway, first.callId)).toMatchObject({ status: "upstream_error", charge_nano: 0 });
    expect([second.status, isReplay(second), sent()]).toEqual([200, false, 2]);
  });

  test("its client leaves and the answer is cut off, estimated and charged: no second charge in silence", async () => {
    const text = spokenStream("openai-chat", turn);
    const half = text.indexOf("\n\n", text.length / 2) + 2;
    const { model, sent } = newModel(setup, stalled(text.slice(0, half), new Promise(() => {}), ""));
    const idempotencyKey = newKey();
    const leaves = new AbortController();
    const first = await call(setup.gateway, setup.key.key, chat(model, { stream: true }), {
      headers: { "idempotency-key": idempotencyKey },
      signal: leaves.signal,
      onPiece: () => leaves.abort(),
    });
    const back = await send(setup, chat(model, { stream: true }), idempotencyKey);
    expect([...codeOf(back), sent()]).toEqual([409, "idempotency_answer_gone", 1]);
    expect(errorOf(back.text).message).toContain(first.callId);
    expect(back.headers.get("x-should-retry")).toBe("false");
    expect(usageOf(setup.gateway, first.callId)).toMatchObject({ status: "client_aborted", source: "estimated" });
  });

  test("its answer is larger than what is kept: no second charge in silence", async () => {
    const { model, sent } = newModel(setup, answers({ text: "large ".repeat(10_000) }));
    for (const stream of [false, true]) {
      const idempotencyKey = newKey();
      const first = await send(setup, chat(model, { stream }), idempotencyKey);
      expect([first.status, first.complete]).toEqual([200, true]);
      const second = await send(setup, chat(model, { stream }), idempotencyKey);
      expect(codeOf(second)).toEqual([409, "idempotency_answer_gone"]);
      expect(errorOf(second.text).message).toContain(first.callId);
      expect(second.headers.get("x-should-retry")).toBe("false");
    }
    expect(sent()).toBe(2);
  });
});
