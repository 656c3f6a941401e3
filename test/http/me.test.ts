import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { audience, type Issuer, makeIssuer } from "../support/issuer.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import type { NewKeyBody } from "../support/process.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** What holders of a key learn of it and do for themselves, by the key alone. */
let setup: Setup;
let issuer: Issuer;
beforeAll(async () => {
  issuer = await makeIssuer();
  setup = await setUp({
    config: `auth:
  api-key: {}
  staff: { use: jwt, issuer: "${issuer.url}", audience: ${audience}, algorithms: [RS256] }
keys:
  declared: { sha256: "${new Bun.CryptoHasher("sha256").update("written-in-the-file").digest("hex")}" }
limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]
`,
  });
  setup.upstream.on("ok", answers());
  setup.upstream.on("other", answers());
});
/** What accounts are under. */
const above: Record<string, readonly string[]> = {};
afterEach(() => invariants(setup, { above }));
afterAll(async () => {
  await setup.stop();
  await issuer.stop();
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // What an endpoint answers is for the test to say.
  readonly body: ReturnType<typeof JSON.parse>;
}
async function ask(
  path: string,
  headers: Readonly<Record<string, string>>,
  { method = "GET", body }: { readonly method?: string; readonly body?: unknown } = {},
): Promise<Answer> {
  const response = await fetch(`${setup.gateway.url}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, body: JSON.parse(text) };
}
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const me = (key: string) => ask("/v1/me", bearer(key));
const rotate = (key: string, body: unknown = {}) => ask("/v1/me/rotation", bearer(key), { method: "POST", body });
const newKey = (body: NewKeyBody = {}) => setup.gateway.createKey(body);
async function newAccount(name: string, parentId: string | null = null) {
  const made = await setup.gateway.admin<{ readonly id: string }>("POST", "/api/accounts", { name, parentId });
  if (parentId !== null) above[made.id] = [parentId];
  return made;
}
async function called(key: string, model = "mock/ok", more = {}): Promise<string> {
  const reply = await call(setup.gateway, key, chat(model, { max_tokens: 50, ...more }));
  expect(reply.status).toBe(200);
  await until("the record", () =>
    allUsage(setup.gateway).some((row) => row.call_id === reply.callId && row.status === "ok"),
  );
  return reply.callId;
}

describe("GET /v1/me", () => {
  test("tells the key, and each budget and limit that counts all its calls, with which one binds", async () => {
    const root = await newAccount("root");
    const team = await newAccount("team", root.id);
    const { gateway } = setup;
    await gateway.admin("POST", "/api/budgets", {
      scope: { kind: "account", id: root.id },
      usd: 1000,
      window: "month",
    });
    await gateway.admin("POST", "/api/budgets", { scope: { kind: "account", id: team.id }, usd: 2, window: "day" });
    await gateway.admin("POST", "/api/limits", { scope: { kind: "account", id: root.id }, requestsPerMinute: 7 });
    const key = await newKey({
      name: "app",
      accountId: team.id,
      models: ["mock/*"],
      budget: { usd: 5, window: "lifetime" },
      limits: { requestsPerMinute: 100, concurrency: 3 },
    });
    await called(key.key);
    const { status, body, headers, text } = await me(key.key);
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(text).not.toContain(key.key);
    expect(body).toMatchObject({
      principal: "app",
      account: { id: team.id, name: "team" },
      key: { id: key.id, name: "app", last4: key.key.slice(-4), secretEndsAt: null, declared: false, olderSecrets: [] },
      models: ["mock/*"],
      operations: null,
      routes: null,
      balance: null,
    });
    const row = allUsage(gateway).find(({ key_id }) => key_id === key.id);
    const spentNano = Number(row?.charge_nano);
    expect(spentNano).toBeGreaterThan(0);
    expect(body.budgets).toMatchObject([
      { scope: { kind: "key", id: key.id }, limitNano: 5e9, spentNano, heldNano: 0, resetsAt: null, binds: false },
      { scope: { kind: "account", id: team.id }, limitNano: 2e9, freeNano: 2e9 - spentNano, spentNano, binds: true },
      { scope: { kind: "account", id: root.id }, limitNano: 1e12, spentNano, binds: false },
    ]);
    expect(body.budgets[1].resetsAt).toBeGreaterThan(Date.now());
    expect(body.limits).toMatchObject([
      {
        scope: { kind: "key", id: key.id },
        measure: "requests",
        per: "minute",
        limit: 100,
        remaining: 99,
        binds: false,
      },
      { scope: { kind: "key" }, measure: "concurrency", limit: 3, held: 0, remaining: 3, binds: true },
      { scope: { kind: "account", id: root.id }, measure: "requests", limit: 7, remaining: 6, binds: true },
    ]);
  });

  test("tells what is left of what was paid in advance, which binds where it is least", async () => {
    const account = await newAccount("prepaid");
    await setup.gateway.admin("POST", "/api/ledger/credits", { accountId: account.id, usd: 1 });
    const key = await newKey({ accountId: account.id, budget: { usd: 3, window: "day" } });
    const { body } = await me(key.key);
    expect(body.balance).toEqual({
      accountId: account.id,
      balanceNano: 1e9,
      heldNano: 0,
      freeNano: 1e9,
      binds: true,
    });
    expect(body.budgets).toMatchObject([{ binds: false }]);
  });

  test("is no call: nothing is recorded or counted, and it may be asked 60 times a minute", async () => {
    const key = await newKey({ limits: { requestsPerMinute: 1 } });
    const rows = allUsage(setup.gateway).length;
    const answered: Answer[] = [];
    for (let time = 0; time < 61; time++) answered.push(await me(key.key));
    expect(answered.slice(0, 60).every(({ status }) => status === 200)).toBe(true);
    expect(answered.at(-1)?.status).toBe(429);
    expect(Number(answered.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(answered[59]?.body.limits).toMatchObject([{ limit: 1, remaining: 1 }]);
    expect(allUsage(setup.gateway)).toHaveLength(rows);
    await called(key.key);
  });

  test("refuses in the caller's dialect, and whom calls are refused", async () => {
    const anthropic = await ask("/v1/me", { "anthropic-version": "2023-06-01", "x-api-key": "sk-bad" });
    expect([anthropic.status, anthropic.body.type, anthropic.body.error.type]).toEqual([
      401,
      "error",
      "authentication_error",
    ]);
    const gemini = await ask("/v1/me", { "x-goog-api-key": "bad" });
    expect(gemini.body.error).toMatchObject({ code: 401, status: "UNAUTHENTICATED" });
    const off = await newKey();
    await setup.gateway.admin("PATCH", `/api/keys/${off.id}`, { disabled: true });
    expect((await me(off.key)).status).toBe(401);
    const closed = await newKey();
    await setup.gateway.admin("PATCH", `/api/keys/${closed.id}`, { routes: ["/v1/messages"] });
    expect((await me(closed.key)).status).toBe(403);
    expect((await ask("/v1/me?account=default", bearer(setup.key.key))).status).toBe(400);
    expect((await ask("/v1/me", { cookie: "__Host-llmp=x" })).status).toBe(401);
    expect((await ask("/v1/me", bearer(setup.gateway.adminToken))).status).toBe(401);
  });
});

describe("the same restricted key in each credential form (006)", () => {
  const forms: Readonly<Record<string, (key: string) => Readonly<Record<string, string>>>> = {
    authorization: bearer,
    "x-api-key": (key) => ({ "x-api-key": key }),
    "api-key": (key) => ({ "api-key": key }),
    "x-goog-api-key": (key) => ({ "x-goog-api-key": key }),
  };
  test("is told the same, and allowed and refused the same", async () => {
    const key = await newKey({
      name: "parity",
      models: ["mock/ok"],
      budget: { usd: 1, window: "day" },
      limits: { requestsPerMinute: 500 },
    });
    await setup.gateway.admin("PATCH", `/api/keys/${key.id}`, {
      routes: ["/v1/chat/completions", "/v1/me", "/v1beta/*"],
    });
    const seen: Readonly<Record<string, unknown>>[] = [];
    for (const headers of Object.values(forms).map((form) => form(key.key))) {
      const chatWith = (model: string) =>
        call(setup.gateway, null, chat(model, { max_tokens: 5 }), { headers }).then(({ status }) => status);
      const { status, body } = await ask("/v1/me", headers);
      const { budgets, limits, ...same } = body;
      const { used: _, remaining: __, resetsAt: ___, ...limit } = limits[0];
      seen.push({
        status,
        same: { ...same, key: { ...same.key, lastUsedAt: null } },
        budget: budgets[0].limitNano,
        limit,
        allowed: await chatWith("mock/ok"),
        model: await chatWith("mock/other"),
        route: (await ask("/v1/models", headers)).status,
      });
    }
    expect(seen[0]).toMatchObject({ status: 200, budget: 1e9, allowed: 200, model: 403, route: 403 });
    for (const one of seen) expect(one).toEqual({ ...seen[0] });
    const body = { contents: [{ role: "user", parts: [{ text: "hi" }] }] };
    const inAddress = (model: string) =>
      ask(`/v1beta/models/${model}:generateContent?key=${key.key}`, {}, { method: "POST", body });
    expect((await inAddress("mock%2Fok")).status).toBe(200);
    expect((await inAddress("mock%2Fother")).status).toBe(403);
    expect(setup.gateway.log()).not.toContain(key.key);
  });
});

describe("GET /v1/me/usage and /v1/me/calls", () => {
  test("hold one's own calls, page after page, and never those of another key", async () => {
    const account = await newAccount("shared");
    const own = await newKey({ accountId: account.id });
    const other = await newKey({ accountId: account.id });
    const ids = [];
    for (const model of ["mock/ok", "mock/ok", "mock/other"]) ids.unshift(await called(own.key, model));
    const foreign = await called(other.key);
    const pages: { readonly id: string }[] = [];
    let after = "";
    do {
      const { body } = await ask(`/v1/me/calls?limit=2${after && `&after=${after}`}`, bearer(own.key));
      expect(body.data.length).toBeLessThanOrEqual(2);
      pages.push(...body.data);
      after = body.next ?? "";
    } while (after !== "");
    expect(pages.map(({ id }) => id)).toEqual(ids);
    expect(pages[0]).toMatchObject({ model: "mock/other", status: "ok", inputTokens: expect.any(Number) });
    expect(Object.keys(pages[0] ?? {})).not.toContain("costNano");

    const { body } = await ask("/v1/me/usage?groupBy=model", bearer(own.key));
    expect(body.data).toMatchObject([
      { model: "mock/ok", calls: 2 },
      { model: "mock/other", calls: 1 },
    ]);
    const charges = allUsage(setup.gateway).filter(({ key_id }) => key_id === own.id);
    expect(body.total.chargeNano).toBe(charges.reduce((sum, row) => sum + Number(row.charge_nano), 0));
    const days = await ask("/v1/me/usage?groupBy=day", bearer(own.key));
    expect(days.body.total.calls).toBe(3);
    for (const query of [`key=${other.id}`, "account=default", `under=${account.id}`, "limit=0", "limit=1000"])
      expect((await ask(`/v1/me/calls?${query}`, bearer(own.key))).status).toBe(400);
    for (const query of [`key=${other.id}`, "groupBy=key", "groupBy=account", "groupBy=model&groupBy=key"])
      expect((await ask(`/v1/me/usage?${query}`, bearer(own.key))).status).toBe(400);
    const beyond = await ask(`/v1/me/calls?model=mock/ok&limit=200`, bearer(own.key));
    expect(beyond.text).not.toContain(foreign);
    expect(beyond.body.data).toHaveLength(2);
  });

  test("hold a token's own calls, by its sub, without those of keys and of others", async () => {
    const [token, other] = [issuer.token({ sub: "me@one" }), issuer.token({ sub: "me@two" })];
    const id = await called(token);
    await called(other);
    await called((await newKey({ name: "me@one" })).key);
    const seen = await me(token);
    expect([seen.status, seen.body.key, seen.body.principal]).toEqual([200, null, "me@one"]);
    const { body } = await ask("/v1/me/calls", bearer(token));
    expect(body.data.map((row: { readonly id: string }) => row.id)).toEqual([id]);
    const usage = await ask("/v1/me/usage?groupBy=model", bearer(token));
    expect(usage.body).toMatchObject({ data: [{ model: "mock/ok", calls: 1 }], total: { calls: 1 } });
    expect((await ask("/v1/me/usage?from=0", bearer(token))).status).toBe(400);
    // What its account says binds it as it binds keys.
    const say = (models: readonly string[] | null) => setup.gateway.admin("PATCH", "/api/accounts/default", { models });
    await say(["mock/ok"]);
    expect((await call(setup.gateway, token, chat("mock/other"))).status).toBe(403);
    expect((await me(token)).body.alsoWithin).toEqual([{ models: ["mock/ok"], providers: null, operations: null }]);
    await say(null);
    await called(token, "mock/other");
    expect((await rotate(token)).status).toBe(403);
  });
});

describe("POST /v1/me/rotation", () => {
  test("gives the key a new secret, once; the one before ends, and only the present one rotates", async () => {
    const key = await newKey({ name: "turning", budget: { usd: 1, window: "day" } });
    await called(key.key);
    const first = await rotate(key.key, { graceSeconds: 600 });
    expect([first.status, first.headers.get("cache-control")]).toEqual([201, "no-store"]);
    const second: string = first.body.key;
    setup.gateway.secrets.add(second);
    const [told] = setup.gateway.sql("select * from audit_entries order by seq desc limit 1");
    expect(told).toMatchObject({
      actor_kind: "key",
      actor_id: key.id,
      actor_name: "turning",
      address: "127.0.0.1",
      route: "POST /v1/me/rotation",
      action: "key.rotate",
      object_id: key.id,
    });
    expect(first.body).toMatchObject({ id: key.id, last4: second.slice(-4) });
    expect(first.body.olderSecrets).toMatchObject([{ last4: key.key.slice(-4) }]);
    // Both work, and the older one learns when it ends.
    const [old, present] = [await me(key.key), await me(second)];
    expect(old.body.key.secretEndsAt).toBeGreaterThan(Date.now());
    expect(present.body.key).toMatchObject({ id: key.id, secretEndsAt: null });
    expect(present.body.budgets[0].spentNano).toBeGreaterThan(0);
    expect(present.text).not.toContain(second);
    const refused = await rotate(key.key);
    expect([refused.status, errorOf(refused.text).code]).toEqual([403, "rotation_not_allowed"]);

    const last = await rotate(second);
    setup.gateway.secrets.add(last.body.key);
    expect(last.status).toBe(201);
    expect([(await me(second)).status, (await me(key.key)).status]).toEqual([401, 401]);
    await called(last.body.key);
    expect(setup.gateway.log()).not.toContain(last.body.key);
  });

  test("takes nothing but a time of grace (019)", async () => {
    const key = await newKey({ models: ["mock/ok"] });
    const before = setup.gateway.sql("select * from keys where id = ?", key.id);
    for (const more of [
      { models: ["*"] },
      { accountId: "default" },
      { budget: null },
      { id: setup.key.id },
      { key: "x" },
    ])
      expect((await rotate(key.key, { graceSeconds: 0, ...more })).status).toBe(400);
    for (const graceSeconds of [-1, 1e9, "1", null, 0.5])
      expect((await rotate(key.key, { graceSeconds })).status).toBe(400);
    expect((await ask("/v1/me/rotation", bearer(key.key), { method: "POST" })).status).toBe(415);
    expect(setup.gateway.sql("select * from keys where id = ?", key.id)).toEqual(before);
  });

  test("of two at once one is done", async () => {
    const key = await newKey();
    const both = await Promise.all([rotate(key.key), rotate(key.key)]);
    const done = both.filter(({ status }) => status === 201);
    expect(done).toHaveLength(1);
    expect((await me(done[0]?.body.key)).status).toBe(200);
  });

  test("is not for a key that the config file declares", async () => {
    const { status, body } = await me("written-in-the-file");
    expect([status, body.key?.declared]).toEqual([200, true]);
    expect((await rotate("written-in-the-file")).status).toBe(409);
  });
});
