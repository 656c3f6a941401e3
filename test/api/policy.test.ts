import { beforeAll, describe, expect, test } from "bun:test";
import {
  type Holder,
  operator,
  type Permission,
  permits,
  policy,
  type Role,
  roles,
} from "../../core/identity/policy.ts";
import type { Route } from "../../core/front.ts";
import { aPerson } from "../contract/storage-samples.ts";
import { type Api, apis } from "./server.ts";

/** Said a second time, so that a slip in the table shows. `whole`: only for those who belong to no account. */
const expected: Readonly<Record<Permission, string>> = {
  "accounts.read": "owner admin viewer",
  "accounts.write": "owner admin",
  "audit.read": "owner admin",
  "audit.verify": "owner admin, whole",
  "budgets.read": "owner admin viewer",
  "budgets.write": "owner admin",
  "calls.read": "owner admin viewer",
  "calls.read.own": "owner admin viewer member",
  "config.read": "owner admin viewer, whole",
  "config.write": "owner, whole",
  "content.read": "owner admin",
  "content.write": "owner admin",
  "credentials.read": "owner admin viewer, whole",
  "credentials.write": "owner admin, whole",
  "credits.write": "owner admin, whole",
  "description.read": "owner admin viewer member",
  "estimates.read": "owner admin viewer, whole",
  "keys.read": "owner admin viewer",
  "keys.write": "owner admin",
  "ledger.read": "owner admin viewer",
  "ledger.write": "owner admin, whole",
  "outbox.read": "owner admin viewer, whole",
  "outbox.write": "owner admin, whole",
  "limits.read": "owner admin viewer",
  "limits.write": "owner admin",
  "me.read": "owner admin viewer member",
  "me.write": "owner admin viewer member",
  "metrics.read": "owner admin viewer, whole",
  "people.read": "owner admin",
  "people.write": "owner admin",
  "prices.read": "owner admin viewer, whole",
  "prices.write": "owner admin, whole",
  "providers.read": "owner admin viewer, whole",
  "test-calls.write": "owner admin, whole",
  "usage.read": "owner admin viewer",
};

const newApi = apis();
let api: Api;
let key = "";
let accountId = "";
beforeAll(async () => {
  const mock = { chat: () => never(), models: ["one"] } as const;
  api = await newApi({ providers: { mock } });
  key = (await api.admin("POST", "/api/keys", { name: "app" })).body.key;
  accountId = (await api.admin("POST", "/api/accounts", { name: "team" })).body.id;
});

const filled = (path: string) => path.replace(/:\w+/g, "0190a1b2-0000-7000-8000-000000000000");
const guarded = (): readonly Route[] => api.routes.filter(({ access }) => access === "admin" || access === "session");

describe("the policy table", () => {
  test("is what was meant", () => {
    const said = Object.fromEntries(
      Object.entries<{ readonly roles: readonly Role[]; readonly whole?: true }>(policy).map(([name, grant]) => [
        name,
        grant.roles.join(" ") + (grant.whole === true ? ", whole" : ""),
      ]),
    );
    expect(said).toEqual(expected);
  });

  test("never lets a role do more than the one before it", () => {
    for (const name of names)
      for (const [at, role] of roles.entries())
        for (const above of roles.slice(0, at))
          if (permits({ role, accountId: null }, name))
            expect([name, above, permits({ role: above, accountId: null }, name)]).toEqual([name, above, true]);
  });

  test("lets viewers and members change nothing but what is their own", () => {
    const changing = names.filter(
      (name) => name.endsWith(".write") && permits({ role: "viewer", accountId: null }, name),
    );
    expect(changing).toEqual(["me.write"]);
  });
});

describe("every route", () => {
  test("that is for keys or for all names no permission, and every other one does", () => {
    const wrong = api.routes.filter(({ access, permission }) =>
      access === "admin" || access === "session" ? !permission : Boolean(permission),
    );
    expect(wrong.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    expect(guarded().length).toBeGreaterThan(40);
  });

  test("that changes something names a permission to write, and every other one to read", () => {
    // It asks with a body what would become of a call.
    const asking = "POST /api/explain";
    const wrong = guarded().filter(
      ({ method, path, permission }) =>
        (method !== "GET" && `${method} ${path}` !== asking) !== permission?.endsWith(".write"),
    );
    expect(wrong.map(({ method, path, permission }) => `${method} ${path}: ${permission}`)).toEqual([]);
  });

  test("of the API answers each role, whole and of an account, as the table says", async () => {
    const cells: string[] = [];
    const wrong: string[] = [];
    for (const role of roles)
      for (const place of [null, accountId]) {
        const token = `token-of-${role}-${place}`;
        api.holders.set(token, holder(role, place));
        for (const { method, path, permission } of guarded().filter(({ access }) => access === "admin")) {
          const status = await asked(method, path, { authorization: `Bearer ${token}` });
          cells.push(`${role} ${place} ${method} ${path}`);
          const allowed = allows(permission, role, place);
          if (allowed ? status === 401 || status === 403 : status !== 403)
            wrong.push(`${role}${place === null ? "" : " of an account"}: ${method} ${path}: ${status}`);
        }
      }
    expect(wrong).toEqual([]);
    expect(new Set(cells).size).toBe(roles.length * 2 * guarded().filter(({ access }) => access === "admin").length);
  });

  test("of the dashboard answers each role as the table says", async () => {
    const wrong: string[] = [];
    // The last of all, because it ends the session.
    const pages = guarded()
      .filter(({ access }) => access === "session")
      .toSorted((left, right) => Number(left.path.endsWith("/logout")) - Number(right.path.endsWith("/logout")));
    expect(pages.length).toBeGreaterThan(20);
    const places = [null, accountId];
    for (const [role, place] of roles.flatMap((one) => places.map((at) => [one, at] as const))) {
      const value = await sessionOf(role, place);
      const session = await api.sessions.find(value, true);
      for (const { method, path, permission } of pages) {
        const status = await asked(method, path, { cookie: `llmp=${value}`, "x-csrf-token": session?.csrf ?? "" });
        const allowed = allows(permission, role, place);
        // Who may not see the first page is led to their own.
        const refused = path === "/dashboard" ? 303 : 403;
        if (allowed ? status === 401 || status === 403 : status !== refused)
          wrong.push(`${role} ${place}: ${method} ${path}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("of the dashboard and the API is closed to keys, and those of calls to sessions and people", async () => {
    const crossed: string[] = [];
    api.holders.set("an-owner", holder("owner", null));
    const value = await sessionOf("owner", null);
    for (const { method, path, access } of api.routes) {
      if (access === "public") continue;
      const credential =
        access === "key"
          ? [{ authorization: "Bearer an-owner" }, { cookie: `llmp=${value}` }]
          : [{ authorization: `Bearer ${key}` }, { "x-api-key": key }];
      for (const headers of credential) {
        const status = await asked(method, path.replace("*", "some/model"), headers);
        if (status !== 401 && !(access.endsWith("session") && status === 303))
          crossed.push(`${method} ${path}: ${status}`);
      }
    }
    expect(crossed).toEqual([]);
  });
});

// The keys of the table are its type.
const names = Object.keys(policy) as Permission[];

const holder = (role: Role, accountId_: string | null): Holder => ({
  ...operator,
  kind: "person",
  id: "0190a1b2-0000-7000-8000-00000000abcd",
  name: `a ${role}`,
  role,
  accountId: accountId_,
});

/** Of a new person with the role. */
async function sessionOf(role: Role, place: string | null): Promise<string> {
  const { id } = await api.database.people.create(aPerson({ role, accountId: place }));
  return api.sessions.open(id, { address: null, agent: null });
}

function allows(permission: Permission | null | undefined, role: Role, place: string | null): boolean {
  const [may = "", whole] = (permission ? expected[permission] : "").split(", ");
  return may.split(" ").includes(role) && (whole === undefined || place === null);
}

async function asked(method: string, path: string, credential: Readonly<Record<string, string>>): Promise<number> {
  const isPage = path.startsWith("/dashboard");
  const type = isPage ? "application/x-www-form-urlencoded" : "application/json";
  const { status } = await api.send(method, filled(path), {
    headers: { origin: "http://gateway.test", "sec-fetch-site": "same-origin", "content-type": type, ...credential },
    ...(method === "POST" || method === "PATCH" ? { body: isPage ? "" : "{}" } : {}),
  });
  return status;
}

async function* never(): AsyncGenerator<never> {
  yield await Promise.reject(new Error("no call is made in these tests"));
}
