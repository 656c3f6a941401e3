import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { form, operatorSession, page } from "../support/visits.ts";

/** What accounts allow: a call is held to its key and to every account up the tree. */
const setup = await setUp({
  dialects: ["openai-chat"],
  config: [
    "models:",
    "  cheap: [mock/cheap]",
    "  both: [mock/cheap, mock/expensive]",
    "  other: [mock/expensive, mock-openai-chat/cheap]",
    "  chained: { targets: [both] }",
  ].join("\n"),
});
const { gateway, upstream } = setup;
for (const model of ["cheap", "expensive", "very-cheap"]) upstream.on(model, answers());
afterEach(() => invariants(setup));
afterAll(setup.stop);

interface Account {
  readonly id: string;
  readonly models: readonly string[] | null;
  readonly providers: readonly string[] | null;
  readonly operations: readonly string[] | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly keyRotation: boolean;
}
const newAccount = (name: string, parentId: string | null = null, terms: object = {}) =>
  gateway.admin<Account>("POST", "/api/accounts", { name, parentId, ...terms });
const change = (id: string, terms: object) => gateway.admin<Account>("PATCH", `/api/accounts/${id}`, terms);
async function statusOf(method: string, path: string, body: unknown, token = gateway.adminToken): Promise<number> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.body?.cancel();
  return response.status;
}
const ask = async (key: string, model: unknown, path?: string, body?: unknown) => {
  const reply = await call(gateway, key, body ?? { ...chat(""), model }, path === undefined ? {} : { path });
  return { status: reply.status, text: reply.text };
};
const modelsOf = async (key: string): Promise<readonly string[]> => {
  const response = await gateway.get("/v1/models", { authorization: `Bearer ${key}` });
  const body: { readonly data: readonly { readonly id: string }[] } = JSON.parse((await response?.text()) ?? "");
  return body.data.map(({ id }) => id);
};

describe("models and providers that an account allows", () => {
  test("bind the keys of all accounts below it, from the next call on, beside those of the key", async () => {
    const root = await newAccount("root");
    const team = await newAccount("team", root.id);
    const { key } = await gateway.createKey({ accountId: team.id });
    expect((await ask(key, "mock/expensive")).status).toBe(200);
    await change(root.id, { models: ["mock/*cheap"] });
    const refused = await ask(key, "mock/expensive");
    expect([refused.status, errorOf(refused.text).code]).toEqual([403, "model_not_allowed"]);
    expect((await ask(key, "mock/very-cheap")).status).toBe(200);
    // Its own account cannot give back what one above it took.
    await change(team.id, { models: ["*"] });
    expect((await ask(key, "mock/expensive")).status).toBe(403);
    await change(team.id, { models: ["mock/cheap"] });
    expect((await ask(key, "mock/very-cheap")).status).toBe(403);
    expect((await ask(key, "mock/cheap")).status).toBe(200);
    // Nor can a key, whatever it was given (020).
    const wide = await gateway.createKey({ accountId: team.id, models: ["*"] });
    expect((await ask(wide.key, "mock/expensive")).status).toBe(403);
    const narrow = await gateway.createKey({ accountId: team.id, models: ["mock/expensive"] });
    expect((await ask(narrow.key, "mock/cheap")).status).toBe(403);
    await change(root.id, { models: null });
    await change(team.id, { models: null });
    expect((await ask(key, "mock/expensive")).status).toBe(200);
  });

  test("cannot be written around: no other spelling of a model reaches one that is not allowed (022)", async () => {
    const { id } = await newAccount("strict", null, { models: ["mock/cheap"], providers: ["mock"] });
    const { key } = await gateway.createKey({ accountId: id });
    const before = upstream.log.length;
    const spellings = [
      "expensive",
      "mock/expensive",
      "MOCK/expensive",
      "mock/expensive ",
      "mock/cheap\u0000",
      "Mock/cheap",
    ];
    const more = ["mock/chеap", "*", "mock/*", "mock/cheap/../expensive", "mock%2Fexpensive", "mock-openai-chat/cheap"];
    for (const model of [...spellings, ...more, "", ["mock/cheap"], { id: "mock/cheap" }, null])
      expect([model, [400, 403, 404].includes((await ask(key, model)).status)]).toEqual([model, true]);
    const gemini = { contents: [{ role: "user", parts: [{ text: "hi" }] }] };
    for (const model of ["mock/expensive", "mock%2Fexpensive", "mock-openai-chat/cheap"])
      expect((await ask(key, null, `/v1beta/models/${model}:generateContent`, gemini)).status).toBe(403);
    expect(upstream.log).toHaveLength(before);
    expect((await ask(key, "mock/cheap")).status).toBe(200);
  });

  test("drop targets of an alias: nothing falls back on one that is not allowed (024)", async () => {
    const { id } = await newAccount("alias", null, { models: ["mock/cheap"] });
    const { key } = await gateway.createKey({ accountId: id });
    for (const model of ["cheap", "both", "chained"]) expect((await ask(key, model)).status).toBe(200);
    upstream.on("cheap", json(500, { error: { message: "no" } }));
    const before = upstream.log.length;
    expect((await ask(key, "both")).status).toBeGreaterThanOrEqual(500);
    expect(upstream.log.slice(before).map(({ model }) => model)).not.toContain("expensive");
    upstream.on("cheap", answers());
    await change(id, { models: ["mock/very-cheap"] });
    expect((await ask(key, "both")).status).toBe(403);
    // An alias that is named brings its targets along, as with keys; the instances are another matter.
    await change(id, { models: ["both"], providers: ["mock-*"] });
    expect((await ask(key, "both")).status).toBe(403);
    await change(id, { models: ["other"] });
    expect((await ask(key, "other")).status).toBe(200);
    await until("the record", () => allUsage(gateway).some(({ provider }) => provider === "mock-openai-chat"));
  });

  test("are what the list of models shows, and nothing of what a body or header says changes them (025, 026)", async () => {
    const root = await newAccount("listed", null, { providers: ["mock"] });
    const { id } = await newAccount("below", root.id, { models: ["both", "echo"] });
    const { key } = await gateway.createKey({ accountId: id });
    expect(await modelsOf(key)).toEqual(["both"]);
    const one = (model: string) => gateway.get(`/v1/models/${model}`, { authorization: `Bearer ${key}` });
    expect([(await one("both"))?.status, (await one("mock/cheap"))?.status]).toEqual([200, 404]);
    const canary = {
      provider: "echo",
      api_base: upstream.baseUrl,
      fallbacks: ["echo"],
      metadata: { account_id: "default" },
    };
    const reply = await call(gateway, key, { ...chat("echo"), ...canary }, { headers: { "x-tenant-id": "default" } });
    expect(reply.status).toBe(403);
    await change(id, { models: null });
    await change(root.id, { providers: null });
    expect((await modelsOf(key)).length).toBeGreaterThan(4);
  });
});

describe("the page of an account", () => {
  test("shows what it and those above it say, takes changes, and says what is wrong with one", async () => {
    const root = await newAccount("page root", null, { models: ["mock/*"], metadata: { owner: "ops" } });
    const { id } = await newAccount("page", root.id);
    const { cookie, csrf } = await operatorSession(gateway);
    const path = `/dashboard/accounts/${id}`;
    const before = await page(gateway, path, cookie);
    for (const shown of ["page root", "mock/*", "owner=ops"]) expect(before.text).toContain(shown);
    const fields = { part: "terms", models: "mock/cheap, both", providers: "mock*", uncappedOutputTokens: "4096" };
    const saved = await form(gateway, path, { ...fields, metadata: "a=1, b=2", operations: "chat" }, { cookie, csrf });
    expect(saved.status).toBe(303);
    expect(await gateway.admin<Account>("GET", `/api/accounts/${id}`)).toMatchObject({
      models: ["mock/cheap", "both"],
      providers: ["mock*"],
      operations: ["chat"],
      uncappedOutputTokens: 4_096,
      keyRotation: false,
      metadata: { a: "1", b: "2" },
      parentId: root.id,
    });
    const wrong = await form(gateway, path, { ...fields, uncappedOutputTokens: "-1<b>" }, { cookie, csrf });
    expect([wrong.status, wrong.text.includes("whole number of tokens")]).toEqual([422, true]);
    expect(wrong.text).toContain('value="-1&lt;b&gt;"');
    const emptied = {
      part: "terms",
      models: " ",
      providers: "",
      uncappedOutputTokens: "",
      metadata: "",
      keyRotation: "yes",
    };
    expect((await form(gateway, path, emptied, { cookie, csrf })).status).toBe(303);
    expect(gateway.sql("select * from account_terms where account_id = ?", id)).toEqual([]);
    // The other form of the page leaves it alone.
    await change(id, { models: ["mock/cheap"] });
    await form(gateway, path, { name: "renamed", parentId: root.id }, { cookie, csrf });
    expect(await gateway.admin<Account>("GET", `/api/accounts/${id}`)).toMatchObject({
      name: "renamed",
      models: ["mock/cheap"],
    });
  });
});

describe("operations that an account allows", () => {
  test("are refused before the body is read", async () => {
    const root = await newAccount("chat only", null, { operations: ["chat"] });
    const { id } = await newAccount("below", root.id);
    const { key } = await gateway.createKey({ accountId: id });
    expect((await ask(key, "mock/cheap")).status).toBe(200);
    const refused = await ask(key, null, "/v1/embeddings", "{ not json");
    expect([refused.status, errorOf(refused.text).code]).toEqual([403, "operation_not_allowed"]);
  });
});

describe("the cap of a call that sets none", () => {
  test("is the least up the tree, where a budget holds for it", async () => {
    const root = await newAccount("capped", null, { uncappedOutputTokens: 5_000 });
    const { id } = await newAccount("below", root.id, { uncappedOutputTokens: 9_000 });
    const { key } = await gateway.createKey({ accountId: id, budget: { usd: 100, window: "day" } });
    const reply = await call(gateway, key, chat("mock/cheap"));
    expect(reply.headers.get("x-llm-proxy-warnings")).toContain("5000");
    const body: { readonly max_completion_tokens?: number; readonly max_tokens?: number } = JSON.parse(
      upstream.log.at(-1)?.request.body.toString() ?? "{}",
    );
    expect(body.max_completion_tokens ?? body.max_tokens).toBe(5_000);
  });
});

describe("what an account says", () => {
  test("is answered, changed in part, inherited, and kept over a restart", async () => {
    const made = await newAccount("told", null, { models: ["mock/*"], metadata: { owner: "ops", region: "eu" } });
    expect(made).toMatchObject({ id: made.id });
    const below = await newAccount("below", made.id, { metadata: { owner: "team" } });
    const { key } = await gateway.createKey({ accountId: below.id });
    expect(await change(made.id, { providers: ["mock"] })).toMatchObject({
      models: ["mock/*"],
      providers: ["mock"],
      operations: null,
      keyRotation: true,
    });
    await gateway.restart();
    const shown = await gateway.admin<Account>("GET", `/api/accounts/${made.id}`);
    expect(shown).toMatchObject({ models: ["mock/*"], providers: ["mock"], metadata: { owner: "ops", region: "eu" } });
    const me = await gateway.get("/v1/me", { authorization: `Bearer ${key}` });
    expect(await me?.json()).toMatchObject({
      account: { id: below.id, metadata: { owner: "ops", region: "eu" } },
      alsoWithin: [{ models: ["mock/*"], providers: ["mock"], operations: null }],
      mayRotate: true,
    });
    expect((await ask(key, "echo")).status).toBe(403);
  });

  test("may keep keys from rotating themselves", async () => {
    const root = await newAccount("no rotation", null, { keyRotation: false });
    const { id } = await newAccount("below", root.id);
    const { key } = await gateway.createKey({ accountId: id });
    expect(await statusOf("POST", "/v1/me/rotation", { graceSeconds: 0 }, key)).toBe(403);
    await change(root.id, { keyRotation: true });
    expect(await statusOf("POST", "/v1/me/rotation", { graceSeconds: 60 }, key)).toBe(201);
  });

  test.each([
    [{ models: [] }],
    [{ models: "mock/*" }],
    [{ models: [1] }],
    [{ providers: [""] }],
    [{ operations: ["fly"] }],
    [{ operations: [] }],
    [{ uncappedOutputTokens: 0 }],
    [{ uncappedOutputTokens: 1.5 }],
    [{ uncappedOutputTokens: "9" }],
    [{ metadata: { "a b": "x" } }],
    [{ metadata: null }],
    [{ keyRotation: "no" }],
    [{ routes: ["/v1/*"] }],
  ])("is refused where it is %j", async (terms) => {
    expect(await statusOf("PATCH", "/api/accounts/default", terms)).toBe(400);
  });
});
