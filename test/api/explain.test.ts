import { beforeAll, describe, expect, test } from "bun:test";
import type { CallNotes } from "../../core/storage/database.ts";
import { aPerson, aRefusal } from "../contract/storage-samples.ts";
import { tokenBucket } from "../../plugins/rate-limit/token-bucket.ts";
import { type Api, apis } from "./server.ts";
import { askAs, memberOf, newTenant, type Tenant } from "./tenants.ts";

/** Why calls go as they do, as people of an account are told of it: their own, and not what is above them. */
const newApi = apis();
let api: Api;
let above: Tenant;
let a: Tenant;
let other: Tenant;
const mock = { chat: () => never(), models: ["one"] } as const;
const slot = tokenBucket({ now: Date.now, elapsed: () => performance.now() });

beforeAll(async () => {
  api = await newApi({ providers: { mock }, rateLimit: [{ name: "token-bucket", slot }] });
  above = await newTenant(api, "above", null);
  a = await newTenant(api, "alpha", above.account);
  other = await newTenant(api, "other", null);
  for (const role of ["admin", "viewer", "member"] as const) api.holders.set(role, memberOf(role, a.account));
  await api.admin("POST", "/api/budgets", { scope: { kind: "global" }, usd: 10, window: "day" });
  await api.admin("POST", "/api/limits", { scope: { kind: "account", id: above.account }, requestsPerDay: 7 });
});
const ask = (role: "admin" | "viewer" | "member" | null, body: object) =>
  askAs(api, role, "POST", "/api/explain", body);
const scopesIn = (entries: readonly { readonly scope: { readonly id: string } | null }[]) =>
  entries.map(({ scope }) => scope?.id);

describe("a dry run by people of an account", () => {
  test("is of their own account where nobody says whose call it is", async () => {
    const { status, body } = await ask("viewer", { model: "one" });
    expect([status, body.principal.accountId]).toEqual([200, a.account]);
    expect(body.principal.accounts.map(({ id }: { id: string }) => id)).toEqual([a.account]);
  });

  test("shows what counts and holds on it and below, how many are above, and no price", async () => {
    const request = { keyId: a.key, model: "one", maxOutputTokens: 10 };
    const whole = (await ask(null, request)).body;
    const { body } = await ask("viewer", request);
    expect(body.outcome.status).toBe("would-pass");
    expect(body.hold).toMatchObject({ heldNano: whole.hold.heldNano, lines: null, target: null, priceVersion: null });
    expect(new Set(scopesIn(whole.budgets))).toEqual(new Set([a.account, above.account, "global"]));
    expect(new Set(scopesIn(body.budgets))).toEqual(new Set([a.account]));
    expect(body.budgetsAbove).toBe(whole.budgets.length - body.budgets.length);
    expect(body.limitsAbove).toBe(whole.limits.length - body.limits.length);
    expect([whole.budgetsAbove, whole.limitsAbove, body.budgetsAbove, body.limitsAbove]).toEqual([0, 0, 2, 2]);
    expect(body.limits).toMatchObject([{ scope: { kind: "account", id: a.account }, limit: 5, left: 5, needed: 1 }]);
    expect(body.targets).toMatchObject([{ target: "mock/one", state: "chosen", score: null }]);
  });

  test("tells no figure of a budget above that lowers its cap or refuses it; the whole is told all", async () => {
    const { id } = (
      await api.admin("POST", "/api/budgets", {
        scope: { kind: "account", id: above.account },
        usd: "0.0001",
        window: "day",
      })
    ).body;
    api.clock.advance(1_000);
    const request = { keyId: a.key, model: "one", maxOutputTokens: 90_000 };
    const [whole, seen] = [(await ask(null, request)).body, (await ask("viewer", request)).body];
    expect(whole.outcome.status).toBe("would-pass");
    expect(whole.warnings.join()).toMatch(/lowered from 90000 to \d+/);
    expect(seen.outcome).toEqual(whole.outcome);
    expect([seen.hold, seen.estimate, seen.budgets]).toEqual([null, null, null]);
    expect(seen.warnings).toEqual(["the cap on the output is lowered by a budget above"]);
    expect(seen.unknown).toContainEqual({ field: "hold", because: "lowered by a budget above" });
    await api.admin("PATCH", `/api/budgets/${id}`, { usd: "0.000007" });
    const [told, hidden] = [(await ask(null, request)).body, (await ask("viewer", request)).body];
    expect(told.outcome.message).toContain("7000 are free");
    expect(hidden.outcome).toEqual({
      ...told.outcome,
      limit: null,
      message: "A budget that is set above your account, on an account above it, does not let this call pass.",
    });
    // Whose own it is, is told it.
    api.holders.set("owner", memberOf("owner", above.account));
    expect((await askAs(api, "owner", "POST", "/api/explain", request)).body.outcome).toEqual(told.outcome);
    await api.admin("DELETE", `/api/budgets/${id}`);
  });

  test("of what is another account's is answered as of what does not exist", async () => {
    for (const body of [
      { keyId: other.key },
      { accountId: other.account },
      { keyId: above.key },
      { accountId: above.account },
    ])
      expect([body, (await ask("admin", { model: "one", ...body })).status]).toEqual([body, 404]);
    for (const call of [other.call, above.call])
      expect((await askAs(api, "admin", "GET", `/api/explain/${call}`)).status).toBe(404);
  });

  test("is not for members, who see their own calls alone", async () => {
    expect((await ask("member", { model: "one" })).status).toBe(403);
  });
});

test("the record of a call that something above refused has its figures for those above alone", async () => {
  const limit = { limit: 4_000_000, used: 3_999_990, held: 0, needed: 90, resetsAt: null };
  const refusedBy = async (id: string) => {
    const by = { ...limit, scope: { kind: "account", id } } as const;
    const notes: CallNotes = {
      error: "it needs 90 nano-USD, 10 are free",
      why: { refused: { stage: "budgets", code: "insufficient_quota", limit: by } },
    };
    const refusal = aRefusal({ accountId: a.account, keyId: a.key, startedMs: api.clock.now(), notes });
    await api.database.ledger.refuse(refusal);
    return refusal.callId;
  };
  const cookie = `llmp=${await api.sessions.open(
    (await api.database.people.create(aPerson({ role: "viewer", accountId: a.account }))).id,
    { address: null, agent: null },
  )}`;
  for (const by of [a.account, above.account]) {
    const id = await refusedBy(by);
    const paths = [`/api/calls/${id}`, `/api/explain/${id}`];
    const told = async (role: "viewer" | null) =>
      (await Promise.all(paths.map(async (path) => (await askAs(api, role, "GET", path)).text))).join();
    const page = await (await api.send("GET", `/dashboard/calls/${id}`, { headers: { cookie } })).text();
    const figures = /10 are free|3999990|4000000/;
    expect([by, figures.test(await told(null))]).toEqual([by, true]);
    expect([by, figures.test((await told("viewer")) + page)]).toEqual([by, by === a.account]);
    expect(page).toContain(by === a.account ? "10 are free" : "set above your account");
  }
});

test("the page asks the same by a form, shows what is wrong with it, and of an account what is its own", async () => {
  const cookieOf = async (accountId: string | null) => {
    const { id } = await api.database.people.create(aPerson({ role: "viewer", accountId }));
    return `llmp=${await api.sessions.open(id, { address: null, agent: null })}`;
  };
  const page = async (cookie: string, query: string) => {
    const response = await api.send("GET", `/dashboard/explain${query}`, { headers: { cookie } });
    return { status: response.status, text: (await response.text()).replace(/<[^>]*>/g, " ").replace(/\s+/g, " ") };
  };
  const [whole, own] = [await cookieOf(null), await cookieOf(a.account)];
  expect((await page(whole, "")).status).toBe(200);
  const told = await page(whole, `?model=one&key=${a.key}&input=500&output=20`);
  expect([told.status, told.text]).toEqual([200, expect.stringContaining("It would be admitted.")]);
  expect(told.text).toContain("mock / one asked first");
  const seen = await page(own, `?model=one&key=${a.key}`);
  expect(seen.text).toContain("2 more are set above your account.");
  const refused = await page(whole, "?model=nobody/knows");
  expect(refused.text).toContain("It would be refused with 404");
  expect((await page(whole, "?model=one&input=many")).status).toBe(422);
  expect((await page(own, `?model=one&key=${other.key}`)).status).toBe(422);
});

async function* never(): AsyncGenerator<never> {
  yield await Promise.reject(new Error("no call is made in these tests"));
}
