import { beforeAll, describe, expect, test } from "bun:test";
import { permits, type Role, roles } from "../../core/identity/policy.ts";
import { aFinal, anAdmission, aPerson } from "../contract/storage-samples.ts";
import { usd } from "../../views/format.ts";
import { type Answered, type Api, apis } from "./server.ts";
import { askAs, filled, memberOf, newTenant, type Tenant } from "./tenants.ts";

/** An account whose charge is not what the provider bills, which is the operator's to see. */
const newApi = apis();
let api: Api;
let a: Tenant;
let dear: string;

beforeAll(async () => {
  api = await newApi();
  a = await newTenant(api, "alpha", null);
  for (const role of roles) api.holders.set(role, memberOf(role, a.account));
  dear = await dearCall();
});

describe("people of an account", () => {
  test("are told what they are charged, and by no route what the provider bills", async () => {
    const text = async (role: Role | null, path: string) => {
      const { status, text: told } = await ask(role, "GET", path);
      expect([role, path, status]).toEqual([role, path, 200]);
      return told;
    };
    const exports = ["/api/calls/export", "/api/usage/export?groupBy=account,day"];
    const reads = api.routes.flatMap(({ method, path, permission }) =>
      method === "GET" && permission && path.startsWith("/api/")
        ? [{ permission, path: asked(path, { ...a, call: dear }) }]
        : [],
    );
    const more = exports.flatMap((path) => [path, `${path}${path.includes("?") ? "&" : "?"}format=jsonl`]);
    const usage = ["/api/usage?groupBy=day,status", "/api/usage?groupBy=key"];
    let cells = 0;
    for (const { permission, path } of [
      ...reads,
      ...[...more, ...usage].map((one) => ({ permission: "calls.read" as const, path: one })),
    ])
      for (const role of roles) {
        if (!permits({ role, accountId: a.account }, permission)) continue;
        // Of nothing kept, of the log as a whole, and of a person that these holders are not.
        if (/\/content$|^\/api\/audit\/(head|verify)|^\/api\/me\/(sessions|tokens)/.test(path)) continue;
        cells += 1;
        expect([role, path, costs(await text(role, path))]).toEqual([role, path, []]);
      }
    expect(cells).toBeGreaterThan(60);
    // Each would say it to the operator.
    const whole = ["/api/calls", `/api/calls/${dear}`, `/api/explain/${dear}`, ...more, ...usage];
    for (const path of whole) expect([path, costs(await text(null, path)).length > 0]).toEqual([path, true]);

    expect((await ask("viewer", "GET", `/api/calls/${dear}`)).body).toMatchObject({
      costNano: null,
      chargeNano: 987_654,
    });
    expect((await ask("viewer", "GET", `/api/usage?under=${a.account}`)).body.total.chargeNano).toBeGreaterThan(
      987_654,
    );
    expect(await text("viewer", "/api/calls/export")).toContain("987654");
    for (const path of exports)
      expect([path, /cost/i.test((await text("admin", path)).split("\n")[0] ?? "")]).toEqual([path, false]);
  });

  test("see on no page what the provider bills", async () => {
    const person = await api.database.people.create(aPerson({ role: "owner", accountId: a.account }));
    const cookie = `llmp=${await api.sessions.open(person.id, { address: null, agent: null })}`;
    const operators = await api.database.people.create(aPerson({ role: "owner", accountId: null }));
    const whole = `llmp=${await api.sessions.open(operators.id, { address: null, agent: null })}`;
    // Small digits of an amount have an element of their own.
    const page = async (of: string, path: string) =>
      (await (await api.send("GET", path, { headers: { cookie: of } })).text()).replace(/<[^>]*>/g, "");
    for (const path of ["/dashboard", "/dashboard/calls", `/dashboard/calls/${dear}`]) {
      const told = await page(cookie, path);
      expect([path, told.includes(dearCost), told.includes(dearPrice)]).toEqual([path, false, false]);
      expect([path, told.includes("Charged")]).toEqual([path, true]);
      expect([path, (await page(whole, path)).includes(dearCost)]).toEqual([path, true]);
    }
    expect(await page(cookie, `/dashboard/calls/${dear}`)).toContain(dearCharge);
    expect(await page(whole, `/dashboard/calls/${dear}`)).toContain(dearPrice);
  });

  test("see in the usage the sums that the API has, and of what the provider bills none", async () => {
    const cookieOf = async (accountId: string | null) => {
      const { id } = await api.database.people.create(aPerson({ role: "viewer", accountId }));
      return `llmp=${await api.sessions.open(id, { address: null, agent: null })}`;
    };
    const { costNano, chargeNano } = (await ask(null, "GET", `/api/usage?under=${a.account}`)).body.total;
    const shown = async (accountId: string | null, query: string) => {
      const headers = { cookie: await cookieOf(accountId) };
      const answer = await api.send("GET", `/dashboard/usage?${query}`, { headers });
      const page = (await answer.text()).replace(/<[^>]*>/g, "");
      return [answer.status, page.includes(usd(costNano)), page.includes(usd(chargeNano)), page.includes("Cost")];
    };
    for (const query of ["by=key", "by=model&and=account&compare=before", "by=day&measure=charge"]) {
      expect([query, await shown(null, `${query}&under=${a.account}`)]).toEqual([query, [200, true, true, true]]);
      expect([query, await shown(a.account, query)]).toEqual([query, [200, false, true, false]]);
      expect([query, await shown(a.account, `${query}&under=${a.account}`)]).toEqual([
        query,
        [200, false, true, false],
      ]);
    }
  });

  test("are told what re-rating changed of their charge alone", async () => {
    const again = await dearCall();
    const range = { from: 0, to: Number.MAX_SAFE_INTEGER, limit: 10 };
    const seq = (await api.database.adjustments.ratedCalls(range)).calls.at(-1)?.seq ?? 0;
    const note = { reason: "a new price", author: "operator" };
    for (const [costNano, chargeNano] of [
      [456_000, 987_654],
      [455_000, 980_000],
    ] as const)
      await api.database.adjustments.write([{ seq, costNano, chargeNano, priceVersion: "book 2" }], note);
    const path = `/api/calls/${again}`;
    expect((await ask(null, "GET", path)).body.adjustments).toMatchObject([
      { costDeltaNano: -789, chargeDeltaNano: 0 },
      { costDeltaNano: -1_000, chargeDeltaNano: -7_654 },
    ]);
    const { adjustments, notes } = (await ask("viewer", "GET", path)).body;
    expect(adjustments).toMatchObject([{ costDeltaNano: null, chargeDeltaNano: -7_654 }]);
    expect([adjustments.length, notes]).toEqual([1, { warnings: ["kept"] }]);
  });

  test("are told where a page or a route is not for an account, whatever their role", async () => {
    const { status, body } = await ask("owner", "GET", "/api/prices");
    expect([status, body.error.message]).toEqual([403, "only for people who belong to no account"]);
    expect((await ask("viewer", "POST", "/api/keys", { name: "x" })).body.error.message).toBe(
      "your role does not allow this",
    );
    const { id } = await api.database.people.create(aPerson({ role: "owner", accountId: a.account }));
    const value = await api.sessions.open(id, { address: null, agent: null });
    const response = await api.send("GET", "/dashboard/prices", { headers: { cookie: `llmp=${value}` } });
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining("belong to no account")]);
  });
});

const ask = (role: Role | null, method: string, path: string, body?: object): Promise<Answered> =>
  askAs(api, role, method, path, body);

/** The path with the ids of the tenant in it. */
const asked = (path: string, of: Tenant): string =>
  path === "/api/audit/:seq"
    ? "/api/audit/3"
    : path.includes(":id") && !path.startsWith("/api/me/")
      ? filled(path, of)
      : path;

/** What is there of costs in a JSON, CSV or JSONL text: names with a value, columns, and the figures themselves. */
const costs = (text: string): readonly string[] =>
  text.match(/"cost\w*":(?!null)[^,}]+|(?:^|,)cost(?:Nano|Usd)\b|\b(?:456789|0\.000456789|3\.1415)\b/gi) ?? [];

const dearCost = "0.000456789";
const dearCharge = "0.000987654";
const dearPrice = "3.1415";

/** A call of `a` with a margin, whose price lines would tell the cost. */
async function dearCall(): Promise<string> {
  const scopes = [{ kind: "account", id: a.account } as const];
  const admission = anAdmission({ accountId: a.account, keyId: a.key, principal: "dear", scopes });
  expect(await api.database.ledger.admit(admission)).toMatchObject({ admitted: true });
  await api.database.ledger.finish(
    aFinal(admission.callId, {
      costNano: 456_789,
      chargeNano: 987_654,
      notes: {
        warnings: ["kept"],
        lines: [{ item: "input", quantity: 10, price: dearPrice }],
        terms: { version: "config:1", margin: "2.1621" },
      },
    }),
  );
  return admission.callId;
}
