import { describe, expect, test } from "bun:test";
import { type Authenticator, GatewayError } from "llm-proxy/plugin";
import jwt from "../../../plugins/auth/jwt.ts";
import { fakeClock, fakeContext, setUp } from "../../contract/context.ts";
import {
  audience,
  discoveryPath,
  type Issuer,
  type IssuerKey,
  jwksPath,
  makeIssuer,
  makeIssuerKey,
} from "../../support/issuer.ts";
import { gate, until } from "../../support/poll.ts";

const minute = 60_000;
const request = new Request("http://gateway.test/v1/chat/completions", { method: "POST" });
const others = [await makeIssuerKey("second"), await makeIssuerKey("third")] as const;

/** The plugin before an issuer that is asked through the context's `fetch` alone, on a clock of its own. */
async function bench(options: object = {}) {
  const clock = fakeClock(Date.now());
  const issuer = await makeIssuer({ now: clock.now });
  await issuer.stop();
  const asked: string[] = [];
  const warned: string[] = [];
  const context = fakeContext(clock);
  const down: Pick<Issuer, "answer"> = { answer: null };
  const fetch = async ({ url, redirect }: Request): Promise<Response> => {
    const path = url.slice(issuer.url.length);
    asked.push(path);
    expect(redirect).toBe("manual");
    if (down.answer) return down.answer(path);
    if (path === discoveryPath) return Response.json({ issuer: issuer.url, jwks_uri: `${issuer.url}${jwksPath}` });
    return Response.json({ keys: issuer.keys.map(({ jwk }) => jwk) });
  };
  const logger = { ...context.logger, warn: (_: object, message = "") => void warned.push(message) };
  const authenticator = await setUp(jwt, { issuer: issuer.url, audience, ...options }, { ...context, fetch, logger });
  const ask = (token: string) => outcome(authenticator, token);
  return { clock, issuer, asked, warned, down, ask, keysAsked: () => asked.filter((path) => path === jwksPath).length };
}

async function outcome(authenticator: Authenticator, token: string): Promise<unknown> {
  try {
    return (await authenticator.authenticate(token, request))?.name ?? null;
  } catch (error) {
    return error instanceof GatewayError ? error.status : error;
  }
}
const fails = () => new Response("no", { status: 500 });

describe("the issuer's keys", () => {
  test("are found by discovery with the first token, not before, and then kept", async () => {
    const { issuer, asked, ask } = await bench();
    expect(asked).toEqual([]);
    for (let call = 0; call < 5; call++) expect(await ask(issuer.token({ sub: `user-${call}` }))).toBe(`user-${call}`);
    expect(asked).toEqual([discoveryPath, jwksPath]);
  });

  test("are read from `jwksUrl` without discovery", async () => {
    const first = await bench();
    const { ask, asked, issuer } = await bench({ issuer: first.issuer.url, jwksUrl: `${first.issuer.url}/certs` });
    expect(await ask(issuer.token({ iss: first.issuer.url }))).toBe("user-1");
    expect(asked).toHaveLength(1);
  });

  test("are asked for once by calls that come together", async () => {
    const { issuer, asked, ask } = await bench();
    const names = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(issuer.token({ sub: `u${at}` }))));
    expect(names).toEqual(Array.from({ length: 50 }, (_, at) => `u${at}`));
    expect(asked).toEqual([discoveryPath, jwksPath]);
  });

  test("cost nothing for a credential of another kind or issuer, or with an algorithm that is not taken", async () => {
    const { issuer, asked, ask } = await bench({ algorithms: ["ES256"] });
    expect(await ask("sk-llmp-0123456789ab-x")).toBeNull();
    expect(await ask(issuer.token({ iss: "https://other.example" }))).toBeNull();
    expect(await ask(issuer.token({}, { typ: "logout+jwt" }))).toBe(401);
    expect(asked).toEqual([]);
  });

  test("048: a thousand made-up key ids in ten seconds ask for them twice at most; good tokens pass all the while", async () => {
    const { clock, issuer, ask, keysAsked } = await bench();
    expect(await ask(issuer.token())).toBe("user-1");
    clock.advance(minute);
    const before = keysAsked();
    for (let at = 0; at < 1_000; at++) {
      expect(await ask(issuer.token({}, { kid: crypto.randomUUID() }))).toBe(401);
      if (at % 100 === 0) expect(await ask(issuer.token({ sub: `user-${at}` }))).toBe(`user-${at}`);
      clock.advance(10);
    }
    expect(keysAsked() - before).toBeLessThanOrEqual(2);
    expect(keysAsked() - before).toBeGreaterThan(0);
  });

  test("049: a new key is taken within 30 s, also while somebody sends made-up ids; the old one is never refused", async () => {
    const { clock, issuer, ask } = await bench();
    const [old] = issuer.keys;
    expect(await ask(issuer.token())).toBe("user-1");
    clock.advance(minute);
    await ask(issuer.token({}, { kid: "made up" }));
    issuer.keys.unshift(others[0]);
    let acceptedMs: number | null = null;
    for (let ms = 0; ms <= 30_000; ms += 100) {
      expect(await ask(issuer.token({ sub: `old-${ms}` }, {}, old))).toBe(`old-${ms}`);
      if (ms % 1_000 === 500) await ask(issuer.token({}, { kid: `made up ${ms}` }));
      if ((await ask(issuer.token({ sub: "new" }))) === "new") acceptedMs ??= ms;
      clock.advance(100);
    }
    expect(acceptedMs).toBeLessThanOrEqual(10_000);
  });

  test("049: a key that the issuer took back is refused after ten minutes, by tokens that were known as well", async () => {
    const { clock, issuer, ask } = await bench({ maxLifetimeSeconds: 7_200 });
    const lives = { exp: Math.floor(clock.now() / 1_000) + 3_600 };
    const known = issuer.token(lives);
    const other = issuer.token({ ...lives, sub: "other" });
    expect(await ask(known)).toBe("user-1");
    issuer.keys.splice(0, 1, others[0]);
    clock.advance(10 * minute);
    expect([await ask(known), await ask(other)]).toEqual([401, 401]);
    expect(await ask(issuer.token(lives))).toBe("user-1");
  });

  test("a key without an id is taken over too", async () => {
    const { clock, issuer, ask } = await bench();
    const bare = ({ jwk: { kid: _, ...jwk }, ...key }: IssuerKey): IssuerKey => ({ ...key, jwk });
    const header = { kid: undefined };
    issuer.keys.splice(0, 1, bare(others[0]));
    expect(await ask(issuer.token({}, header))).toBe("user-1");
    issuer.keys.splice(0, 1, bare(others[1]));
    clock.advance(11_000);
    expect(await ask(issuer.token({ sub: "user-2" }, header))).toBe("user-2");
  });

  test("047: are kept for hours while the issuer fails; what is unknown is refused, and nobody waits", async () => {
    const { clock, issuer, ask, down, keysAsked, warned } = await bench({ maxLifetimeSeconds: 40_000 });
    const lives = { exp: Math.floor(clock.now() / 1_000) + 36_000 };
    expect(await ask(issuer.token(lives))).toBe("user-1");
    down.answer = fails;
    for (let passed = 1; passed <= 14; passed++) {
      clock.advance(17 * minute);
      expect(await ask(issuer.token({ ...lives, sub: `user-${passed}` }))).toBe(`user-${passed}`);
      expect(await ask(issuer.token(lives, {}, others[0]))).toBe(401);
    }
    expect(keysAsked()).toBeLessThan(20);
    expect(warned.length).toBeGreaterThan(10);
    // 14 × 17 minutes are less than the four hours that they may be old.
    clock.advance(3 * minute);
    expect(await ask(issuer.token({ ...lives, sub: "late" }))).toBe(503);
    down.answer = null;
    clock.advance(4_000);
    expect(await ask(issuer.token({ ...lives, sub: "late" }))).toBe("late");
  });

  test("047: a look that hangs holds up nobody who has a known key", async () => {
    const { clock, issuer, ask, down } = await bench();
    expect(await ask(issuer.token())).toBe("user-1");
    const hanging = gate();
    down.answer = async () => {
      await hanging.opened;
      return fails();
    };
    clock.advance(6 * minute);
    for (let at = 0; at < 10; at++) expect(await ask(issuer.token({ sub: `user-${at}` }))).toBe(`user-${at}`);
    hanging.open();
  });

  test("047: nobody waits for an issuer that failed before, however old the keys are by now", async () => {
    const { clock, issuer, ask, down, warned } = await bench();
    expect(await ask(issuer.token())).toBe("user-1");
    down.answer = fails;
    clock.advance(6 * minute);
    expect(await ask(issuer.token())).toBe("user-1");
    await until("the look has failed", () => warned.length > 0);
    down.answer = () => new Promise(() => {});
    clock.advance(20 * minute);
    for (let at = 0; at < 3; at++) expect(await ask(issuer.token({ sub: `user-${at}` }))).toBe(`user-${at}`);
  });

  test("229: while they were never read a token cannot be checked: 503, one look in four seconds, and healed by the next", async () => {
    const { clock, issuer, ask, down, asked } = await bench();
    down.answer = () => Promise.reject(new Error("connection refused"));
    for (let ms = 0; ms < 8_000; ms += 100) {
      expect(await ask(issuer.token())).toBe(503);
      clock.advance(100);
    }
    expect(asked).toEqual([discoveryPath, discoveryPath]);
    down.answer = null;
    let healedMs = 0;
    while ((await ask(issuer.token())) !== "user-1" && healedMs <= 5_000) {
      healedMs += 100;
      clock.advance(100);
    }
    expect(healedMs).toBeLessThanOrEqual(4_000);
  });

  test("a clock that is set back keeps nobody from asking", async () => {
    const { clock, issuer, ask, down } = await bench();
    down.answer = fails;
    expect(await ask(issuer.token())).toBe(503);
    clock.advance(-60 * minute);
    down.answer = null;
    expect(await ask(issuer.token())).toBe("user-1");
  });
});

describe("an answer for the keys that cannot be used", () => {
  const huge = () =>
    new Response(new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(65_536).fill(32)) }));
  const keysOf = (issuer: Issuer) => ({ keys: issuer.keys.map(({ jwk }) => jwk) });
  /** Nothing is wrong but the document. */
  const discovered = (document: (url: string) => object) => (issuer: Issuer) => (path: string) =>
    Response.json(path === discoveryPath ? document(issuer.url) : keysOf(issuer));
  /** Nothing is wrong but the keys. */
  const shown = (keys: unknown) => (issuer: Issuer) => (path: string) =>
    Response.json(path === discoveryPath ? { issuer: issuer.url, jwks_uri: `${issuer.url}${jwksPath}` } : { keys });
  const answers: Readonly<Record<string, (issuer: Issuer) => NonNullable<Issuer["answer"]>>> = {
    "404": () => () => new Response(null, { status: 404 }),
    "a redirect":
      ({ url }) =>
      () =>
        new Response(null, { status: 302, headers: { location: `${url}${jwksPath}` } }),
    HTML: () => () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    "no end": () => huge,
    "more than 512 KiB": discovered((url) => ({
      issuer: url,
      jwks_uri: `${url}${jwksPath}`,
      padding: "x".repeat(512 * 1024),
    })),
    "a list": () => () => Response.json([]),
    "another issuer": discovered((url) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` })),
    "no issuer": discovered((url) => ({ jwks_uri: `${url}/keys` })),
    "no address": discovered((url) => ({ issuer: url })),
    "an address without TLS": discovered((url) => ({ issuer: url, jwks_uri: "http://10.0.0.5/keys" })),
    "an address that is a file": discovered((url) => ({ issuer: url, jwks_uri: "file:///etc/passwd" })),
    "an address that is none": discovered((url) => ({ issuer: url, jwks_uri: ["https://example.com"] })),
    ...Object.fromEntries(
      [
        [],
        [null, 5, "key"],
        [{ kty: "oct", k: "c2VjcmV0", kid: "first" }],
        [{ kty: "RSA", n: 5, e: "AQAB" }],
        {},
        null,
      ].map((keys) => [`keys ${JSON.stringify(keys)}`, shown(keys)]),
    ),
  };

  test.each(Object.keys(answers))("%s: 503, and nothing is taken over", async (name) => {
    const { clock, issuer, ask, down, warned } = await bench();
    down.answer = answers[name]?.(issuer) ?? null;
    expect(await ask(issuer.token())).toBe(503);
    expect(warned).toHaveLength(1);
    clock.advance(5_000);
    down.answer = null;
    expect(await ask(issuer.token())).toBe("user-1");
    clock.advance(6 * minute);
    down.answer = answers[name]?.(issuer) ?? null;
    expect(await ask(issuer.token({ sub: "user-2" }))).toBe("user-2");
    expect(await ask(issuer.token({ sub: "user-3" }))).toBe("user-3");
  });
});
