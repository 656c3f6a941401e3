import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api as as, join } from "../support/visits.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({
    config:
      "limits: [{ scope: { kind: global }, requestsPerDay: 100000 }]\nrate-limit: { rl: { use: token-bucket, scope: global, concurrency: 900 } }",
  });
  setup.upstream.on("ok", answers({ promptTokens: 20, completionTokens: 30 }));
});
afterAll(async () => {
  await invariants(setup);
  await setup.stop();
});

interface Shown {
  readonly id: string;
  readonly source: string;
  readonly use: readonly { readonly limit: number; readonly used: number; readonly remaining: number }[] | null;
}
const api = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
  setup.gateway.admin<T>(method, path, body);
const refusedWith = (method: string, path: string, body: unknown) =>
  api(method, path, body).then(
    () => "accepted",
    (error: unknown) => String(error),
  );
const statuses = async (key: string, count: number) => {
  const replies = [];
  for (let at = 0; at < count; at++) replies.push((await call(setup.gateway, key, chat("mock/ok"))).status);
  return replies;
};

describe("/api/limits", () => {
  test("a limit holds for the next call, shows its use, changes and goes at once", async () => {
    const key = await setup.gateway.createKey();
    expect(await statuses(key.key, 1)).toEqual([200]);
    const scope = { kind: "key", id: key.id };
    const made = await api<Shown>("POST", "/api/limits", { scope, requestsPerDay: 2, usdPerDay: "5" });
    expect(made).toMatchObject({ source: "api", scope, requestsPerDay: 2, usdPerDay: "5", enforce: true });
    expect(await statuses(key.key, 3)).toEqual([200, 200, 429]);
    expect(await api<Shown>("GET", `/api/limits/${made.id}`)).toMatchObject({
      use: [
        { measure: "requests", per: "day", limit: 2, used: 2, held: 0, remaining: 0, resetsAt: expect.any(Number) },
        { measure: "spend", per: "day", limit: 5_000_000_000, held: 0 },
      ],
    });
    await api("PATCH", `/api/limits/${made.id}`, { requestsPerDay: 3, usdPerDay: null });
    expect(await statuses(key.key, 2)).toEqual([200, 429]);
    await api("PATCH", `/api/limits/${made.id}`, { enforce: false });
    expect(await statuses(key.key, 1)).toEqual([200]);
    await api("DELETE", `/api/limits/${made.id}`);
    const { headers } = await call(setup.gateway, key.key, chat("mock/ok"));
    expect(headers.get("x-ratelimit-limit-requests")).toBe("100000");
    expect(await refusedWith("GET", `/api/limits/${made.id}`, undefined)).toContain("404");
  });

  test("lists what holds, of whatever source, page by page", async () => {
    const key = await setup.gateway.createKey();
    for (const amount of [1, 2, 3])
      await api("POST", "/api/limits", { scope: { kind: "key", id: key.id }, requestsPerHour: amount });
    const first = await api<{ data: readonly Shown[]; next: string }>("GET", "/api/limits?limit=2");
    expect(first.data).toMatchObject([{ requestsPerHour: 3 }, { requestsPerHour: 2 }]);
    const rest = await api<{ data: readonly Shown[]; next: null }>("GET", `/api/limits?limit=200&after=${first.next}`);
    expect(rest.next).toBeNull();
    expect(rest.data.map(({ source }) => source)).toEqual(["api", "file", "default", "instance"]);
    expect(rest.data.at(-1)).toMatchObject({ concurrency: 900, use: [{ limit: 900 }] });
    const own = await api<{ data: readonly Shown[] }>("GET", `/api/limits?scopeKind=key&scopeId=${key.id}`);
    expect(own.data).toHaveLength(3);
  });

  test("whoever may put limits on a scope cannot heap them up there", async () => {
    const { id } = await api<{ id: string }>("POST", "/api/accounts", { name: "heap" });
    const { token } = await join(setup.gateway, "admin", { accountId: id });
    const key = await setup.gateway.createKey({ accountId: id });
    const scope = { kind: "key", id: key.id };
    const create = (path: string, body: object) => as(setup.gateway, "POST", path, { scope, ...body }, token);
    for (const [path, body, says] of [
      ["/api/limits", { requestsPerDay: 50_000 }, "there are 50 limits on this scope"],
      ["/api/budgets", { usd: 1, window: "day" }, "there are 50 budgets on this scope"],
    ] as const) {
      const answered = await eachOf(
        Array.from({ length: 55 }, (_, at) => at),
        55,
        () => create(path, body),
      );
      const refused = answered.filter(({ status }) => status !== 201);
      expect(refused.map(({ status, body: { error } }) => [status, error.message])).toEqual(
        Array.from({ length: 5 }, () => [409, says]),
      );
    }
    expect(await statuses(key.key, 1)).toEqual([200]);
  });

  test("the strictest up the tree binds, and is named", async () => {
    const org = await api<{ id: string }>("POST", "/api/accounts", { name: "org" });
    const team = await api<{ id: string }>("POST", "/api/accounts", { name: "team", parentId: org.id });
    const keys = await eachOf([1, 2, 3], 1, () => setup.gateway.createKey({ accountId: team.id }));
    const top = await api<Shown>("POST", "/api/limits", { scope: { kind: "account", id: org.id }, requestsPerDay: 5 });
    await api("POST", "/api/limits", { scope: { kind: "account", id: team.id }, requestsPerDay: 50 });
    const replies = await eachOf(
      Array.from({ length: 12 }, (_, at) => at),
      4,
      (at) => call(setup.gateway, keys[at % 3]?.key ?? "", chat("mock/ok")),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(5);
    for (const { text } of replies.filter(({ status }) => status === 429))
      expect(JSON.parse(text).error.details).toMatchObject({
        scope: { kind: "account" },
        above: true,
        measure: "requests",
      });
    await api("DELETE", `/api/limits/${top.id}`);
    expect(await statuses(keys[0]?.key ?? "", 1)).toEqual([200]);
  });

  test.each<[object, string]>([
    [{ scope: { kind: "key", id: "nobody" }, requestsPerDay: 1 }, "404"],
    [{ scope: { kind: "account", id: "nobody" }, requestsPerDay: 1 }, "404"],
    [{ scope: { kind: "team", id: "x" }, requestsPerDay: 1 }, "scope.kind"],
    [{ scope: { kind: "key" } }, "names no limit"],
    [{ scope: { kind: "ip" }, tokensPerDay: 5 }, "tokensPerDay: not for ip"],
    [{ scope: { kind: "ip", id: "10.0.0.1" }, requestsPerDay: 5 }, "scope.id: not for ip"],
    [{ scope: { kind: "global", id: "x" }, requestsPerDay: 5 }, "scope.id: not for global"],
    ...[-1, 0, 0.1, null, "1e9", 1e308, {}, true].map((value): [object, string] => [
      { scope: { kind: "global" }, requestsPerDay: value },
      "requestsPerDay",
    ]),
    ...[-1, 0, null, "1e3", "0", {}, 1e308].map((value): [object, string] => [
      { scope: { kind: "global" }, usdPerDay: value },
      "usdPerDay",
    ]),
    ...["-1", "0", "x", "12345678", "1.0000000001"].map((value): [object, string] => [
      { scope: { kind: "global" }, usdPerDay: value },
      "usdPerDay: expected an amount in USD above 0, with at most 7 digits before the point and 9 behind it",
    ]),
    [{ scope: { kind: "global" }, requestsPerDay: 5, requestsPerWeek: 5 }, "requestsPerWeek"],
  ])("%j is refused", async (body, says) => {
    expect(await refusedWith("POST", "/api/limits", body)).toContain(says);
  });

  test("the last limit of an entry cannot be taken away, nor one of the file changed", async () => {
    const made = await api<Shown>("POST", "/api/limits", { scope: { kind: "global" }, requestsPerHour: 100_000 });
    const path = `/api/limits/${made.id}`;
    expect(await refusedWith("PATCH", path, { requestsPerHour: null })).toContain("names no limit");
    expect(await refusedWith("PATCH", path, {})).toContain("400");
    expect(await refusedWith("PATCH", path, { scope: { kind: "global" } })).toContain("scope");
    for (const method of ["PATCH", "DELETE"])
      expect(
        await refusedWith(method, "/api/limits/file-0", method === "PATCH" ? { enforce: false } : undefined),
      ).toContain("404");
    await api("DELETE", path);
  });

  test("limits outlive a restart, and their counters begin anew: one burst more", async () => {
    const key = await setup.gateway.createKey();
    await api("POST", "/api/limits", { scope: { kind: "key", id: key.id }, requestsPerDay: 2 });
    let passed = 0;
    for (let kill = 0; kill < 3; kill++) {
      passed += (await statuses(key.key, 4)).filter((status) => status === 200).length;
      await setup.gateway.kill();
      await setup.gateway.start();
    }
    expect(passed).toBe(6);
  }, 30_000);
});
