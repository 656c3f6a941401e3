import { afterAll, beforeAll, expect, test } from "bun:test";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { allBudgets, type BudgetState } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** 1,000 nano-USD a token of output: a cap of 10,000 tokens may cost $0.01, the answer costs $0.00001. */
const price = { input: 0, output: 1 };
const costNano = 10_000;

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ price });
  setup.upstream.on("paid", answers({ completionTokens: 10 }));
});
afterAll(() => setup.stop());

interface Budgeted {
  readonly id: string;
  readonly keyId: string;
  send(maxTokens?: number): Promise<Reply>;
  state(): BudgetState | undefined;
}
async function budgeted(usd: string, terms: object = {}): Promise<Budgeted> {
  const key = await setup.gateway.createKey();
  const scope = { kind: "key", id: key.id };
  const body = { scope, usd, window: "day", ...terms };
  const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/budgets", body);
  return {
    id,
    keyId: key.id,
    send: (maxTokens = 10_000) => call(setup.gateway, key.key, chat("mock/paid", { max_completion_tokens: maxTokens })),
    state: () => allBudgets(setup.gateway).find(({ budget_id }) => budget_id === id),
  };
}

test("a budget lowers the cap of a call that does not fit, or refuses it, as it says", async () => {
  const capping = await budgeted("0.005");
  const lowered = await capping.send();
  expect(lowered.status).toBe(200);
  expect(lowered.headers.get("x-llm-proxy-warnings")).toContain("lowered from 10000 to 4999");
  const refusing = await budgeted("0.005", { onShortfall: "refuse" });
  const refused = await refusing.send();
  expect(refused.status).toBe(402);
  expect(errorOf(refused.text).details).toMatchObject({
    scope: { kind: "key", id: refusing.keyId },
    needed: 10_000_000,
    free: 5_000_000,
    fittingMaxOutputTokens: 4_999,
  });
  expect((await refusing.send(4_999)).status).toBe(200);
});

test("a budget that holds what is expected admits what may cost more, and shows what went over", async () => {
  // 1,024 tokens are expected.
  const { send, state } = await budgeted("0.001024", { admission: "expected" });
  expect((await send()).status).toBe(200);
  expect(state()).toMatchObject({ spent_nano: costNano, held_nano: 0 });
  expect((await send()).status).toBe(402);
  setup.upstream.on("paid", answers({ completionTokens: 2_000 }));
  const over = await budgeted("0.0011", { admission: "expected" });
  expect((await over.send()).status).toBe(200);
  expect(over.state()).toMatchObject({ spent_nano: 2_000_000, limit_nano: 1_100_000 });
  setup.upstream.on("paid", answers({ completionTokens: 10 }));
});

test("an increase lets more through until its end, and a reset lets the whole through again", async () => {
  const { id, send, state } = await budgeted("0.00001");
  expect((await send(10)).status).toBe(200);
  expect((await send(10)).status).toBe(402);
  const increase = { usd: "0.00001", until: Date.now() + 3_600_000 };
  await setup.gateway.admin("PATCH", `/api/budgets/${id}`, { increase });
  expect(state()?.limit_nano).toBe(2 * costNano);
  expect((await send(10)).status).toBe(200);
  expect((await send(10)).status).toBe(402);
  await setup.gateway.admin("PATCH", `/api/budgets/${id}`, { increase: null });
  expect(state()).toMatchObject({ limit_nano: costNano, spent_nano: 2 * costNano });
  await setup.gateway.admin("POST", `/api/budgets/${id}/reset`);
  expect(state()).toMatchObject({ limit_nano: costNano, spent_nano: 0 });
  expect((await send(10)).status).toBe(200);
  expect(state()).toMatchObject({ spent_nano: costNano, held_nano: 0 });
});

test("rolling hours count what was spent in them, also after a restart; several budgets count the same call", async () => {
  const { keyId, send, state } = await budgeted("0.00002", { window: "5h" });
  const scope = { kind: "key", id: keyId };
  await setup.gateway.admin("POST", "/api/budgets", { scope, usd: 1, window: "month", timeZone: "America/New_York" });
  expect((await send(10)).status).toBe(200);
  await setup.gateway.restart();
  expect((await send(10)).status).toBe(200);
  const refused = await send(10);
  expect(refused.status).toBe(402);
  expect(errorOf(refused.text).details).toMatchObject({ scope, used: 2 * costNano });
  expect(Number(errorOf(refused.text).details?.["resetsAt"]) - Date.now()).toBeGreaterThan(4.9 * 3_600_000);
  expect(state()).toMatchObject({ spent_nano: 2 * costNano, held_nano: 0 });
  const both = allBudgets(setup.gateway).filter(({ scope_id }) => scope_id === keyId);
  expect(both.map(({ spent_nano }) => spent_nano)).toEqual([2 * costNano, 2 * costNano]);
});

test("and the ledger proves", async () => {
  // Two budgets here let more be spent than they allow: the one that holds what is expected, and the one with an increase.
  for (const { budget_id, spent_nano, limit_nano } of allBudgets(setup.gateway))
    if (spent_nano > limit_nano) await setup.gateway.admin("DELETE", `/api/budgets/${budget_id}`);
  const left = allBudgets(setup.gateway).filter(({ spent_nano }) => spent_nano > 0);
  expect(left.length).toBeGreaterThan(3);
  await invariants(setup, { price });
});
