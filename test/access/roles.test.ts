import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Permission, permits, type Role, roles } from "../../core/identity/policy.ts";
import type { Route } from "../../core/front.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { type Answer, api, crawl, form, join, operatorSession, page, send, type Signed } from "../support/visits.ts";
import { bodyOf, everyRoute, filled, isForm } from "./routes.ts";

/**
 * Every kind of visitor at every route of a running process, made from the list of routes (017, 021, 032, 033). What each
 * may is the policy table's to say, which test/api/policy.test.ts holds to what was meant.
 */
const routes = everyRoute();
let setup: Setup;
let visitors: readonly Visitor[];
interface Visitor {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly kind: "token" | "session" | "key" | "nobody";
  readonly role?: Role;
  readonly accountId?: string | null;
}
/** Routes of the API that pages link to, so a session opens them too. */
const forSessionsToo = /^\/(openapi\.json|metrics|api\/\w+\/export)$/;

beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  const { gateway, key } = setup;
  setup.upstream.on("ok", answers());
  const accountId: string = (await api(gateway, "POST", "/api/accounts", { name: "team" })).body.id;
  const people: Visitor[] = [];
  for (const place of [null, accountId])
    for (const role of roles) {
      const signed = await join(gateway, role, { accountId: place });
      const shared = { role, accountId: place };
      const name = `${role}${place === null ? "" : " of an account"}`;
      people.push(
        { ...shared, name: `token of ${name}`, kind: "token", headers: bearer(signed.token) },
        { ...shared, name: `session of ${name}`, kind: "session", headers: ofSession(signed) },
      );
    }
  const owner = { role: "owner", accountId: null } as const;
  visitors = [
    ...people,
    { ...owner, name: "admin token", kind: "token", headers: bearer(gateway.adminToken) },
    {
      ...owner,
      name: "session of the admin token",
      kind: "session",
      headers: ofSession(await operatorSession(gateway)),
    },
    { name: "API key", kind: "key", headers: bearer(key.key) },
    { name: "API key in x-api-key", kind: "key", headers: { "x-api-key": (await gateway.createKey()).key } },
    { name: "nobody", kind: "nobody", headers: {} },
  ];
}, 60_000);
afterAll(() => setup.stop());

describe("who may only look (032, 033)", () => {
  test("is refused every form that an owner finds on a page, tests of receivers too, and changes nothing", async () => {
    const { gateway, key } = setup;
    await call(gateway, key.key, chat("mock/ok"));
    await api(gateway, "POST", "/api/budgets", { scope: { kind: "global" }, usd: 5, window: "day" });
    await api(gateway, "POST", "/api/limits", { scope: { kind: "global" }, requestsPerDay: 1_000_000 });
    await api(gateway, "POST", "/api/prices", { target: "mock/later", input: 1, output: 1, from: Date.now() + 1e9 });
    const { cookie } = await operatorSession(gateway);
    const { actions, pages } = await crawl(gateway, cookie);
    const foreign = [...actions].filter((action) => !/^\/dashboard\/(me\/|logout|login)/.test(action));
    expect(pages.size).toBeGreaterThan(15);
    expect(foreign.length).toBeGreaterThan(15);
    for (const role of ["viewer", "member"] as const) {
      const visitor = await join(gateway, role);
      const before = stateOf();
      for (const action of foreign)
        for (const method of ["POST", "DELETE", "PUT", "PATCH"]) {
          const { status } = await send(gateway, method, action, {
            headers: {
              ...ofSession(visitor),
              origin: gateway.url,
              "content-type": "application/x-www-form-urlencoded",
            },
            body: "name=taken",
          });
          expect([role, method, action, [403, 404, 405].includes(status)]).toEqual([role, method, action, true]);
        }
      expect(stateOf()).toEqual(before);
    }
    await invariants(setup);
  }, 60_000);
});

describe("a change of who somebody is (029, 030)", () => {
  test("counts from the next request on, of an open page's refreshes too", async () => {
    const { gateway } = setup;
    const admin = await join(gateway, "admin");
    const polls = () => page(gateway, "/dashboard/calls", admin.cookie, { "hx-request": "true", "x-poll": "1" });
    expect((await polls()).status).toBe(200);
    expect((await form(gateway, "/dashboard/keys", { name: "mine" }, admin)).status).toBeLessThan(400);
    await api(gateway, "PATCH", `/api/people/${admin.id}`, { role: "member" });
    expect((await polls()).status).toBe(403);
    expect((await form(gateway, "/dashboard/keys", { name: "mine" }, admin)).status).toBe(403);
    expect((await api(gateway, "GET", "/api/keys", undefined, admin.token)).status).toBe(403);
    await api(gateway, "DELETE", `/api/people/${admin.id}`);
    expect((await polls()).status).toBe(401);
    expect((await api(gateway, "GET", "/api/me", undefined, admin.token)).status).toBe(401);
  });
});

// Last, because it uses up what one address may try at the login.
describe("every visitor at every route", () => {
  test("gets what the policy says: no cell is left out", async () => {
    const wrong: string[] = [];
    const cells = new Set<string>();
    for (const visitor of visitors)
      for (const route of inOrder(routes())) {
        const { method, path } = route;
        const sent = bodyOf(method, path);
        const answer = await send(setup.gateway, method, filled(path, method), {
          headers: { ...sent.headers, ...visitor.headers, origin: setup.gateway.url, "sec-fetch-site": "same-origin" },
          body: sent.body,
        });
        cells.add(`${visitor.name} ${method} ${path}`);
        const verdict = verdictOf(route, answer);
        const expected = expectedOf(route, visitor);
        if (verdict !== expected)
          wrong.push(`${visitor.name}: ${method} ${path}: ${verdict} (${answer.status}), not ${expected}`);
      }
    expect(wrong).toEqual([]);
    expect(cells.size).toBe(visitors.length * routes().length);
    await invariants(setup);
  }, 120_000);
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const ofSession = ({ cookie, csrf }: Pick<Signed, "cookie" | "csrf">) => ({ cookie, "x-csrf-token": csrf });

type Verdict = "in" | "unknown" | "forbidden";

/** What a process makes of a visitor; led to the login is unknown, led to their own page is forbidden. */
function verdictOf({ access }: Route, { status, headers }: Answer): Verdict {
  const location = headers.get("location") ?? "";
  // A login refuses what is typed, and a logout leads to it: both have been asked.
  if (access === "public" || headers.has("clear-site-data")) return "in";
  if (status === 401 || (status === 303 && location.startsWith("/dashboard/login"))) return "unknown";
  if (status === 403 || (status === 303 && location === "/dashboard/me")) return "forbidden";
  return "in";
}

function expectedOf({ method, path, access, permission }: Route, { kind, role, accountId = null }: Visitor): Verdict {
  if (access === "public") return "in";
  // Those have a session of their own: test/http/key-holder.test.ts.
  if (access === "key-session") return "unknown";
  if (access === "key") return kind === "key" ? "in" : "unknown";
  const opens = isForm(path) ? "session" : "token";
  const known = kind === opens || (kind === "session" && method === "GET" && forSessionsToo.test(path));
  if (!known || role === undefined) return "unknown";
  return mayPass(permission, role, accountId) ? "in" : "forbidden";
}

const mayPass = (permission: Permission | null | undefined, role: Role, accountId: string | null): boolean =>
  permission !== null && permission !== undefined && permits({ role, accountId }, permission);

/** What ends the session or the key of the visitor comes last. */
const inOrder = (all: readonly Route[]): readonly Route[] => {
  const ends = ({ path }: Route) =>
    path.endsWith("/logout") || path === "/dashboard/login" || path === "/v1/me/rotation";
  return [...all.filter((route) => !ends(route)), ...all.filter(ends)];
};

/** All that a form of somebody who may could change. */
const stateOf = () =>
  [
    "keys",
    "accounts",
    "budgets",
    "limits",
    "people",
    "person_tokens",
    "book_entries",
    "ledger",
    "credits",
    "alerts",
  ].map((table) => setup.gateway.sql(`select * from ${table}`));
