import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { permits } from "../../core/identity/policy.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { type Answer, api, crawl, join, page, send, type Signed } from "../support/visits.ts";
import { bodyOf, everyRoute, isForm, unknownId } from "./routes.ts";

/** Two accounts that know nothing of each other, at every route that names an object (018, 031). All of B's names hold a canary. */
const canary = `canary-of-b-${crypto.randomUUID()}`;
const routes = everyRoute();
let setup: Setup;
let a: Tenant;
let b: Tenant;
interface Tenant extends Readonly<Record<Kind, string>> {
  readonly secret: string;
  readonly owner: Signed;
  readonly admin: Signed;
  readonly viewer: Signed;
}
type Kind = "keys" | "accounts" | "budgets" | "calls" | "limits" | "people" | "sessions" | "tokens";

beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
  a = await tenant("alpha");
  b = await tenant(canary);
}, 60_000);
afterAll(() => setup.stop());

/** Routes that name an object of an account. The rest is for those who belong to none, or is one's own. */
const objectRoutes = () =>
  routes().flatMap(({ method, path, access, permission }) => {
    const kind = /^\/(?:api|dashboard)\/(\w+)\/:id/.exec(path)?.[1];
    const own = /^\/(?:api|dashboard)\/me\//.test(path);
    if (kind === undefined || own || !permission || !permits({ role: "owner", accountId: a.accounts }, permission))
      return [];
    return [{ method, path, access, permission, kind }];
  });

describe("an object of another account (018)", () => {
  test("is to every route what one is that does not exist, byte for byte, and stays as it was", async () => {
    const before = stateOf();
    const wrong: string[] = [];
    const kinds = new Set<string>();
    let cells = 0;
    for (const role of ["owner", "admin", "viewer"] as const)
      for (const { method, path, permission, kind } of objectRoutes()) {
        if (!permits({ role, accountId: a.accounts }, permission)) continue;
        const foreign = await asked(a[role], method, named(path, b));
        const unknown = await asked(a[role], method, named(path, null));
        cells += 1;
        kinds.add(kind);
        if (foreign.status !== 404 || comparable(foreign) !== comparable(unknown))
          wrong.push(`${role} ${method} ${path}: ${comparable(foreign)} for ${comparable(unknown)}`);
      }
    expect(wrong).toEqual([]);
    expect([...kinds].toSorted()).toEqual(["accounts", "budgets", "calls", "explain", "keys", "limits", "people"]);
    expect(cells).toBeGreaterThan(80);
    expect(stateOf()).toEqual(before);
    await invariants(setup);
  }, 60_000);

  test("is none for one's own sessions and tokens either", async () => {
    for (const path of ["/api/me/sessions", "/api/me/tokens"]) {
      const id = path.endsWith("sessions") ? b.sessions : b.tokens;
      const foreign = await asked(a.owner, "DELETE", `${path}/${id}`);
      const unknown = await asked(a.owner, "DELETE", `${path}/${unknownId}`);
      expect([foreign.status, comparable(foreign)]).toEqual([404, comparable(unknown)]);
    }
    expect((await api(setup.gateway, "GET", "/api/me", undefined, b.viewer.token)).status).toBe(200);
    expect((await page(setup.gateway, "/dashboard/me", b.viewer.cookie)).status).toBe(200);
  });

  test("shows in no list, sum, export or page, whatever is filtered, sorted or paged by (031)", async () => {
    const { gateway } = setup;
    const lists = routes().filter(
      ({ method, path, permission }) =>
        method === "GET" &&
        path.startsWith("/api/") &&
        !path.includes(":") &&
        permission &&
        permits({ role: "owner", accountId: a.accounts }, permission),
    );
    expect(lists.length).toBeGreaterThan(12);
    const foreign = [canary, ...Object.values(b).filter((value) => typeof value === "string")];
    const { body: described } = await api(gateway, "GET", "/openapi.json");
    const takesLimit = new Set(
      Object.entries<Record<string, { readonly parameters: readonly { readonly name: string }[] }>>(described.paths)
        .filter(([, { get }]) => get?.parameters.some(({ name }) => name === "limit"))
        .map(([path]) => path),
    );
    expect(takesLimit.size).toBeGreaterThan(5);
    const filters = [
      "",
      ...["account", "accountId", "parentId", "under"].map((name) => `?${name}=${b.accounts}`),
      `?account=${a.accounts}&account=${b.accounts}`,
      `?account[]=${a.accounts}&account[]=${b.accounts}`,
      `?tenant=${b.accounts}`,
      `?key=${b.keys}`,
      `?scopeKind=account&scopeId=${b.accounts}`,
      `?scopeKind=key&scopeId=${b.keys}`,
      `?groupBy=key,account,model`,
      "?fields=*",
      "?sort=digest",
      "?limit=-1",
      "?limit=0",
      "?limit=1000000000",
      "?limit=1e9",
    ];
    for (const { path } of lists) {
      const cursor = (await api(gateway, "GET", `${path}?limit=1`)).body?.next;
      for (const filter of [...filters, ...(cursor ? [`?after=${encodeURIComponent(cursor)}`] : [])]) {
        const answer = await api(gateway, "GET", path + filter, undefined, a.owner.token);
        expect([path, filter, answer.status < 500]).toEqual([path, filter, true]);
        if (answer.status !== 200) continue;
        expect([path, filter, foreign.filter((text) => answer.text.includes(text))]).toEqual([path, filter, []]);
        // A list takes a page size that it has; what is no list has none.
        const oddSize = /limit=(?!1$)/.test(filter) && Array.isArray(answer.body?.data) && takesLimit.has(path);
        expect([path, filter, oddSize]).toEqual([path, filter, false]);
      }
    }
    // The operator sees all of it: what is not there was not just missing.
    expect((await api(gateway, "GET", "/api/keys")).text).toContain(canary);

    const { pages } = await crawl(gateway, a.owner.cookie);
    expect(pages.size).toBeGreaterThan(12);
    for (const [path, text] of pages) expect([path, foreign.filter((each) => text.includes(each))]).toEqual([path, []]);
  }, 60_000);
});

describe("who makes a key", () => {
  test("gives it no more than they have: what binds them binds it (020)", async () => {
    const { gateway } = setup;
    const wide = {
      name: "wide",
      accountId: a.accounts,
      models: ["*"],
      budget: { usd: 100, window: "day" },
      limits: { requestsPerMinute: 1_000_000_000 },
    };
    expect((await api(gateway, "POST", "/api/keys", wide, a.viewer.token)).status).toBe(403);
    const scope = { kind: "account", id: a.accounts };
    await api(gateway, "POST", "/api/limits", { scope, requestsPerDay: 2 });
    const made = await api(gateway, "POST", "/api/keys", wide, a.admin.token);
    expect(made.status).toBe(201);
    gateway.secrets.add(made.body.key);
    const statuses: number[] = [];
    for (let at = 0; at < 3; at++) statuses.push((await call(gateway, made.body.key, chat("mock/ok"))).status);
    // A's own calls of today count too.
    expect(statuses.at(-1)).toBe(429);
    for (const more of [
      { role: "owner" },
      { scopes: ["admin"] },
      { allowed_routes: ["/*"] },
      { accountId: b.accounts },
    ])
      expect([400, 404]).toContain(
        (await api(gateway, "POST", "/api/keys", { ...wide, ...more }, a.admin.token)).status,
      );
    await invariants(setup);
  });

  test("gets no field taken that is not offered, anywhere (019)", async () => {
    const { gateway } = setup;
    const { body: described } = await api(gateway, "GET", "/openapi.json");
    const smuggled = {
      role: "owner",
      tenant_id: b.accounts,
      is_admin: true,
      allowed_routes: ["/*"],
      spent_nano: 0,
      created_by: "x",
      digest: "x",
      key_hash: "x",
      createdAt: 0,
      revokedAt: null,
      passwordHash: "x",
      constructor: { prototype: { role: "owner" } },
    };
    const before = stateOf();
    let tried = 0;
    for (const [path, operations] of Object.entries<Record<string, Operation>>(described.paths))
      for (const [method, { requestBody }] of Object.entries(operations)) {
        const schema = requestBody?.content["application/json"].schema;
        if (schema === undefined) continue;
        expect([path, method, openPlaces(schema, "")]).toEqual([path, method, []]);
        for (const [name, value] of Object.entries(smuggled)) {
          if (schema.properties && Object.hasOwn(schema.properties, name)) continue;
          const to = path
            .replace(/^(\/api\/(\w+)\/)\{id\}/, (whole, start, kind) => (kind in a ? start + a[kind as Kind] : whole))
            .replace(/\{\w+\}/g, unknownId);
          const answer = await api(
            gateway,
            method.toUpperCase(),
            to,
            { [name]: value },
            path.startsWith("/v1/") ? a.secret : a.owner.token,
          );
          expect([path, method, name, [400, 403, 404, 409].includes(answer.status)]).toEqual([
            path,
            method,
            name,
            true,
          ]);
          tried += 1;
        }
      }
    expect(tried).toBeGreaterThan(200);
    expect(stateOf()).toEqual(before);
  }, 60_000);
});

interface Operation {
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
}
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly patternProperties?: unknown;
}

/** Objects in the schema that take any name. */
function openPlaces(schema: Schema, at: string): readonly string[] {
  const inside = Object.entries(schema.properties ?? {}).flatMap(([name, part]) => openPlaces(part, `${at}.${name}`));
  const isOpen = schema.type === "object" && schema.additionalProperties !== false && !schema.patternProperties;
  return isOpen && at !== ".metadata" ? [at || "body", ...inside] : inside;
}

async function tenant(name: string): Promise<Tenant> {
  const { gateway } = setup;
  const made = async (path: string, body: object): Promise<Answer["body"]> => {
    const answer = await api(gateway, "POST", path, body);
    if (answer.status !== 201) throw new Error(`${path}: ${answer.text}`);
    return answer.body;
  };
  const accounts = (await made("/api/accounts", { name })).id;
  const { id: keys, key: secret } = await made("/api/keys", { name, accountId: accounts });
  gateway.secrets.add(secret);
  const scope = { kind: "account", id: accounts };
  const budgets = (await made("/api/budgets", { scope, usd: 100, window: "day" })).id;
  const limits = (await made("/api/limits", { scope, requestsPerDay: 1_000 })).id;
  await made("/api/ledger/credits", { accountId: accounts, usd: 50, note: name });
  const calls = (await call(gateway, secret, chat("mock/ok", { user: name }))).callId;
  const joined = (role: string) => join(gateway, role, { accountId: accounts, name: `${role} ${name}` });
  const [owner, admin, viewer] = [await joined("owner"), await joined("admin"), await joined("viewer")];
  const people = viewer.id;
  const only = async (path: string) => (await api(gateway, "GET", `/api/people/${people}/${path}`)).body.data[0].id;
  const sessions = await only("sessions");
  const tokens = await only("tokens");
  return { accounts, keys, secret, budgets, limits, calls, people, sessions, tokens, owner, admin, viewer };
}

/** `null`: ids that nobody has. */
const named = (path: string, owner: Tenant | null): string =>
  path
    // Of calls too.
    .replace("/explain/:id", `/explain/${owner?.calls ?? unknownId}`)
    .replace(/^(\/\w+\/(\w+)\/):id/, (_, start, kind) => start + (owner?.[kind as Kind] ?? unknownId))
    .replace(":session", owner?.sessions ?? unknownId)
    .replace(":token", owner?.tokens ?? unknownId)
    .replace(/\/sessions\/:id/, `/sessions/${owner?.sessions ?? unknownId}`);

function asked(who: Signed, method: string, path: string): Promise<Answer> {
  const { headers } = bodyOf(method, path);
  const credential = isForm(path)
    ? { cookie: who.cookie, "x-csrf-token": who.csrf, origin: setup.gateway.url }
    : { authorization: `Bearer ${who.token}` };
  const body =
    method === "POST" || method === "PATCH" ? (isForm(path) ? "" : JSON.stringify(good(method, path))) : undefined;
  return send(setup.gateway, method, path, { headers: { ...headers, ...credential }, body });
}

/** What the route would take of whom it is for. */
function good(method: string, path: string): object {
  if (path.endsWith("/issuer-removal")) return { issuer: "https://login.example.com" };
  if (method === "POST") return path.endsWith("/tokens") ? { name: "mine" } : {};
  if (path.startsWith("/api/budgets/")) return { usd: 1 };
  if (path.startsWith("/api/limits/")) return { requestsPerMinute: 7 };
  return { name: "taken over" };
}

const comparable = ({ status, text, headers }: Answer): string =>
  `${status} ${text.replace(/"request_id":"[^"]*"/, "")} ${[...headers]
    .filter(([name]) => name !== "x-request-id" && name !== "date")
    .map((pair) => pair.join())
    .join()}`;

const stateOf = () => [
  allUsage(setup.gateway),
  ...["keys", "accounts", "budgets", "limits", "people", "person_tokens", "ledger", "credits"].map((table) =>
    setup.gateway.sql(`select * from ${table}`),
  ),
];
