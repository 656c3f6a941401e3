import { afterEach, expect, test } from "bun:test";
import { chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { allBudgets, allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";

/**
 * 1,000 calls at once on one key whose budget pays exactly 50. The price is on output alone and the cap equals the
 * output, so the hold is the cost and every nano-USD shows.
 */
const calls = 1000;
const affordable = 50;
const outputTokens = 10;
const price = { input: 0, output: 1 };
const costNano = outputTokens * 1000;
const limitNano = affordable * costNano;

let setup: Setup;
afterEach(() => setup.stop());

async function start(script: Script): Promise<void> {
  setup = await setUp({ price, key: { name: "raced", budget: { usd: "0.0005", window: "lifetime" } } });
  setup.upstream.on("paid", script);
  expect(allBudgets(setup.gateway)).toMatchObject([
    { scope_kind: "key", scope_id: setup.key.id, limit_nano: limitNano, spent_nano: 0, held_nano: 0 },
  ]);
}

const send = (index: number): Promise<RawAnswer | null> =>
  sendRaw(setup.gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock/paid", { max_completion_tokens: outputTokens, stream: index % 2 === 0 })),
  });

/** Reads the budget again and again while `work` goes on, and gives the highest use of it. */
async function watched<T>(work: Promise<T>): Promise<{ result: T; mostNano: number; samples: number }> {
  let [mostNano, samples, done] = [0, 0, false];
  const finished = work.finally(() => (done = true));
  const watching = until(
    "the end of the race",
    () => {
      const [budget] = allBudgets(setup.gateway);
      mostNano = Math.max(mostNano, (budget?.spent_nano ?? 0) + (budget?.held_nano ?? 0));
      samples++;
      return done;
    },
    { deadlineMs: 60_000, everyMs: 5 },
  );
  const result = await finished;
  await watching;
  return { result, mostNano, samples };
}

const passed = (all: readonly (RawAnswer | null)[]): (RawAnswer | null)[] =>
  all.filter((answer) => answer?.status === 200);

function expectExact(replies: readonly (RawAnswer | null)[]): void {
  expect(replies.filter((answer) => answer === null).length).toBe(0);
  expect(passed(replies).length).toBe(affordable);
  expect(new Set(replies.map((answer) => answer?.callId)).size).toBe(calls);
  expect(replies.filter((answer) => answer?.status === 402 || answer?.status === 429).length).toBe(calls - affordable);
  expect(setup.upstream.log.length).toBe(affordable);
  expect(allBudgets(setup.gateway)).toMatchObject([{ limit_nano: limitNano, spent_nano: limitNano, held_nano: 0 }]);
  const rows = allUsage(setup.gateway);
  expect(rows.filter((row) => row.status === "ok").length).toBe(affordable);
  const refused = rows.filter((row) => row.status === "refused").length;
  // The first 60 refusals a minute and key have a row; the race may straddle a minute.
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThanOrEqual(120);
}

test("answers at once: 50 pass, 950 are refused, spent is the limit, and it is never over", async () => {
  await start(answers({ completionTokens: outputTokens }));
  const { result, mostNano, samples } = await watched(
    Promise.all(Array.from({ length: calls }, (_, index) => send(index))),
  );
  expectExact(result);
  expect(mostNano).toBe(limitNano);
  expect(samples).toBeGreaterThan(10);
  await invariants(setup, { price });

  const late = await send(0);
  expect(late?.status).toBe(402);
  expect(late?.headers["x-should-retry"]).toBe("false");
  expect(errorOf(late?.text ?? "")).toMatchObject({
    code: "insufficient_quota",
    details: {
      scope: { kind: "key", id: setup.key.id },
      limit: limitNano,
      used: limitNano,
      held: 0,
      needed: costNano,
      resetsAt: null,
    },
  });
}, 90_000);

test("answers held back: what only calls in flight stand in the way of is 429, not 402", async () => {
  const release = gate();
  await start(async (exchange) => {
    await release.opened;
    await answers({ completionTokens: outputTokens })(exchange);
  });
  const pending = Array.from({ length: calls }, (_, index) => send(index));
  const refusedSoFar: RawAnswer[] = [];
  for (const each of pending) void each.then((answer) => answer && answer.status !== 200 && refusedSoFar.push(answer));
  await until("950 refusals", () => refusedSoFar.length === calls - affordable, { deadlineMs: 60_000 });
  expect(allBudgets(setup.gateway)).toMatchObject([{ spent_nano: 0, held_nano: limitNano }]);
  expect(refusedSoFar.map((answer) => answer.status).filter((status) => status !== 429)).toEqual([]);
  for (const answer of refusedSoFar) expect(answer.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
  release.open();
  const { result, mostNano } = await watched(Promise.all(pending));
  expectExact(result);
  expect(mostNano).toBe(limitNano);
  await invariants(setup, { price });
}, 90_000);
