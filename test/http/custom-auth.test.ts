import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** Accounts, budgets, limits and models hold for the callers of an auth plugin of somebody's own as for keys. */
const file = join(import.meta.dir, "..", "fixtures", "plugins", "badge.ts");
const setup = await setUp({ config: `auth: { badge: { use: "${file}" }, api-key: {} }` });
setup.upstream.on("ok", answers());
afterAll(setup.stop);

const ask = (credential: string, model = "mock/ok") => call(setup.gateway, credential, chat(model));
const account = (name: string, parentId?: string) =>
  setup.gateway.admin<{ id: string }>("POST", "/api/accounts", {
    name,
    ...(parentId === undefined ? {} : { parentId }),
  });
const budget = (id: string, usd: string) =>
  setup.gateway.admin("POST", "/api/budgets", { scope: { kind: "account", id }, usd, window: "lifetime" });

test("the record names the caller and its account, and no key", async () => {
  const { id } = await account("press");
  const reply = await ask("badge.press.kim");
  expect(reply.status).toBe(200);
  const row = await until("the record", () => allUsage(setup.gateway).find((one) => one.call_id === reply.callId));
  expect(row).toMatchObject({ principal: "kim", account_id: id, key_id: null });
});

test("budgets up the tree of its account count the call, and refuse it", async () => {
  const { id } = await account("house");
  await budget(id, "0.000000001");
  await account("room", id);
  expect((await ask("badge.house/room.kim")).status).toBe(402);
  // Whoever names accounts below another one must not take its callers.
  expect((await ask("badge.room.kim")).status).toBe(403);
});

test("its limits are kept, for each caller apart", async () => {
  await account("hall");
  for (const name of ["limited-a", "limited-b"]) {
    expect([(await ask(`badge.hall.${name}`)).status, (await ask(`badge.hall.${name}`)).status]).toEqual([200, 200]);
    expect((await ask(`badge.hall.${name}`)).status).toBe(429);
  }
});

test("its models alone may be called", async () => {
  expect((await ask("badge.default.kim", "echo")).status).toBe(403);
});

test("an account that does not exist is refused and not made, and the log says which and of whom", async () => {
  expect((await ask("badge.nobody.kim")).status).toBe(403);
  expect(setup.gateway.log()).toMatch(
    /"callId":"[^"]+","principal":"kim","accountId":"nobody",.*"an auth plugin named an account/,
  );
  const { data } = await setup.gateway.admin<{ data: { name: string }[] }>("GET", "/api/accounts");
  expect(data.map(({ name }) => name)).not.toContain("nobody");
});

test("what it refuses is refused, where it fails the call cannot be checked, and keys go on", async () => {
  expect((await ask("badge.default.stolen")).status).toBe(401);
  expect((await ask("badge.default.throws")).status).toBe(503);
  expect((await ask(`badge.default.${"x".repeat(256)}`)).status).toBe(401);
  expect((await ask(setup.key.key)).status).toBe(200);
});

test("a key that there is not is refused, and takes back no call beside it", async () => {
  const { id } = await account("desk");
  await budget(id, "1");
  const names = ["kim", "keyed", "lee", "keyed"];
  const replies = await Promise.all(names.map((name) => ask(`badge.desk.${name}`)));
  expect(replies.map(({ status }) => status)).toEqual([200, 403, 200, 403]);
  expect(errorOf(replies[1]?.text ?? "").message).toBe("the key does not exist");
});

test("a caller who cannot be read is none", async () => {
  expect((await ask("badge.default.hidden")).status).toBe(401);
  await until("the log names the plugin", () =>
    setup.gateway
      .log()
      .split("\n")
      .some((line) => line.includes("auth/badge") && line.includes("tells no labels")),
  );
});

test("one that reads the body is named in the log, and the client is not told that its body was short", async () => {
  const { status, text } = await ask("badge.default.reads");
  expect([status, errorOf(text).message]).toEqual([503, "the call could not be checked"]);
  await until("the log names the plugin", () =>
    setup.gateway
      .log()
      .split("\n")
      .some((line) => line.includes("auth/badge") && line.includes("that of a clone()")),
  );
});

test("all of it leaves the books in order", () => invariants(setup));
