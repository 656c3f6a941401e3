import { describe, expect, test } from "bun:test";
import { type Authenticator, GatewayError } from "llm-proxy/plugin";
import jwt from "../../../plugins/auth/jwt.ts";
import { testAuth } from "../../contract/auth.ts";
import { fakeClock, fakeContext, setUp } from "../../contract/context.ts";
import { badTokens } from "../../support/bad-tokens.ts";
import { audience, hmacToken, makeIssuer, makeIssuerKey } from "../../support/issuer.ts";

const issuer = await makeIssuer();
await issuer.stop();
const jwks = { keys: issuer.keys.map(({ jwk }) => jwk) };
const bad = await badTokens(issuer, "http://127.0.0.1:1");
const options = { issuer: issuer.url, audience, jwks, algorithms: ["RS256"] };
const realClock = { now: Date.now, advance: () => {} };
const request = new Request("http://gateway.test/v1/chat/completions", { method: "POST" });

const create = (more: object = {}, context = fakeContext(realClock)): Promise<Authenticator> =>
  setUp(jwt, { ...options, ...more }, context);

async function outcome(authenticator: Authenticator, token: string, from = request): Promise<unknown> {
  try {
    return await authenticator.authenticate(token, from);
  } catch (error) {
    return error instanceof GatewayError ? error.status : error;
  }
}

testAuth(() => create(), {
  valid: issuer.token(),
  invalid: [
    issuer.token({ exp: 1 }),
    issuer.token({ aud: "other" }),
    issuer.token({}, { kid: "unknown" }),
    `${issuer.token().slice(0, -10)}AAAAAAAAAA`,
  ],
  foreign: [
    "sk-llmp-0123456789ab-x",
    "sk-proj.with.dots",
    issuer.token({ iss: "https://other.example" }),
    "a.b",
    "a.b.c.d.e",
  ],
});

describe("jwt", () => {
  test.each(bad.map(([name, token]) => ({ name, token })))("refuses or leaves alone: $name", async ({ token }) => {
    const authenticator = await create();
    expect(await outcome(authenticator, issuer.token())).toMatchObject({ name: "user-1" });
    const first = await outcome(authenticator, token);
    // `null`: nobody's, which core answers as it answers a bad one.
    expect(first === null || first === 401).toBe(true);
    expect(Object.is(await outcome(authenticator, token), first)).toBe(true);
  });

  test("a caller is the token's sub, on the default account, with no key", async () => {
    const authenticator = await create({ limits: { requestsPerMinute: 5 }, models: ["fast", "mock/*"] });
    expect(await outcome(authenticator, issuer.token({ sub: "auth0|5f7c" }))).toEqual({
      name: "auth0|5f7c",
      keyId: null,
      accountId: "default",
      models: ["fast", "mock/*"],
      limits: { requestsPerMinute: 5 },
    });
  });

  test("good tokens in every form", async () => {
    const authenticator = await create();
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const good = {
      "aud a list with ours": issuer.token({ aud: ["other", audience] }),
      "typ at+jwt": issuer.token({}, { typ: "at+jwt" }),
      "typ application/at+jwt": issuer.token({}, { typ: "application/AT+JWT" }),
      "no typ": issuer.token({}, { typ: undefined }),
      "no iat": issuer.token({ iat: undefined }),
      "within the tolerance": issuer.token({ exp: nowSeconds - 20, iat: nowSeconds - 100 }),
      "no kid, one key": issuer.token({}, { kid: undefined }),
      "header keys that point to where we never look": issuer.token({}, { jku: "http://127.0.0.1:1/", x5t: "x" }),
      "Keycloak's access token": issuer.token({
        typ: "Bearer",
        azp: "app",
        realm_access: { roles: ["owner", "admin"] },
      }),
      "1,000 groups": issuer.token({ groups: Array.from({ length: 1_000 }, (_, at) => `g${at}`) }),
      "a role that nobody asked for": issuer.token({
        role: ["viewer", "admin"],
        scope: "nonadmin",
        models: "*",
        limits: {},
      }),
      "prototype names": issuer.token({ ["__proto__"]: { sub: "admin" }, constructor: 1 }),
    };
    for (const [name, token] of Object.entries(good))
      expect([name, await outcome(authenticator, token)]).toEqual([
        name,
        { name: "user-1", keyId: null, accountId: "default", models: "all", limits: {} },
      ]);
  });

  test("ES256, EdDSA and a set of several keys", async () => {
    const keys = [await makeIssuerKey("a", "ES256"), await makeIssuerKey("b", "EdDSA"), await makeIssuerKey("c")];
    const authenticator = await create({ algorithms: undefined, jwks: { keys: keys.map(({ jwk }) => jwk) } });
    for (const key of keys)
      expect(await outcome(authenticator, issuer.token({}, {}, key))).toMatchObject({ name: "user-1" });
    const [first, second] = keys;
    expect(await outcome(authenticator, issuer.token({}, { kid: "b" }, first))).toBe(401);
    expect(await outcome(authenticator, issuer.token({}, { kid: "a" }, second))).toBe(401);
  });

  test("a shared secret takes its own signatures alone", async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const authenticator = await create({ jwks: undefined, algorithms: undefined, secret });
    expect(await outcome(authenticator, hmacToken(secret, issuer.claims(), { alg: "HS256" }))).toMatchObject({
      name: "user-1",
    });
    expect(await outcome(authenticator, hmacToken(secret, issuer.claims(), { alg: "HS512" }, "sha512"))).toBe(401);
    expect(await outcome(authenticator, hmacToken(`${secret}x`, issuer.claims(), { alg: "HS256" }))).toBe(401);
    expect(await outcome(authenticator, issuer.token())).toBe(401);
  });

  test.each([
    [{ secret: "x".repeat(32) }, "only one of them"],
    [{ jwks: undefined, algorithms: undefined, secret: "x".repeat(31) }, "at least 32 bytes"],
    [{ jwks: undefined, algorithms: ["HS512"], secret: "x".repeat(63) }, "at least 64 bytes"],
    [{ jwks: undefined, algorithms: ["RS256"], secret: "x".repeat(64) }, "RS256 does not go with a secret"],
    [{ algorithms: ["HS256"] }, "HS256 does not go with public keys"],
    [{ algorithms: ["RS256", "HS256"] }, "HS256 does not go with public keys"],
    [{ algorithms: ["none"] }, "/algorithms"],
    [{ algorithms: [] }, "/algorithms"],
    [{ jwks: { keys: [{ kty: "oct", k: "c2VjcmV0" }] } }, "no usable key"],
    [{ jwks: undefined, issuer: "http://login.example.com" }, "over https"],
    [{ jwks: undefined, issuer: "not an address" }, "over https"],
    [{ jwks: undefined, jwksUrl: "http://10.0.0.5/keys" }, "over https"],
    [{ jwks: undefined, jwksUrl: "file:///etc/passwd" }, "/jwksUrl"],
    [{ clockToleranceSeconds: 61 }, "/clockToleranceSeconds"],
    [{ audience: [] }, "/audience"],
    [{ audience: undefined }, "/audience"],
    [{ models: ["a"], claims: { models: "m" } }, "only one of them"],
    [{ claims: { role: "role" } }, "/claims/role"],
  ])("options %j are refused", async (more, why) => {
    const error = await create(more).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(why);
    expect(String(error)).not.toContain("xxxxxxxx");
  });
});

describe("jwt claims", () => {
  const accounts = {
    find: (word: string) => ({ default: "default", "team-id": "team-id", "Team A": "team-id" })[word] ?? null,
    whyNot: () => "no account has this id or name",
  };
  const mapped = (claims: object) => create({ claims }, { ...fakeContext(realClock), accounts });

  test("a claim names the account, by id or name; whatever is none is refused and makes none", async () => {
    const authenticator = await mapped({ account: "org.tenant" });
    for (const tenant of ["Team A", "team-id"])
      expect(await outcome(authenticator, issuer.token({ org: { tenant } }))).toMatchObject({ accountId: "team-id" });
    for (const org of [
      undefined,
      null,
      "Team A",
      [],
      ...["team a", "", "nobody", "x".repeat(201), { $ne: 1 }, ["Team A"], 5, true, null].map((tenant) => ({ tenant })),
    ])
      expect([org, await outcome(authenticator, issuer.token({ org }))]).toEqual([org, 403]);
  });

  test("a claim whose name has dots in it is that claim; inherited names are none", async () => {
    const url = "https://example.com/tenant";
    expect(await outcome(await mapped({ account: url }), issuer.token({ [url]: "Team A" }))).toMatchObject({
      accountId: "team-id",
    });
    for (const name of ["constructor.name", "__proto__", "toString", "sub.length"])
      expect(await outcome(await mapped({ account: name }), issuer.token())).toBe(403);
  });

  test("what stands at a place of a list is no claim", async () => {
    for (const name of ["tenants.0", "tenants.length"])
      expect(await outcome(await mapped({ account: name }), issuer.token({ tenants: ["Team A"] }))).toBe(403);
  });

  test("a claim names the models, as a list or one text; without it none may be called", async () => {
    const authenticator = await mapped({ models: "allowed" });
    for (const allowed of [["fast", "mock/*"], "fast mock/*"])
      expect(await outcome(authenticator, issuer.token({ allowed }))).toMatchObject({ models: ["fast", "mock/*"] });
    expect(await outcome(authenticator, issuer.token({ allowed: [] }))).toMatchObject({ models: [] });
    for (const allowed of [undefined, null, 5, ["fast", 5], {}, Array.from({ length: 201 }, () => "m")])
      expect(await outcome(authenticator, issuer.token({ allowed }))).toBe(403);
  });

  test("required claims, a required type, and ID tokens where they are asked for", async () => {
    const strict = await create({ requiredClaims: ["jti"], tokenType: "at+jwt" });
    expect(await outcome(strict, issuer.token({ jti: "1" }, { typ: "at+jwt" }))).toMatchObject({ name: "user-1" });
    expect(await outcome(strict, issuer.token({}, { typ: "at+jwt" }))).toBe(401);
    for (const typ of ["JWT", undefined]) expect(await outcome(strict, issuer.token({ jti: "1" }, { typ }))).toBe(401);
    const ids = await create({ idTokens: true });
    for (const claims of [{ nonce: "n", at_hash: "h" }, { typ: "ID" }])
      expect(await outcome(ids, issuer.token(claims))).toMatchObject({ name: "user-1" });
    expect(await outcome(ids, issuer.token({ typ: "Refresh" }))).toBe(401);
  });
});

describe("jwt, verified once", () => {
  test("a token is trusted until its own exp, and not longer by being known", async () => {
    const clock = fakeClock(Date.now());
    const authenticator = await create({ clockToleranceSeconds: 0 }, fakeContext(clock));
    const token = issuer.token({ exp: Math.floor(clock.now() / 1_000) + 100 });
    expect(await outcome(authenticator, token)).toMatchObject({ name: "user-1" });
    clock.advance(98_000);
    expect(await outcome(authenticator, token)).toMatchObject({ name: "user-1" });
    clock.advance(3_000);
    expect(await outcome(authenticator, token)).toBe(401);
  });

  test("a known one answers at once, and asks for its account each time", async () => {
    let account: string | null = "team";
    const context = { ...fakeContext(realClock), accounts: { find: () => account, whyNot: () => "" } };
    const authenticator = await create({ claims: { account: "tenant" } }, context);
    const token = issuer.token({ tenant: "Team" });
    expect(await outcome(authenticator, token)).toMatchObject({ accountId: "team" });
    expect(authenticator.authenticate(token, request)).not.toBeInstanceOf(Promise);
    account = "renamed";
    expect(await outcome(authenticator, token)).toMatchObject({ accountId: "renamed" });
    account = null;
    expect(await outcome(authenticator, token)).toBe(403);
  });

  test("tokens that share their beginning and end are each their own (014)", async () => {
    const authenticator = await create();
    const known = issuer.token({ sub: "a-subject-of-a-known-caller" });
    const [head = "", payload = "", signature = ""] = known.split(".");
    expect(await outcome(authenticator, known)).toMatchObject({ name: "a-subject-of-a-known-caller" });
    for (let at = 1; at < payload.length; at += 7) {
      const changed = payload[at] === "A" ? "B" : "A";
      const forged = `${head}.${payload.slice(0, at)}${changed}${payload.slice(at + 1)}.${signature}`;
      const refused = await outcome(authenticator, forged);
      expect(refused === null || refused === 401).toBe(true);
      expect(await outcome(authenticator, known)).toMatchObject({ name: "a-subject-of-a-known-caller" });
    }
  });

  test("what is known is bounded", async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const authenticator = await create({ jwks: undefined, algorithms: undefined, secret });
    const token = (sub: string) => hmacToken(secret, issuer.claims({ sub }), { alg: "HS256" });
    const first = token("first");
    await outcome(authenticator, first);
    for (let at = 0; at < 10_000; at++) await outcome(authenticator, token(`s${at}`));
    expect(authenticator.authenticate(first, request)).toBeInstanceOf(Promise);
  });

  test("a token in the address is none, known or not", async () => {
    const authenticator = await create();
    const token = issuer.token();
    for (const query of [`?key=${token}`, `?%6bey=${token}`, `?alt=sse&key=${token}`]) {
      const from = new Request(`http://gateway.test/v1beta/models/echo:generateContent${query}`, { method: "POST" });
      expect(await outcome(authenticator, token, from)).toBeNull();
    }
    const from = new Request("http://gateway.test/v1beta/models/echo:generateContent?alt=sse", { method: "POST" });
    expect(await outcome(authenticator, token, from)).toMatchObject({ name: "user-1" });
    expect(await outcome(authenticator, token)).toMatchObject({ name: "user-1" });
  });

  test("a refusal says why in the log of debugging, and nothing of the token", async () => {
    const context = fakeContext(realClock);
    const token = issuer.token({ aud: "other" });
    await outcome(await create({}, context), token);
    expect(context.seen.logged.join("\n")).toContain("aud");
    expect(context.seen.logged.join("\n")).not.toContain(token.slice(-20));
    expect(context.seen.fetched).toEqual([]);
  });
});
