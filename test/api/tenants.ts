import { expect } from "bun:test";
import { type Holder, operator, type Role } from "../../core/identity/policy.ts";
import { aFinal, anAdmission, aPerson, aSession, aToken } from "../contract/storage-samples.ts";
import { adminToken, type Answered, type Api } from "./server.ts";

export const unknownId = "0190a1b2-0000-7000-8000-000000000000";

/** An account with one of everything. */
export interface Tenant {
  readonly account: string;
  readonly key: string;
  readonly budget: string;
  readonly limit: string;
  readonly call: string;
  readonly person: string;
  readonly token: string;
  readonly session: string;
}

export async function newTenant(api: Api, name: string, parentId: string | null): Promise<Tenant> {
  const account: string = (await api.admin("POST", "/api/accounts", { name, parentId })).body.id;
  const key = (await api.admin("POST", "/api/keys", { name, accountId: account })).body;
  const scope = { kind: "account", id: account };
  const budget: string = (await api.admin("POST", "/api/budgets", { scope, usd: 100, window: "day" })).body.id;
  const limit: string = (await api.admin("POST", "/api/limits", { scope, requestsPerMinute: 5 })).body.id;
  await api.admin("POST", "/api/ledger/credits", { accountId: account, usd: 50, note: name });
  const line = await api.database.accounts.lineage(account, api.clock.now());
  const scopes = line.map(({ id }) => ({ kind: "account", id }) as const);
  const admission = anAdmission({ accountId: account, keyId: key.id, principal: name, scopes });
  expect(await api.database.ledger.admit(admission)).toMatchObject({ admitted: true });
  await api.database.ledger.finish(aFinal(admission.callId));
  const person = aPerson({ name, accountId: account, role: "viewer" });
  await api.database.people.create(person);
  const token = aToken({ name });
  await api.database.people.addToken(person.id, token);
  const session = aSession({ personId: person.id, createdMs: api.clock.now(), expiresMs: api.clock.now() + 1_000_000 });
  await api.database.sessions.create(`digest of ${name}`, session);
  return {
    account,
    key: key.id,
    budget,
    limit,
    call: admission.callId,
    person: person.id,
    token: token.id,
    session: session.id,
  };
}

/** For `api.holders`, by the token that is named like the role. */
export const memberOf = (role: Role, accountId: string): Holder => ({
  ...operator,
  kind: "api-token",
  id: unknownId.replace(/0$/, "1"),
  name: role,
  role,
  accountId,
});

/** By the token of a holder, as that of a role; `null`: by the admin token. */
export async function askAs(
  api: Api,
  token: string | null,
  method: string,
  path: string,
  body?: object,
): Promise<Answered> {
  const answered = await api.send(method, path, {
    headers: {
      authorization: `Bearer ${token ?? adminToken}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answered.text();
  const isJson = /^application\/json\b/.test(answered.headers.get("content-type") ?? "");
  return { status: answered.status, headers: answered.headers, text, body: isJson ? JSON.parse(text) : null };
}

/** The path with the ids of what is the tenant's in it; `null`: with those of nothing. */
export function filled(path: string, owner: Tenant | null): string {
  const kind = kinds[/^\/api\/(\w+)/.exec(path)?.[1] ?? ""];
  if (kind === undefined) throw new Error(`say which object ${path} is about`);
  return path
    .replace(":id", owner?.[kind] ?? unknownId)
    .replace(":session", owner?.session ?? unknownId)
    .replace(":token", owner?.token ?? unknownId);
}

const kinds: Readonly<Record<string, keyof Tenant>> = {
  keys: "key",
  accounts: "account",
  budgets: "budget",
  calls: "call",
  explain: "call",
  limits: "limit",
  people: "person",
};
