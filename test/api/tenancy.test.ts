import { beforeAll, describe, expect, test } from "bun:test";
import { permits, type Role } from "../../core/identity/policy.ts";
import { aPerson } from "../contract/storage-samples.ts";
import { type Answered, type Api, apis } from "./server.ts";
import { askAs, filled, memberOf as of, newTenant, type Tenant, unknownId } from "./tenants.ts";

/**
 * Two accounts that know nothing of each other: `a` with `a1` below it, and `b`, whose names all hold a canary. People of
 * `a` see `a` and `a1`, whatever they ask for, and `b` is to them as if it did not exist.
 */
const canary = "canary-of-b";

const newApi = apis();
let api: Api;
let a: Tenant;
let a1: Tenant;
let b: Tenant;
beforeAll(async () => {
  api = await newApi();
  a = await newTenant(api, "alpha", null);
  a1 = await newTenant(api, "alpha below", a.account);
  b = await newTenant(api, canary, null);
  for (const role of ["owner", "admin", "viewer"] as const) api.holders.set(role, of(role, a.account));
});

describe("an object of another account", () => {
  test("is answered by every route as one that does not exist, and stays as it was", async () => {
    const before = await everything();
    const wrong: string[] = [];
    let cells = 0;
    for (const role of ["owner", "admin", "viewer"] as const)
      for (const { method, path, permission } of objectRoutes()) {
        if (!permits({ role, accountId: a.account }, permission)) continue;
        const foreign = await ask(role, method, filled(path, b), bodyFor(method, path));
        const unknown = await ask(role, method, filled(path, null), bodyFor(method, path));
        cells += 1;
        if (foreign.status !== 404 || comparable(foreign) !== comparable(unknown))
          wrong.push(`${role} ${method} ${path}: ${foreign.text} for ${unknown.text}`);
      }
    expect(wrong).toEqual([]);
    expect(cells).toBeGreaterThan(40);
    expect(await everything()).toEqual(before);
  });

  test("named in a body is none either", async () => {
    const bodies: readonly (readonly [string, string, object, object])[] = [
      ["POST", "/api/keys", { name: "x", accountId: b.account }, { name: "x", accountId: unknownId }],
      ["POST", "/api/accounts", { name: "x", parentId: b.account }, { name: "x", parentId: unknownId }],
      ["PATCH", `/api/accounts/${a1.account}`, { parentId: b.account }, { parentId: unknownId }],
      [
        "POST",
        "/api/limits",
        { scope: { kind: "account", id: b.account }, requestsPerMinute: 1 },
        { scope: { kind: "account", id: unknownId }, requestsPerMinute: 1 },
      ],
      ...(["account", "key"] as const).map(
        (kind) =>
          [
            "POST",
            "/api/budgets",
            { scope: { kind, id: b[kind] }, usd: 1, window: "day" },
            { scope: { kind, id: unknownId }, usd: 1, window: "day" },
          ] as const,
      ),
      [
        "POST",
        "/api/people",
        { email: "x@example.com", name: "X", role: "viewer", accountId: b.account },
        { email: "x@example.com", name: "X", role: "viewer", accountId: unknownId },
      ],
      ["PATCH", `/api/people/${a1.person}`, { accountId: b.account }, { accountId: unknownId }],
    ];
    for (const [method, path, foreign, unknown] of bodies) {
      const one = await ask("owner", method, path, foreign);
      expect([path, one.status]).toEqual([path, 404]);
      expect(comparable(one)).toBe(comparable(await ask("owner", method, path, unknown)));
    }
  });
});

describe("people of an account", () => {
  const lists = [
    "/api/keys",
    "/api/accounts",
    "/api/budgets",
    "/api/limits",
    "/api/calls",
    "/api/usage?groupBy=key,account,model",
    "/api/ledger",
    "/api/ledger/balances",
    "/api/people",
    "/api/audit",
    "/api/audit/export",
    "/api/calls/export",
    "/api/ledger/export",
    "/api/usage/export?groupBy=key,account",
  ];

  test("see in lists, sums and exports what is theirs, and nothing of others, whatever they filter by", async () => {
    for (const path of lists) {
      const whole = (await ask(null, "GET", path)).text;
      const { text, status } = await ask("admin", "GET", path);
      expect([path, status]).toEqual([path, 200]);
      const foreign = [...ofB(), b.account];
      expect([path, foreign.filter((id) => text.includes(id))]).toEqual([path, []]);
      expect([path, foreign.some((id) => whole.includes(id))]).toEqual([path, true]);
      expect([path, Object.values(a).some((id) => text.includes(id))]).toEqual([path, true]);
    }
    const narrowed = [
      `/api/calls?account=${b.account}`,
      `/api/calls?key=${b.key}`,
      `/api/usage?groupBy=account&under=${b.account}`,
      `/api/ledger?account=${b.account}`,
      `/api/budgets?scopeKind=account&scopeId=${b.account}`,
      `/api/budgets?scopeKind=key&scopeId=${b.key}`,
      `/api/limits?scopeKind=account&scopeId=${b.account}`,
      `/api/accounts?parentId=${b.account}`,
      `/api/calls/export?account=${b.account}`,
      `/api/usage/export?groupBy=account&under=${b.account}`,
      `/api/ledger/export?account=${b.account}`,
    ];
    for (const path of narrowed) {
      const { text, status } = await ask("admin", "GET", path);
      expect([path, status, ofB().filter((id) => text.includes(id))]).toEqual([path, 200, []]);
    }
    for (const path of ["/api/calls?account=x&account=y", "/api/keys?limit=1000000000", "/api/keys?limit=-1"])
      expect([path, (await ask("admin", "GET", path)).status]).toEqual([path, 400]);
  });

  test("see sums that are theirs alone", async () => {
    const { body } = await ask("viewer", "GET", "/api/usage");
    expect(body.total.calls).toBe(2);
    expect((await ask("viewer", "GET", `/api/usage?under=${a1.account}`)).body.total.calls).toBe(1);
    expect((await ask("viewer", "GET", `/api/usage?under=${b.account}`)).body.total.calls).toBe(0);
  });

  test("are what the operator asks for too, by an account with all below it", async () => {
    for (const list of ["calls", "calls/export", "ledger", "ledger/export", "ledger/balances"]) {
      const path = `/api/${list}?under=${a.account}`;
      const { status, text } = await ask(null, "GET", path);
      const told = [a, a1, b].map(({ account }) => text.includes(account));
      expect([path, status, told]).toEqual([path, 200, [true, true, false]]);
      const none = await ask("admin", "GET", `/api/${list}?under=${b.account}`);
      expect([path, none.status, none.text.includes(b.account)]).toEqual([path, 200, false]);
    }
  });

  test("who are members see the calls of their own account, without those below it, and nothing else", async () => {
    api.holders.set("member", of("member", a.account));
    const { body } = await ask("member", "GET", "/api/me/calls");
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual([a.call]);
    expect((await ask("member", "GET", "/api/me/usage")).body.total.calls).toBe(1);
    expect((await ask("owner", "GET", "/api/me/usage")).body.total.calls).toBe(1);
    expect((await ask(null, "GET", "/api/me/calls")).body.data).toEqual([]);
    for (const path of ["/api/calls", `/api/calls/${a.call}`, "/api/usage", "/api/keys", "/api/calls/export"])
      expect([path, (await ask("member", "GET", path)).status]).toEqual([path, 403]);
  });

  test("go through lists page by page without a step into those of others", async () => {
    const seen: string[] = [];
    for (let after = ""; ;) {
      const { body } = await ask("admin", "GET", `/api/keys?limit=1${after}`);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(seen).toEqual([a1.key, a.key]);
  });

  test("take their account for the root: nothing above it is told, and it stays where it is", async () => {
    const { body } = await ask("viewer", "GET", `/api/accounts/${a1.account}`);
    expect(body.path.map(({ id }: { id: string }) => id)).toEqual([a.account, a1.account]);
    expect((await ask("viewer", "GET", "/api/accounts?parentId=none")).body.data).toMatchObject([{ id: a.account }]);
    expect((await ask("owner", "PATCH", `/api/accounts/${a.account}`, { parentId: a1.account })).status).toBe(403);
    expect((await ask("owner", "DELETE", `/api/accounts/${a.account}`)).status).toBe(403);
    const made = await ask("admin", "POST", "/api/accounts", { name: "new below" });
    expect(made.body).toMatchObject({ parentId: a.account });
    expect((await ask("admin", "POST", "/api/keys", { name: "without an account" })).body.accountId).toBe(a.account);
  });

  test("cannot loosen what binds them from above, nor give themselves credit or a place above", async () => {
    const tries: readonly (readonly [string, string, object])[] = [
      ["PATCH", `/api/budgets/${a.budget}`, { usd: 1_000_000 }],
      ["POST", `/api/budgets/${a.budget}/reset`, {}],
      ["DELETE", `/api/budgets/${a.budget}`, {}],
      ["PATCH", `/api/limits/${a.limit}`, { requestsPerMinute: 1_000 }],
      ["DELETE", `/api/limits/${a.limit}`, {}],
      ["POST", "/api/limits", { scope: { kind: "global" }, requestsPerMinute: 1 }],
      ["PATCH", `/api/accounts/${a.account}`, { disabled: false }],
      ["POST", "/api/budgets", { scope: { kind: "global" }, usd: 1, window: "day" }],
      ["POST", "/api/budgets", { scope: { kind: "model", id: "one" }, usd: 1, window: "day" }],
      ["POST", "/api/ledger/credits", { accountId: a.account, usd: 5 }],
      ["POST", "/api/prices", { target: "mock/one", input: 0, output: 0 }],
      ["PATCH", `/api/accounts/${a.account}`, { content: "on" }],
      ["PATCH", `/api/accounts/${a.account}`, { models: ["*"] }],
      ["PATCH", `/api/accounts/${a.account}`, { providers: ["*"] }],
      ["PATCH", `/api/accounts/${a.account}`, { operations: ["chat"], name: "renamed" }],
      // By the names at the top credentials find their account.
      ["PATCH", `/api/accounts/${a.account}`, { name: "another tenant" }],
      ["PATCH", `/api/accounts/${a.account}`, { uncappedOutputTokens: 1_000_000 }],
      ["PATCH", `/api/accounts/${a.account}`, { keyRotation: false }],
      ["PATCH", `/api/accounts/${a.account}`, { metadata: { tier: "gold" } }],
    ];
    for (const [method, path, body] of tries)
      expect([method, path, (await ask("owner", method, path, body)).status]).toEqual([method, path, 403]);
    const person = { email: "above@example.com", name: "X", role: "owner", accountId: null };
    expect((await ask("owner", "POST", "/api/people", person)).status).toBe(404);
    expect((await ask("owner", "PATCH", `/api/people/${a1.person}`, { accountId: null })).status).toBe(404);
    expect((await ask("owner", "PATCH", `/api/budgets/${a1.budget}`, { usd: 3 })).status).toBe(200);
    expect((await ask("owner", "PATCH", `/api/accounts/${a1.account}`, { models: ["mock/*"] })).status).toBe(200);
    expect((await ask("owner", "PATCH", `/api/accounts/${a1.account}`, { models: null })).status).toBe(200);
    const told = await ask("owner", "PATCH", `/api/accounts/${a1.account}`, { metadata: { owner: "us" } });
    expect([told.status, told.body.metadata]).toEqual([200, { owner: "us" }]);
    // The form of the page says again what stands.
    const said = await ask("owner", "PATCH", `/api/accounts/${a.account}`, { models: null, metadata: {} });
    expect(said.status).toBe(200);
    expect((await ask("owner", "PATCH", `/api/limits/${a1.limit}`, { requestsPerMinute: 3 })).status).toBe(200);
  });

  test("are not told of the account above theirs, nor of the addresses there by the hashes of the audit log", async () => {
    const top = await newTenant(api, "top", null);
    const team = await newTenant(api, "team", top.account);
    const below = await newTenant(api, "team below", team.account);
    const [above, own] = ["owner-above", "admin-of-the-team"];
    api.holders.set(above, of("owner", top.account));
    api.holders.set(own, of("admin", team.account));
    for (const name of ["once", "twice"])
      expect((await askAs(api, above, "PATCH", `/api/accounts/${team.account}`, { name })).status).toBe(200);

    const { body, text } = await askAs(api, own, "GET", "/api/audit?action=account.change");
    type Entry = { readonly seq: number; readonly hash: unknown; readonly actorAccountId: unknown };
    const entries: readonly Entry[] = body.data;
    expect(entries.map(({ hash, actorAccountId }) => [hash, actorAccountId])).toEqual([
      [null, null],
      [null, null],
    ]);
    const others = await Promise.all(
      ["export?format=csv", "export?format=jsonl", String(entries[0]?.seq)].map((path) =>
        askAs(api, own, "GET", `/api/audit/${path}`),
      ),
    );
    for (const told of [text, ...others.map((one) => one.text)]) {
      expect(told).toContain(team.account);
      expect(told).not.toContain(top.account);
      expect(told).not.toMatch(/[0-9a-f]{64}/);
    }

    const under = async (id: string) => (await askAs(api, own, "GET", `/api/accounts?parentId=${id}`)).body;
    expect(await under(top.account)).toEqual(await under(unknownId));
    expect((await under(team.account)).data).toMatchObject([{ id: below.account }]);
  });

  test("see no page with anything of others in it", async () => {
    const paths = [
      "/dashboard",
      ...["key", "account", "model", "day"].map((by) => `/dashboard/usage?by=${by}&compare=before`),
      "/dashboard/calls",
      `/dashboard/calls?account=${b.account}`,
      `/dashboard/calls/${b.call}`,
      "/dashboard/keys",
      "/dashboard/accounts",
      `/dashboard/accounts/${b.account}`,
      "/dashboard/budgets",
      `/dashboard/budgets/${b.budget}`,
      "/dashboard/limits",
      `/dashboard/limits/${b.limit}`,
      "/dashboard/ledger",
      `/dashboard/ledger?account=${b.account}`,
      "/dashboard/people",
      `/dashboard/people/${b.person}`,
      "/dashboard/me",
    ];
    const { id } = await api.database.people.create(aPerson({ role: "owner", accountId: a.account }));
    const value = await api.sessions.open(id, { address: null, agent: null });
    for (const path of paths) {
      const response = await api.send("GET", path, { headers: { cookie: `llmp=${value}` } });
      const text = (await response.text()).replaceAll(`value="${b.account}"`, "");
      expect([path, response.status]).toEqual([path, isForeign(path) ? 404 : 200]);
      expect([path, text.includes(canary), text.includes(b.key)]).toEqual([path, false, false]);
    }
    // Narrowed to an account elsewhere, usage is refused as for one that does not exist.
    const narrowed = async (under: string) => {
      const response = await api.send("GET", `/dashboard/usage?under=${under}`, {
        headers: { cookie: `llmp=${value}` },
      });
      return [response.status, (await response.text()).replaceAll(under, "")];
    };
    const [status, told] = await narrowed(b.account);
    expect(status).toBe(400);
    expect(told).toBe((await narrowed(unknownId))[1]);
    expect(await narrowed(a1.account)).toMatchObject([200, expect.stringContaining("alpha below")]);
  });

  test("are shown no form that would only be refused: of their own account, of what binds it, of its credit", async () => {
    const { id } = await api.database.people.create(aPerson({ role: "owner", accountId: a.account }));
    const value = await api.sessions.open(id, { address: null, agent: null });
    const page = async (path: string) =>
      (await api.send("GET", `/dashboard${path}`, { headers: { cookie: `llmp=${value}` } })).text();
    const actions = (text: string) => [
      ...new Set([...text.matchAll(/method="post" action="\/dashboard(\/[^"]+)"/g)].map(([, action = ""]) => action)),
    ];
    const shown = async (path: string) => actions(await page(path)).filter((action) => action !== "/logout");
    expect(await shown("/ledger")).toEqual([]);
    for (const path of [`/accounts/${a.account}`, `/budgets/${a.budget}`, `/limits/${a.limit}`])
      expect([path, await shown(path)]).toEqual([path, []]);
    const [below, budget, limit] = [`/accounts/${a1.account}`, `/budgets/${a1.budget}`, `/limits/${a1.limit}`];
    expect(await shown(below)).toEqual([below, `${below}/state`, `${below}/removal`]);
    expect(await shown(budget)).toEqual([budget, `${budget}/increase`, `${budget}/reset`, `${budget}/removal`]);
    expect(await shown(limit)).toEqual([limit, `${limit}/removal`]);
    const puts = async (account: string) => (await page(`/accounts/${account}`)).match(/Put a \w+ on it/g);
    expect([await puts(a.account), await puts(a1.account)]).toEqual([
      null,
      ["Put a budget on it", "Put a limit on it"],
    ]);
    for (const path of ["/budgets", "/limits"]) {
      const text = await page(path);
      const offered = [...text.matchAll(/<option value="([^"]+)"/g)].map(([, option = ""]) => option);
      expect([path, offered.includes(a1.account), offered.includes(a.account)]).toEqual([path, true, false]);
      const kinds = ["account", "key", "model", "provider", "global", "ip"];
      expect([path, kinds.filter((kind) => offered.includes(kind))]).toEqual([path, ["account", "key"]]);
    }
  });
});

const isForeign = (path: string): boolean => Object.values(b).some((id) => path.endsWith(`/${id}`));

const ask = (role: Role | null, method: string, path: string, body?: object): Promise<Answered> =>
  askAs(api, role, method, path, body);

/** The ids of what is `b`'s, without the one that a filter may say back. */
const ofB = (): readonly string[] => [canary, b.key, b.budget, b.limit, b.call, b.person];

const objectRoutes = () =>
  api.routes.flatMap(({ method, path, permission }) =>
    permission && /^\/api\/(\w+)\/:id/.test(path) && !path.startsWith("/api/me/") && !path.startsWith("/api/prices/")
      ? [{ method, path, permission }]
      : [],
  );

function bodyFor(method: string, path: string): object | undefined {
  if (method === "PATCH" && path === "/api/budgets/:id") return { usd: 1 };
  if (method === "PATCH" && path === "/api/limits/:id") return { requestsPerMinute: 7 };
  if (method === "PATCH" && path === "/api/keys/:id") return { content: "on" };
  if (method === "PATCH") return { name: "taken over" };
  if (path.endsWith("/issuer-removal")) return { issuer: "https://issuer.example" };
  return path.endsWith("/tokens") && method === "POST" ? { name: "mine" } : method === "POST" ? {} : undefined;
}

const comparable = ({ status, text, headers }: Answered): string =>
  `${status} ${text.replace(/"request_id":"[^"]*"/, "")} ${[...headers]
    .filter(([name]) => name !== "x-request-id")
    .map((pair) => pair.join())
    .join()}`;

/** All that the whole sees of `b`. */
const everything = async () =>
  Promise.all(
    [
      `/api/keys/${b.key}`,
      `/api/accounts/${b.account}`,
      `/api/budgets/${b.budget}`,
      `/api/limits/${b.limit}`,
      `/api/people/${b.person}`,
      `/api/people/${b.person}/tokens`,
      `/api/people/${b.person}/sessions`,
    ].map(async (path) => (await ask(null, "GET", path)).text),
  );
