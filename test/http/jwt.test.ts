import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { badTokens } from "../support/bad-tokens.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { audience, type Issuer, jwksPath, makeIssuer } from "../support/issuer.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

let issuer: Issuer;
let other: Issuer;
/** Must never be asked. */
let canary: Issuer;
let setup: Setup;

beforeAll(async () => {
  [issuer, other, canary] = await Promise.all([makeIssuer(), makeIssuer({ alg: "ES256" }), makeIssuer()]);
  setup = await setUp({
    config: `auth:
  api-key: {}
  staff: { use: jwt, issuer: "${issuer.url}", audience: ${audience}, algorithms: [RS256] }
  tenants:
    use: jwt
    issuer: "${other.url}"
    audience: ${audience}
    claims: { account: tenant, models: models, labels: { team: groups.team, tier: tier, account: role } }
    limits: { requestsPerMinute: 3 }
# What strangers may try is a matter of its own.
limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]
`,
  });
  setup.upstream.on("ok", answers());
});
afterAll(async () => {
  await setup.stop();
  await Promise.all([issuer, other, canary].map((one) => one.stop()));
});

const ask = (token: string, more: Parameters<typeof call>[3] = {}) => call(setup.gateway, token, chat("mock/ok"), more);
const rowOf = (callId: string) => allUsage(setup.gateway).find((row) => row.call_id === callId);
let users = 0;
const aSub = () => `user-${++users}`;

describe("a token of a configured issuer", () => {
  test("calls, and the record has its sub, no key, and the default account", async () => {
    const reply = await ask(issuer.token({ sub: "auth0|5f7c8ec7" }));
    expect(reply.status).toBe(200);
    await until("the record", () => rowOf(reply.callId)?.status === "ok");
    expect(rowOf(reply.callId)).toMatchObject({ principal: "auth0|5f7c8ec7", key_id: null, account_id: "default" });
  });

  test("comes in each header that clients have, for each dialect; never in an address", async () => {
    const token = issuer.token({ sub: aSub() });
    setup.gateway.secrets.add(token);
    for (const name of ["x-api-key", "api-key", "x-goog-api-key"])
      expect((await call(setup.gateway, null, chat("mock/ok"), { headers: { [name]: token } })).status).toBe(200);
    const gemini = (query: string, headers = {}) =>
      call(
        setup.gateway,
        null,
        { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
        { path: `/v1beta/models/echo:generateContent${query}`, headers },
      );
    expect((await gemini("", { "x-goog-api-key": token })).status).toBe(200);
    for (const query of [`?key=${token}`, `?%6bey=${token}`]) expect((await gemini(query)).status).toBe(401);
    expect((await gemini(`?key=${setup.key.key}`)).status).toBe(200);
    const models = await setup.gateway.get("/v1/models", { authorization: `Bearer ${token}` });
    expect(models?.status).toBe(200);
    expect(setup.gateway.log()).not.toContain(token);
  });

  test("opens nothing but calls: neither the admin API nor pages, whatever role it claims", async () => {
    const token = issuer.token({ role: "owner", roles: ["owner", "admin"], admin: true, scope: "admin" });
    for (const path of ["/api/keys", "/api/accounts", "/openapi.json", "/metrics"])
      expect((await setup.gateway.get(path, { authorization: `Bearer ${token}` }))?.status).toBe(401);
    expect((await setup.gateway.get("/dashboard/keys", { authorization: `Bearer ${token}` }))?.status).not.toBe(200);
  });

  test("is shown with its sub on the pages of calls", async () => {
    const sub = '<b onmouseover="x()">sub</b>';
    const reply = await ask(issuer.token({ sub }));
    await until("the record", () => rowOf(reply.callId)?.status === "ok");
    const { data } = await setup.gateway.admin<{ data: { callId: string; principal: string; keyId: null }[] }>(
      "GET",
      "/api/calls",
    );
    expect(data.find(({ callId }) => callId === reply.callId)).toMatchObject({ principal: sub, keyId: null });
  });
});

describe("a bad token", () => {
  test("is refused with 401 in every form; nothing goes upstream, no address in it is asked, no row is made", async () => {
    const [before, rows] = [setup.upstream.log.length, allUsage(setup.gateway).length];
    for (const [name, token] of await badTokens(issuer, canary.url)) {
      // What is no header value cannot be sent at all.
      if (/[^\x20-\x7e]/.test(token)) continue;
      const reply = await ask(token);
      expect([name, reply.status]).toEqual([name, 401]);
      expect(JSON.parse(reply.text)).toMatchObject({ error: { message: expect.any(String) } });
      if (token.length > 20) expect(reply.text).not.toContain(token.slice(-20));
    }
    expect(setup.upstream.log).toHaveLength(before);
    expect(allUsage(setup.gateway)).toHaveLength(rows);
    expect(canary.asked).toEqual([]);
    expect((await ask(issuer.token({ sub: aSub() }))).status).toBe(200);
  }, 60_000);

  test("048: a thousand made-up key ids cost the issuer two requests at most", async () => {
    await ask(issuer.token({ sub: aSub() }));
    const before = issuer.asked.filter((path) => path === jwksPath).length;
    const startedMs = performance.now();
    const statuses = await eachOf([...Array(1_000).keys()], 16, async (at) => {
      if (at % 50 === 0) expect((await ask(issuer.token({ sub: aSub() }))).status).toBe(200);
      return (await ask(issuer.token({}, { kid: crypto.randomUUID() }))).status;
    });
    expect(new Set(statuses)).toEqual(new Set([401]));
    const allowed = 2 + Math.floor((performance.now() - startedMs) / 10_000);
    expect(issuer.asked.filter((path) => path === jwksPath).length - before).toBeLessThanOrEqual(allowed);
  }, 60_000);

  test("014: tokens and keys that share beginning and end are each their own", async () => {
    const [first, second] = [issuer.token({ sub: "shared-a" }), issuer.token({ sub: "shared-b" })];
    const [head = "", payload = "", signature = ""] = first.split(".");
    const [, otherPayload = ""] = second.split(".");
    const otherKey = await setup.gateway.createKey({ name: "other key" });
    const changed = (text: string, at: number) =>
      text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    const forged = [
      `${head}.${otherPayload}.${signature}`,
      ...[20, 64].map((at) => `${head}.${changed(payload, at)}.${signature}`),
      ...[13, 30, 60].map((at) => changed(setup.key.key, at)),
      setup.key.key.slice(0, 21) + otherKey.key.slice(21),
    ];
    const good = [
      [first, "shared-a"],
      [second, "shared-b"],
      [otherKey.key, "other key"],
    ] as const;
    await eachOf([...Array(1_000).keys()], 8, async (at) => {
      const [token, name] = good[at % good.length] ?? good[0];
      const reply = await ask(token);
      expect(reply.status).toBe(200);
      const row = await until("the record", () => rowOf(reply.callId));
      expect(row.principal).toBe(name);
      expect((await ask(forged[at % forged.length] ?? "")).status).toBe(401);
    });
  }, 60_000);
});

describe("claims", () => {
  const account = (name: string) => setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name });
  const tenant = (claims: object) => other.token({ models: ["mock/*"], sub: aSub(), ...claims });

  test("its claims become labels of the call: bounded, of one value each, and no scope", async () => {
    await setup.gateway.admin("POST", "/api/accounts", { name: "Tenant T" });
    const labelled = (claims: object) => ask(tenant({ tenant: "Tenant T", ...claims }));
    const replies = [
      await labelled({ groups: { team: "red" }, tier: 2, role: "default" }),
      await labelled({ groups: { team: "red" }, tier: true }),
      await labelled({ groups: { team: ["red"] }, tier: "x".repeat(101), role: { id: 1 } }),
      await labelled({ groups: "red", tier: "a\nb", role: "  " }),
    ];
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    for (const { callId } of replies) await until("the record", () => rowOf(callId)?.status === "ok");
    const shown = async ({ callId }: { callId: string }) =>
      (await setup.gateway.admin<{ labels: object | null }>("GET", `/api/calls/${callId}`)).labels;
    expect(await Promise.all(replies.map(shown))).toEqual([
      { account: "default", team: "red", tier: "2" },
      { team: "red", tier: "true" },
      null,
      null,
    ]);
    // The label that is called `account` is none.
    const ownId = rowOf(replies[0]?.callId ?? "")?.account_id;
    expect(ownId).not.toBe("default");
    const { data } = await setup.gateway.admin<{ data: object[] }>(
      "GET",
      `/api/usage?under=${ownId}&groupBy=label:team,label:tier`,
    );
    expect(data).toMatchObject([
      { "label:team": null, "label:tier": null, calls: 2 },
      { "label:team": "red", "label:tier": "2", calls: 1 },
      { "label:team": "red", "label:tier": "true", calls: 1 },
    ]);
    const authorization = `Bearer ${setup.gateway.adminToken}`;
    const file = await setup.gateway.get(`/api/calls/export?under=${ownId}`, { authorization });
    expect(await file?.text()).toContain('"{""account"":""default"",""team"":""red"",""tier"":""2""}"');
    const line = setup.gateway
      .log()
      .split("\n")
      .find((one) => one.includes(replies[0]?.callId ?? "-"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ labels: { team: "red", tier: "2" } });
  });

  test("name the account by name or id; an unknown one is refused and not made", async () => {
    const { id } = await account("Tenant A");
    const accounts = async () => (await setup.gateway.admin<{ data: unknown[] }>("GET", "/api/accounts")).data.length;
    const before = await accounts();
    for (const name of ["Tenant A", id]) {
      const reply = await ask(tenant({ tenant: name }));
      expect(reply.status).toBe(200);
      await until("the record", () => rowOf(reply.callId)?.status === "ok");
      expect(rowOf(reply.callId)).toMatchObject({ account_id: id, key_id: null });
    }
    for (const name of ["Tenant B", "", { $ne: 1 }, ["Tenant A"], "__proto__", "' or 1=1--", undefined])
      expect((await ask(tenant({ tenant: name }))).status).toBe(403);
    expect(await accounts()).toBe(before);
  });

  test("by name mean an account at the top: whoever is below one can lock nobody out, and take nobody's callers", async () => {
    const [{ id }, org] = [await account("Tenant N"), await account("Tenant O")];
    const below = (name: string) => setup.gateway.admin("POST", "/api/accounts", { name, parentId: org.id });
    await below("Tenant N");
    await below("Tenant of tomorrow");
    const reply = await ask(tenant({ tenant: "Tenant N" }));
    expect(reply.status).toBe(200);
    await until("the record", () => rowOf(reply.callId)?.account_id === id);
    const refused = await ask(tenant({ tenant: "Tenant of tomorrow" }));
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("only accounts below others have")]);
    await account("Tenant N");
    const twice = await ask(tenant({ tenant: "Tenant N" }));
    expect([twice.status, twice.text]).toEqual([403, expect.stringContaining("several accounts have this name")]);
  });

  test("put the call on the budgets of the account", async () => {
    const { id } = await account("Tenant P");
    const budget = { scope: { kind: "account", id }, usd: "0.000000001", window: "lifetime" };
    await setup.gateway.admin("POST", "/api/budgets", budget);
    expect((await ask(tenant({ tenant: "Tenant P" }))).status).toBe(402);
    expect((await ask(issuer.token({ sub: aSub(), tenant: "Tenant P" }))).status).toBe(200);
  });

  test("name the models that may be called", async () => {
    await account("Tenant M");
    expect((await ask(tenant({ tenant: "Tenant M", models: ["echo"] }))).status).toBe(403);
    expect((await ask(tenant({ tenant: "Tenant M", models: "echo mock/ok" }))).status).toBe(200);
    expect((await ask(tenant({ tenant: "Tenant M", models: undefined }))).status).toBe(403);
  });

  test("limits are each caller's own", async () => {
    await account("Tenant L");
    for (const sub of ["l-1", "l-2"]) {
      const token = tenant({ tenant: "Tenant L", sub });
      for (let at = 0; at < 3; at++) expect((await ask(token)).status).toBe(200);
      const refused = await ask(token);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
  });

  test("051: a token whose account is removed or renamed is refused from the next call on", async () => {
    const { id } = await account("Tenant R");
    const [byName, byId] = [tenant({ tenant: "Tenant R" }), tenant({ tenant: id })];
    for (const token of [byName, byId]) expect((await ask(token)).status).toBe(200);
    await setup.gateway.admin("PATCH", `/api/accounts/${id}`, { name: "Tenant R, renamed" });
    expect([(await ask(byName)).status, (await ask(byId)).status]).toEqual([403, 200]);
    await setup.gateway.admin("DELETE", `/api/accounts/${id}`);
    expect([(await ask(byName)).status, (await ask(byId)).status]).toEqual([403, 403]);
  });

  test("051: disabling the account, or one above it, refuses its tokens and keys from the next call on", async () => {
    const above = await account("Tenant above");
    const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", {
      name: "Tenant D",
      parentId: above.id,
    });
    const key = await setup.gateway.createKey({ name: "of tenant D", accountId: id });
    const callers = [tenant({ tenant: "Tenant above/Tenant D" }), tenant({ tenant: id }), key.key];
    const statuses = () => Promise.all(callers.map(async (caller) => (await ask(caller)).status));
    expect(await statuses()).toEqual([200, 200, 200]);
    for (const disabled of [id, above.id]) {
      await setup.gateway.admin("PATCH", `/api/accounts/${disabled}`, { disabled: true });
      expect(await statuses()).toEqual([403, 403, 403]);
      const models = await setup.gateway.get("/v1/models", { authorization: `Bearer ${key.key}` });
      expect(models?.status).toBe(403);
      await setup.gateway.admin("PATCH", `/api/accounts/${disabled}`, { disabled: false });
      // Each `sub` of this issuer may call three times a minute.
      expect((await ask(key.key)).status).toBe(200);
    }
  });

  describe("one sub of two issuers on one account is two callers", () => {
    const tokens = () => {
      const sub = aSub();
      return [issuer.token({ sub }), tenant({ sub, tenant: "default" })] as const;
    };

    test("neither gets what was answered to the other's Idempotency-Key", async () => {
      const headers = { "idempotency-key": crypto.randomUUID() };
      const [first, second] = tokens();
      const replies = [];
      for (const token of [first, second, first, second]) replies.push(await ask(token, { headers }));
      expect(replies.map((reply) => [reply.status, reply.headers.get("idempotent-replayed")])).toEqual([
        [200, null],
        [200, null],
        [200, "true"],
        [200, "true"],
      ]);
      expect(new Set(replies.map(({ callId }) => callId)).size).toBe(2);
    });

    test("a limit for each key counts each for itself", async () => {
      const limit = { scope: { kind: "key" }, requestsPerMinute: 2 };
      const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/limits", limit);
      const statuses = [];
      for (const token of tokens()) for (let at = 0; at < 3; at++) statuses.push((await ask(token)).status);
      await setup.gateway.admin("DELETE", `/api/limits/${id}`);
      expect(statuses).toEqual([200, 200, 429, 200, 200, 429]);
    });

    test("what is recorded does not tell them apart, so neither is shown calls; keys are, and the rest goes on", async () => {
      const seen = async (credential: string, path: string) => {
        const response = await setup.gateway.get(path, { authorization: `Bearer ${credential}` });
        return [response?.status, await response?.text()] as const;
      };
      for (const token of tokens()) {
        for (const path of ["/v1/me/calls", "/v1/me/usage"]) {
          const [status, text] = await seen(token, path);
          expect([status, text]).toEqual([403, expect.stringContaining("caller_ambiguous")]);
        }
        expect((await seen(token, "/v1/me"))[0]).toBe(200);
      }
      for (const path of ["/v1/me/calls", "/v1/me/usage"]) expect((await seen(setup.key.key, path))[0]).toBe(200);
    });
  });

  test("a token of one issuer asks the other for nothing", async () => {
    const before = issuer.asked.length;
    for (let at = 0; at < 5; at++) await ask(tenant({ tenant: "nobody" }));
    expect(issuer.asked).toHaveLength(before);
  });
});

test("all of it leaves the books in order", () => invariants(setup));

test("229: with the issuer down it starts and serves keys; tokens get 503, and pass within 5 s of its return", async () => {
  const late = await makeIssuer();
  await late.stop();
  const mine = await setUp({
    config: `auth: { api-key: {}, staff: { use: jwt, issuer: "${late.url}", audience: ${audience} } }`,
  });
  try {
    mine.upstream.on("ok", answers());
    const status = async (credential: string) => (await call(mine.gateway, credential, chat("mock/ok"))).status;
    expect(await status(mine.key.key)).toBe(200);
    const refused = await call(mine.gateway, late.token(), chat("mock/ok"));
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await status(late.token({ exp: 1 }))).toBe(503);
    expect((await mine.gateway.get("/readyz"))?.status).toBe(200);
    late.start();
    await until("the token passes", async () => (await status(late.token())) === 200, {
      deadlineMs: 5_000,
      everyMs: 50,
    });
    expect(await status(late.token({ exp: 1 }))).toBe(401);
    // An issuer that takes requests and never answers holds up nobody whose keys are known.
    late.answer = () => new Promise(() => {});
    expect(await status(late.token({ sub: aSub() }))).toBe(200);
    await invariants(mine);
  } finally {
    await mine.stop();
    await late.stop();
  }
}, 60_000);

test("an issuer that takes requests and never answers: 503 within the deadline of hooks, and keys are served meanwhile", async () => {
  const silent = await makeIssuer();
  silent.answer = () => new Promise(() => {});
  const mine = await setUp({
    config: `auth: { api-key: {}, staff: { use: jwt, issuer: "${silent.url}", audience: ${audience} } }`,
  });
  try {
    mine.upstream.on("ok", answers());
    const waiting = call(mine.gateway, silent.token(), chat("mock/ok"));
    expect((await call(mine.gateway, mine.key.key, chat("mock/ok"))).status).toBe(200);
    expect((await waiting).status).toBe(503);
    expect(mine.gateway.log()).toContain("the keys of the issuer cannot be read");
    expect(mine.gateway.log()).not.toContain("a plugin failed");
  } finally {
    await mine.stop();
    await silent.stop();
  }
}, 60_000);
