import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { configFileOf } from "../support/config-file.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, join, type Signed } from "../support/visits.ts";

/** Accounts that the file names: people of an account must not keep everybody's process from starting. */
let gateway: Gateway;
let file: ReturnType<typeof configFileOf>;
let admin: Signed;
const ids: Record<string, string> = {};
beforeAll(async () => {
  gateway = await startGateway({ config: "provider: { echo: {} }\n" });
  file = configFileOf(gateway);
  for (const [name, parent] of [["Org"], ["Dept", "Org"], ["Team", "Dept"], ["Spare", "Org"], ["Free", "Org"]] as const)
    ids[name] = (
      await api(gateway, "POST", "/api/accounts", { name, ...(parent && { parentId: ids[parent] }) })
    ).body.id;
  admin = await join(gateway, "admin", { accountId: ids["Org"] ?? "" });
}, 30_000);
afterAll(() => gateway.dispose());

const asked = async (method: string, name: string | null, body?: unknown, token = admin.token) => {
  const path = name === null ? "/api/accounts" : `/api/accounts/${ids[name]}`;
  const { status, body: said } = await api(gateway, method, path, body, token);
  return status < 300 ? status : [status, said.error.message.slice(0, 34)];
};
const refused = [403, "the config file names this account"];
const taken = [409, "name: the config file names the ac"];

/** What stops a start where it finds nobody, or two, with `word` in it. */
const places = (word: string) =>
  [
    ["limits", `limits: [{ scope: { kind: account, id: ${word} }, requestsPerDay: 9 }]`],
    ["keys", `keys: { ci: { key: "ci-${crypto.randomUUID()}", account: ${word} } }`],
    ["charges", `billing: { ledger: { charges: [{ account: ${word}, margin: 1 }] } }`],
  ] as const;

describe("an account that the file names by its path", () => {
  test.each(places("Org/Dept/Team"))(
    "in %s stays there whatever people above it do, and the file holds",
    async (_, line) => {
      await file.reloadWith(`${file.first}${line}\n`);
      for (const [method, name, body] of [
        ["PATCH", "Team", { name: "Other" }],
        ["PATCH", "Dept", { name: "Other" }],
        ["PATCH", "Team", { parentId: ids["Org"] }],
        ["PATCH", "Team", { parentId: null }],
        ["PATCH", "Dept", { parentId: ids["Spare"] }],
        ["DELETE", "Team", undefined],
      ] as const)
        expect([method, name, body, await asked(method, name, body)]).toEqual([method, name, body, refused]);
      // Two of one name are as bad as none.
      expect(await asked("POST", null, { name: "Team", parentId: ids["Dept"] })).toEqual(taken);
      expect(await asked("POST", null, { name: "Dept" })).toEqual(taken);
      expect(await asked("PATCH", "Spare", { name: "Dept" })).toEqual(taken);
      await file.reload();
    },
  );

  test("may be changed in all else, and others as before", async () => {
    expect(await asked("PATCH", "Team", { name: "Team", parentId: ids["Dept"], metadata: { a: "b" } })).toBe(200);
    expect(await asked("POST", null, { name: "Team" })).toBe(201);
    expect(await asked("PATCH", "Free", { name: "Freed", parentId: ids["Dept"] })).toBe(200);
    expect(await asked("DELETE", "Free")).toBe(200);
    await file.reload();
  });

  test("is for those above it to change: the file is theirs", async () => {
    expect(await asked("PATCH", "Team", { name: "Moved" }, gateway.adminToken)).toBe(200);
    expect(await file.reload().catch(String)).toContain("no account has this id or name");
    expect(await asked("PATCH", "Team", { name: "Team" }, gateway.adminToken)).toBe(200);
  });
});

test("one that the file names by its id may be renamed and moved, and is not removed", async () => {
  for (const [, line] of places(ids["Spare"] ?? "").filter(([where]) => where !== "keys")) {
    await file.reloadWith(`${file.first}${line}\n`);
    expect(await asked("DELETE", "Spare")).toEqual(refused);
  }
  expect(await asked("PATCH", "Spare", { name: "Renamed", parentId: ids["Dept"] })).toBe(200);
  await gateway.restart();
  await file.reloadWith(file.first);
  expect(await asked("DELETE", "Spare")).toBe(200);
  expect(await asked("PATCH", "Dept", { name: "Division" })).toBe(200);
}, 30_000);
