import { afterAll, beforeAll, expect, test } from "bun:test";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { allBudgets } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

const outputTokens = 10;
const price = { input: 0, output: 1 };
const costNano = outputTokens * 1000;

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ price });
  setup.upstream.on("paid", answers({ completionTokens: outputTokens }));
});
afterAll(() => setup.stop());

const send = (secret: string): Promise<Reply> =>
  call(setup.gateway, secret, chat("mock/paid", { max_completion_tokens: outputTokens }));
async function account(parentId: string | null = null) {
  const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "paying", parentId });
  return { id, secret: (await setup.gateway.createKey({ accountId: id })).key };
}
const credit = (accountId: string, usd: string, more: object = {}) =>
  setup.gateway.admin("POST", "/api/ledger/credits", { accountId, usd, ...more });
const balance = async (id: string) =>
  (await setup.gateway.admin<{ balance: object | null }>("GET", `/api/accounts/${id}`)).balance;
const ledger = (id: string) =>
  setup.gateway
    .sql<{ kind: string; delta_nano: number }>(
      "select kind, delta_nano from v_ledger where account_id = ? order by seq",
      id,
    )
    .map(({ kind, delta_nano }) => [kind, delta_nano]);

test("200 calls at once on a balance for 20: exactly 20 pass, and it ends at zero", async () => {
  const { id, secret } = await account();
  expect(await balance(id)).toBeNull();
  expect((await send(secret)).status).toBe(200);
  await credit(id, "0.0002", { note: "invoice 7" });
  const replies = await eachOf([...Array(200).keys()], 200, () => send(secret));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(20);
  expect(await balance(id)).toMatchObject({ balanceNano: 0, heldNano: 0 });
  const late = await send(secret);
  expect([late.status, late.headers.get("x-should-retry")]).toEqual([402, "false"]);
  expect(errorOf(late.text)).toMatchObject({
    code: "insufficient_quota",
    message: expect.stringContaining("balance"),
    details: { scope: { kind: "account", id }, limit: 200_000, used: 200_000, held: 0, resetsAt: null },
  });
  // A balance is not a budget that somebody made.
  expect(allBudgets(setup.gateway)).toEqual([]);
  await credit(id, "0.00001");
  expect((await send(secret)).status).toBe(200);
  expect(ledger(id).filter(([kind]) => kind === "credit")).toEqual([
    ["credit", 200_000],
    ["credit", 10_000],
  ]);
});

test("an account below a prepaid one is paid for by it", async () => {
  const top = await account();
  const bottom = await account(top.id);
  await credit(top.id, "0.00002");
  expect((await send(bottom.secret)).status).toBe(200);
  expect(await balance(top.id)).toMatchObject({ balanceNano: costNano });
  expect(await balance(bottom.id)).toBeNull();
});

test("a credit that expires leaves the balance by itself, with an entry", async () => {
  const { id, secret } = await account();
  await credit(id, "0.00003", { expiresAt: Date.now() + 1_500 });
  expect((await send(secret)).status).toBe(200);
  await until("the entry of the expiry", () => ledger(id).some(([kind]) => kind === "expiry"));
  expect(ledger(id)).toEqual([
    ["credit", 30_000],
    ["charge", -10_000],
    ["expiry", -20_000],
  ]);
  expect((await send(secret)).status).toBe(402);
  const { data } = await setup.gateway.admin<{ data: object[] }>("GET", `/api/ledger?account=${id}&kind=expiry`);
  expect(data).toMatchObject([{ accountId: id, kind: "expiry", deltaNano: -20_000, callId: null }]);
});

test("and the ledger proves", () => invariants(setup, { price }));
