import { beforeAll, beforeEach, expect, test } from "bun:test";
import type { ContentAccess } from "../../core/api/content.ts";
import { operator, type Role } from "../../core/identity/policy.ts";
import { type Api, apis } from "./server.ts";

/** Prompts and answers are read and removed by who may: by role, and within the account that one belongs to. */

const newApi = apis();
const removed: object[] = [];
const accounts = { team: "", below: "", other: "" };
const kept: ContentAccess = {
  async read(callId) {
    const accountId = Object.entries(accounts).find(([name]) => name === callId)?.[1];
    const side = { text: "said", bytes: 4, truncated: false, redacted: {}, media: 0 };
    return accountId === undefined
      ? null
      : { callId, accountId, createdMs: 1, expiresMs: 2, request: side, answer: null };
  },
  remove: async (which) => removed.push(which),
};
let api: Api;
const keys = { below: "", other: "" };
beforeAll(async () => {
  api = await newApi({ kept });
  const account = async (body: object): Promise<string> => (await api.admin("POST", "/api/accounts", body)).body.id;
  accounts.team = await account({ name: "team" });
  accounts.below = await account({ name: "below", parentId: accounts.team });
  accounts.other = await account({ name: "other" });
  for (const name of ["below", "other"] as const)
    keys[name] = (await api.admin("POST", "/api/keys", { name, accountId: accounts[name] })).body.id;
});
beforeEach(() => void (removed.length = 0));

const as = async (role: Role, accountId: string | null, method: string, path: string): Promise<number> => {
  api.holders.set("token-of-this-test", { ...operator, kind: "api-token", id: "p", role, accountId });
  return (await api.send(method, path, { headers: { authorization: "Bearer token-of-this-test" } })).status;
};

test.each([
  ["owner", 200],
  ["admin", 200],
  ["viewer", 403],
  ["member", 403],
] as const)("%s gets %d", async (role, status) => {
  expect(await as(role, null, "GET", "/api/calls/team/content")).toBe(status);
  expect(await as(role, null, "DELETE", "/api/calls/team/content")).toBe(status);
  expect(removed).toEqual(status === 200 ? [{ callId: "team" }] : []);
});

test("who belongs to an account reads and removes there and below, and nothing else is there", async () => {
  const both = async (path: string) => [
    await as("admin", accounts.team, "GET", path),
    await as("admin", accounts.team, "DELETE", path),
  ];
  expect(await both("/api/calls/team/content")).toEqual([200, 200]);
  expect(await both("/api/calls/below/content")).toEqual([200, 200]);
  expect(await both("/api/calls/other/content")).toEqual([404, 404]);
  expect(await both("/api/calls/nowhere/content")).toEqual([404, 404]);
  expect(removed).toEqual([{ callId: "team" }, { callId: "below" }]);
});

test("all of a key and of an account is removed within reach only", async () => {
  const remove = (path: string) => as("admin", accounts.team, "DELETE", path);
  expect(await remove(`/api/keys/${keys.below}/content`)).toBe(200);
  expect(await remove(`/api/accounts/${accounts.below}/content`)).toBe(200);
  expect(await remove(`/api/keys/${keys.other}/content`)).toBe(404);
  expect(await remove(`/api/accounts/${accounts.other}/content`)).toBe(404);
  expect(await remove("/api/accounts/default/content")).toBe(404);
  expect(removed).toEqual([
    { owner: { kind: "key", id: keys.below } },
    { owner: { kind: "account", id: accounts.below } },
  ]);
});

test("settings are part of keys and accounts, and nothing else is taken for one", async () => {
  const made = await api.admin("POST", "/api/keys", { name: "k", content: "on" });
  expect(made.body.content).toBe("on");
  expect((await api.admin("GET", `/api/keys/${made.body.id}`)).body.content).toBe("on");
  expect((await api.admin("PATCH", `/api/keys/${made.body.id}`, { content: "off" })).body.content).toBe("off");
  expect((await api.admin("PATCH", `/api/keys/${made.body.id}`, { content: null })).body.content).toBeNull();
  for (const content of ["forbid", true, "yes", ""])
    expect([content, (await api.admin("PATCH", `/api/keys/${made.body.id}`, { content })).status]).toEqual([
      content,
      400,
    ]);
  expect((await api.admin("PATCH", "/api/keys/none", { content: "on" })).status).toBe(404);

  const path = `/api/accounts/${accounts.team}`;
  for (const content of ["on", "off", "forbid", null])
    expect((await api.admin("PATCH", path, { content })).body).toMatchObject({ name: "team", content });
  expect((await api.admin("PATCH", path, { content: "always" })).status).toBe(400);
  expect((await api.admin("PATCH", "/api/accounts/none", { content: "on" })).status).toBe(404);
  const account = await api.admin("POST", "/api/accounts", { name: "quiet", content: "forbid" });
  expect((await api.admin("GET", `/api/accounts/${account.body.id}`)).body.content).toBe("forbid");
});
