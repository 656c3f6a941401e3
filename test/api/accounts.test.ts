import { beforeAll, describe, expect, test } from "bun:test";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
});
const make = async (name: string, parentId?: string): Promise<string> =>
  (await api.admin("POST", "/api/accounts", { name, ...(parentId !== undefined && { parentId }) })).body.id;

describe("/api/accounts", () => {
  test("makes a tree, and shows one with its path and its budgets", async () => {
    const created = await api.admin("POST", "/api/accounts", { name: "acme" });
    expect(created).toMatchObject({ status: 201, body: { name: "acme", parentId: null, children: 0, keys: 0 } });
    const acme: string = created.body.id;
    const team = await make("team", acme);
    const user = await make("user", team);
    await api.admin("POST", "/api/keys", { name: "laptop", accountId: user });
    const scope = { kind: "account", id: user };
    await api.admin("POST", "/api/budgets", { scope, usd: 5, window: "month" });
    const { body } = await api.admin("GET", `/api/accounts/${user}`);
    expect(body).toMatchObject({
      id: user,
      parentId: team,
      keys: 1,
      path: [
        { id: acme, name: "acme" },
        { id: team, name: "team" },
        { id: user, name: "user" },
      ],
      budgets: [{ scope, limitNano: 5_000_000_000, heldNano: 0 }],
    });
    const listed = async (query: string): Promise<string[]> =>
      (await api.admin("GET", `/api/accounts${query}`)).body.data.map(({ id }: { id: string }) => id);
    expect(await listed("")).toEqual([user, team, acme, "default"]);
    expect(await listed("?parentId=none")).toEqual([acme, "default"]);
    expect(await listed(`?parentId=${acme}`)).toEqual([team]);
  });

  test("renames and moves", async () => {
    const [one, two] = [await make("one"), await make("two")];
    const moved = await api.admin("PATCH", `/api/accounts/${two}`, { name: "second", parentId: one });
    expect(moved).toMatchObject({ status: 200, body: { name: "second", parentId: one } });
    const back = await api.admin("PATCH", `/api/accounts/${two}`, { parentId: null });
    expect(back.body).toMatchObject({ name: "second", parentId: null });
  });

  test("disables and enables, again and again", async () => {
    const one = await make("one");
    expect((await api.admin("GET", `/api/accounts/${one}`)).body).toMatchObject({ disabled: false });
    for (const disabled of [true, true, false, false, true]) {
      const changed = await api.admin("PATCH", `/api/accounts/${one}`, { disabled });
      expect(changed).toMatchObject({ status: 200, body: { id: one, name: "one", disabled } });
      expect((await api.admin("GET", `/api/accounts/${one}`)).body).toMatchObject({ disabled });
    }
    expect(await api.admin("PATCH", `/api/accounts/${one}`, { disabled: "yes" })).toMatchObject({ status: 400 });
  });

  test.each([
    ["POST", "", {}, 400, "name"],
    ["POST", "", { name: "" }, 400, "name"],
    ["POST", "", { name: "x", parentId: 7 }, 400, "parentId"],
    ["POST", "", { name: "x", parent: "default" }, 400, "parent"],
    ["POST", "", { name: "x", parentId: "nobody" }, 404, null],
    ["PATCH", "/default", {}, 400, null],
    ["PATCH", "/default", { parentId: "default" }, 400, "parentId"],
    ["PATCH", "/nobody", { name: "x" }, 404, null],
    ["DELETE", "/default", undefined, 409, null],
    ["DELETE", "/nobody", undefined, 404, null],
    ["GET", "/nobody", undefined, 404, null],
  ])("%s %s with %p is %d", async (method, path, body, status, param) => {
    const answered = await api.admin(method, `/api/accounts${path}`, body);
    expect([answered.status, answered.body.error.param]).toEqual([status, param]);
  });

  test("is removed once nothing is on it", async () => {
    const parent = await make("parent");
    const child = await make("child", parent);
    const conflict = await api.admin("DELETE", `/api/accounts/${parent}`);
    expect([conflict.status, conflict.body.error.message]).toEqual([409, "the account has accounts below it"]);
    for (const id of [child, parent])
      expect((await api.admin("DELETE", `/api/accounts/${id}`)).body).toEqual({ id, removed: true });
    expect((await api.admin("GET", `/api/accounts/${child}`)).status).toBe(404);
    const orphan = await api.admin("POST", "/api/keys", { name: "late", accountId: child });
    expect(orphan.status).toBe(404);
  });

  test("usage sums an account with all below it", async () => {
    const top = await make("top");
    const { body } = await api.admin("GET", `/api/usage?under=${top}&groupBy=account`);
    expect(body).toMatchObject({ data: [], total: { calls: 0 } });
  });
});
