import { beforeAll, describe, expect, test } from "bun:test";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
});

describe("/api/ledger", () => {
  test("a credit is an entry, and its account has a balance from then on", async () => {
    const expiresAt = api.clock.now() + 60_000;
    const body = { accountId: "default", usd: "12.5", expiresAt, note: "invoice 7" };
    const created = await api.admin("POST", "/api/ledger/credits", body);
    expect(created).toMatchObject({
      status: 201,
      body: {
        accountId: "default",
        kind: "credit",
        deltaNano: 12_500_000_000,
        expiresAt,
        note: "invoice 7",
        callId: null,
        balance: { accountId: "default", balanceNano: 12_500_000_000, heldNano: 0 },
      },
    });
    const { balance, ...entry } = created.body;
    expect((await api.admin("GET", "/api/ledger")).body).toEqual({ data: [entry], next: null });
    expect((await api.admin("GET", "/api/ledger?kind=charge")).body.data).toEqual([]);
    expect((await api.admin("GET", "/api/accounts/default")).body.balance).toEqual(balance);
    expect((await api.admin("GET", "/api/ledger/balances")).body).toEqual({ data: [balance], next: null });
    const removed = await api.admin("DELETE", "/api/accounts/default");
    expect(removed.status).toBe(409);
  });

  test("an account with a balance is not removed", async () => {
    const { id } = (await api.admin("POST", "/api/accounts", { name: "prepaid" })).body;
    await api.admin("POST", "/api/ledger/credits", { accountId: id, usd: 1 });
    expect((await api.admin("DELETE", `/api/accounts/${id}`)).status).toBe(409);
  });

  test.each([
    ["POST", "/credits", { usd: 1 }, 400, "accountId"],
    ["POST", "/credits", { accountId: "default" }, 400, "usd"],
    ["POST", "/credits", { accountId: "default", usd: 0 }, 400, "usd"],
    ["POST", "/credits", { accountId: "default", usd: -1 }, 400, "usd"],
    ["POST", "/credits", { accountId: "default", usd: "9007199" }, 400, "usd"],
    ["POST", "/credits", { accountId: "default", usd: 1, expiresAt: 5 }, 400, "expiresAt"],
    ["POST", "/credits", { accountId: "default", usd: 1, note: "" }, 400, "note"],
    ["POST", "/credits", { accountId: "nobody", usd: 1 }, 404, null],
    ["GET", "?kind=adjusted", undefined, 400, "kind"],
    ["GET", "?after=x", undefined, 400, "after"],
  ])("%s %s with %p is %d", async (method, path, body, status, param) => {
    const answered = await api.admin(method, `/api/ledger${path}`, body);
    expect([answered.status, answered.body.error.param]).toEqual([status, param]);
  });

  test("without billing a credit would stop nothing, so it is a conflict", async () => {
    const other = await newApi({ enforces: { limits: true, budgets: false } });
    const answered = await other.admin("POST", "/api/ledger/credits", { accountId: "default", usd: 1 });
    expect(answered.status).toBe(409);
  });
});
