import { beforeAll, describe, expect, test } from "bun:test";
import { startMs } from "../contract/storage-samples.ts";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
});
const rows = async () => [
  (await api.database.keys.list({})).data.length,
  (await api.database.budgets.list({})).data.length,
];

/** Sends the text; it must be refused with this field named, and change nothing. */
async function refused(path: string, text: string, param: string | null): Promise<string> {
  const before = await rows();
  const { status, body } = await api.adminText("POST", path, text);
  expect([status, body.error.param ?? null]).toEqual([400, param]);
  expect(await rows()).toEqual(before);
  return body.error.message;
}
const canary = "canary-of-a-value";

describe("POST /api/keys", () => {
  test("the least: a name", async () => {
    const { status, body, headers } = await api.admin("POST", "/api/keys", { name: "app" });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: "app",
      accountId: "default",
      models: null,
      limits: {},
      cidrs: [],
      expiresAt: null,
      revokedAt: null,
      createdAt: startMs,
    });
    expect(body.key).toMatch(/^sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}$/);
    expect(headers.get("cache-control")).toBe("no-store");
    const shown = await api.admin("GET", `/api/keys/${body.id}`);
    expect(shown.text).not.toContain(body.key);
    expect(body.key).toStartWith(shown.body.prefix);
    expect(body.key).toEndWith(shown.body.last4);
  });

  test("the most", async () => {
    const limits = { requestsPerMinute: 60, tokensPerMinute: 1_000, concurrency: 2 };
    const wanted = {
      name: "all",
      accountId: "default",
      models: ["fast", "openai/*"],
      expiresAt: startMs + 1,
      cidrs: ["10.0.0.0/8", "2001:db8::/32"],
      limits,
    };
    const { status, body } = await api.admin("POST", "/api/keys", {
      ...wanted,
      budget: { usd: "0.000000001", window: "day" },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject(wanted);
    const { body: budgets } = await api.admin("GET", `/api/budgets?scopeKind=key&scopeId=${body.id}`);
    expect(budgets.data).toMatchObject([
      { scope: { kind: "key", id: body.id }, window: "day", limitNano: 1, spentNano: 0, heldNano: 0 },
    ]);
  });

  test.each(["\u{1f600}", " a", "\u200dx\u0301", "名前", "x".repeat(100)])("the name %p is taken", async (name) => {
    expect((await api.admin("POST", "/api/keys", { name })).status).toBe(201);
  });

  const bad: readonly (readonly [string, object, string])[] = [
    ["no name", {}, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name too long", { name: "x".repeat(101) }, "name"],
    ["a name of a blank", { name: " " }, "name"],
    ["a name that nobody sees", { name: "\u200b\u3164\u2060" }, "name"],
    ["half a character for a name", { name: "a\ud83d" }, "name"],
    ["the other half", { name: "\ude00a" }, "name"],
    ["a name that is no text", { name: 5 }, "name"],
    ["null for a name", { name: null }, "name"],
    ["an empty account", { name: "a", accountId: "" }, "accountId"],
    ["models that are no list", { name: "a", models: "all" }, "models"],
    ["no models at all", { name: "a", models: [] }, "models"],
    ["a model that is no text", { name: "a", models: ["x", 5] }, "models.1"],
    ["a time that is past", { name: "a", expiresAt: startMs }, "expiresAt"],
    ["a negative time", { name: "a", expiresAt: -1 }, "expiresAt"],
    ["half a millisecond", { name: "a", expiresAt: startMs + 0.5 }, "expiresAt"],
    ["a time as text", { name: "a", expiresAt: "2030-01-01" }, "expiresAt"],
    ["a time beyond all", { name: "a", expiresAt: 1e308 }, "expiresAt"],
    ["a network without its bits", { name: "a", cidrs: ["10.0.0.1"] }, "cidrs"],
    ["too many bits", { name: "a", cidrs: ["10.0.0.0/33"] }, "cidrs"],
    ["a name for a network", { name: "a", cidrs: ["localhost/8"] }, "cidrs"],
    ["a limit of 0", { name: "a", limits: { concurrency: 0 } }, "limits.concurrency"],
    ["a limit below 0", { name: "a", limits: { requestsPerMinute: -1 } }, "limits.requestsPerMinute"],
    ["half a limit", { name: "a", limits: { tokensPerMinute: 1.5 } }, "limits.tokensPerMinute"],
    ["a limit as text", { name: "a", limits: { tokensPerMinute: "9" } }, "limits.tokensPerMinute"],
    ["null for limits", { name: "a", limits: null }, "limits"],
    ["a budget of nothing", { name: "a", budget: {} }, "budget.usd"],
    ["a budget without a window", { name: "a", budget: { usd: 1 } }, "budget.window"],
    ["a window there is none of", { name: "a", budget: { usd: 1, window: "year" } }, "budget.window"],
    ["a budget of 0", { name: "a", budget: { usd: 0, window: "day" } }, "budget.usd"],
  ];
  test.each(bad)("%s is refused, and neither a key nor a budget is made", async (_, body, param) => {
    await refused("/api/keys", JSON.stringify(body), param);
  });

  test("an account that does not exist is refused", async () => {
    const before = await rows();
    expect(
      (await api.admin("POST", "/api/keys", { name: "a", accountId: "nobody", budget: { usd: 1, window: "day" } }))
        .status,
    ).toBe(404);
    expect(await rows()).toEqual(before);
  });

  test.each([
    ["nmae", "name"],
    ["model", "models"],
    ["expires_at", "expiresAt"],
    ["limit", "limits"],
  ])("an unknown field %s is refused with the nearest name, and its value is not repeated", async (wrong, right) => {
    const message = await refused("/api/keys", JSON.stringify({ name: "a", [wrong]: canary }), wrong);
    expect(message).toContain(right);
    expect(message).not.toContain(canary);
  });

  test.each(["limits.requestPerMinute", "budget.uds"])("also inside: %s", async (path) => {
    const [outer = "", inner = ""] = path.split(".");
    const body = { name: "a", [outer]: { ...(outer === "budget" && { usd: 1, window: "day" }), [inner]: 1 } };
    expect(await refused("/api/keys", JSON.stringify(body), path)).toContain(
      inner === "uds" ? "usd" : "requestsPerMinute",
    );
  });
});

describe("POST /api/budgets", () => {
  test.each(["day", "week", "month", "lifetime"])("by %s, on everything", async (window) => {
    const { status, body } = await api.admin("POST", "/api/budgets", { scope: { kind: "global" }, usd: 12.5, window });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      scope: { kind: "global", id: "global" },
      window,
      limitNano: 12_500_000_000,
      spentNano: 0,
      heldNano: 0,
    });
    expect(body.resetsAt === null).toBe(window === "lifetime");
    expect((await api.admin("GET", `/api/budgets/${body.id}`)).body).toEqual(body);
    expect((await api.admin("DELETE", `/api/budgets/${body.id}`)).body).toEqual({ id: body.id, removed: true });
    expect((await api.admin("GET", `/api/budgets/${body.id}`)).status).toBe(404);
  });

  /** As JSON writes them, and as it does not. */
  const badUsd = [
    "-1",
    "0",
    "-0",
    '"-1"',
    '"1e9"',
    "1e308",
    '"1e308"',
    "1e-10",
    "null",
    "{}",
    "[]",
    "true",
    '""',
    '"abc"',
    '"NaN"',
    '"1.0000000001"',
    "9007199.3",
    "1e400",
  ];
  test.each(badUsd)("usd: %s is refused", async (usd) => {
    await refused("/api/budgets", `{"scope":{"kind":"global"},"usd":${usd},"window":"day"}`, "usd");
  });

  test.each(["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1"])("usd: %s is no JSON", async (usd) => {
    await refused("/api/budgets", `{"scope":{"kind":"global"},"usd":${usd},"window":"day"}`, null);
  });

  test.each([
    ["no scope", { usd: 1, window: "day" }, "scope"],
    ["a scope of nothing", { scope: {}, usd: 1, window: "day" }, "scope.kind"],
    ["a kind there is none of", { scope: { kind: "team", id: "x" }, usd: 1, window: "day" }, "scope.kind"],
    ["a key without its id", { scope: { kind: "key" }, usd: 1, window: "day" }, "scope.id"],
    ["another global one", { scope: { kind: "global", id: "x" }, usd: 1, window: "day" }, "scope.id"],
    ["an empty id", { scope: { kind: "model", id: "" }, usd: 1, window: "day" }, "scope.id"],
    ["no amount", { scope: { kind: "global" }, window: "day" }, "usd"],
    ["no window", { scope: { kind: "global" }, usd: 1 }, "window"],
    ["a misspelled field, by the right one", { scope: { kind: "global" }, usd: 1, windw: "day" }, "window"],
    ["one field more", { scope: { kind: "global" }, usd: 1, window: "day", name: "x" }, "name"],
  ] as const)("%s is refused", async (_, body, param) => {
    await refused("/api/budgets", JSON.stringify(body), param);
  });

  test("the global scope as answers show it is taken", async () => {
    const body = { scope: { kind: "global", id: "global" }, usd: 1, window: "day" };
    expect((await api.admin("POST", "/api/budgets", body)).status).toBe(201);
  });

  test.each([
    { kind: "key", id: "nobody" },
    { kind: "account", id: "nobody" },
  ])("on what does not exist: 404: %p", async (scope) => {
    expect((await api.admin("POST", "/api/budgets", { scope, usd: 1, window: "day" })).status).toBe(404);
  });
});

describe("a body", () => {
  test.each([
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "5",
    '{"name":"a",}',
    "\ufeff{}",
    '{"name":"a"}{}',
    `${"[".repeat(10_000)}${"]".repeat(10_000)}`,
  ])("%p is refused", async (text) => {
    const { status } = await api.adminText("POST", "/api/keys", text);
    expect(status).toBe(400);
  });

  test.each([undefined, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])(
    "of type %p is not read",
    async (type) => {
      const headers = { authorization: "Bearer admin-token-of-these-tests", ...(type && { "content-type": type }) };
      expect((await api.send("POST", "/api/keys", { headers, body: '{"name":"a"}' })).status).toBe(415);
    },
  );

  test("above 1 MiB: 413", async () => {
    expect((await api.adminText("POST", "/api/keys", JSON.stringify({ name: "x".repeat(1024 * 1024) }))).status).toBe(
      413,
    );
  });

  test("with __proto__ changes nothing but itself", async () => {
    await refused("/api/keys", '{"name":"a","__proto__":{"models":["x"]}}', "__proto__");
    expect(Object.hasOwn(Object.prototype, "models")).toBe(false);
  });
});

describe("what nothing enforces", () => {
  test.each([
    [{ name: "a", limits: { concurrency: 1 } }, 409],
    [{ name: "a", budget: { usd: 1, window: "day" } }, 409],
    [{ name: "a", limits: {} }, 201],
  ])("%p: %d", async (body, status) => {
    const bare = await newApi({ enforces: { limits: false, budgets: false } });
    expect((await bare.admin("POST", "/api/keys", body)).status).toBe(status);
    expect(
      (await bare.admin("POST", "/api/budgets", { scope: { kind: "global" }, usd: 1, window: "day" })).status,
    ).toBe(409);
  });
});
