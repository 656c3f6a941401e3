import { describe, expect, test } from "bun:test";
import { GatewayError, type Authenticator, type Principal } from "llm-proxy/plugin";
import { authenticate, credentialOf } from "../../core/pipeline/authenticate.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { openCall } from "../../core/pipeline/call.ts";
import { aPrincipal } from "../contract/samples.ts";
import { benches, chat, chatRequest } from "./bench.ts";

const newBench = benches();
const key = "sk-llmp-abc";

describe("the credential of a request", () => {
  test.each([
    ["a bearer", { authorization: `Bearer ${key}` }],
    ["the scheme in small letters", { authorization: `bearer ${key}` }],
    ["the scheme in capitals", { authorization: `BEARER ${key}` }],
    ["two spaces", { authorization: `Bearer  ${key}` }],
    ["Anthropic's header", { "x-api-key": key }],
    ["Azure's header", { "api-key": key }],
    ["Google's header", { "x-goog-api-key": key }],
    ["the same in two headers", { authorization: `Bearer ${key}`, "x-api-key": key }],
    [
      "the same in all of them",
      { authorization: `Bearer ${key}`, "x-api-key": key, "api-key": key, "x-goog-api-key": key },
    ],
    ["an empty one beside it", { authorization: `Bearer ${key}`, "x-api-key": "" }],
  ])("is found: %s", (_, headers) => expect(credentialOf(new Headers(headers))).toBe(key));

  test.each([
    ["nothing", {}],
    ["empty headers", { "x-api-key": "", "api-key": "" }],
    ["another header", { "x-auth-token": key }],
    ["a cookie", { cookie: `key=${key}` }],
  ])("is none: %s", (_, headers) => expect(credentialOf(new Headers(headers))).toBeNull());

  test.each([
    ["no scheme", { authorization: key }],
    ["Basic", { authorization: "Basic YWRtaW46YWRtaW4=" }],
    ["Token", { authorization: `Token ${key}` }],
    ["a scheme alone", { authorization: "Bearer" }],
    ["a scheme and a space", { authorization: "Bearer " }],
    ["a tab for the space", { authorization: `Bearer\t${key}` }],
    ["two words", { authorization: `Bearer ${key} more` }],
    ["two lines in one, as a server joins them", { authorization: `Bearer ${key}, Bearer other` }],
    ["an empty line", { authorization: "" }],
    ["two different ones", { authorization: `Bearer ${key}`, "x-api-key": "other" }],
    ["two different ones, the good one second", { "x-api-key": "other", "api-key": key }],
    ["the same but for a letter's case", { "x-api-key": key, "api-key": key.toUpperCase() }],
  ])("is refused: %s", (_, headers) => {
    const refusal = caught(() => credentialOf(new Headers(headers)));
    expect(refusal).toMatchObject({ kind: "unauthenticated", status: 401 });
    expect(String(refusal)).not.toContain(key);
  });

  test("one from elsewhere than a header counts like them", () => {
    const bearer = new Headers({ authorization: `Bearer ${key}` });
    expect(credentialOf(new Headers(), [key])).toBe(key);
    expect(credentialOf(bearer, [key])).toBe(key);
    expect(credentialOf(bearer, [""])).toBe(key);
    for (const [headers, others] of [
      [bearer, ["other"]],
      [new Headers(), [key, "other"]],
    ] as const)
      expect(() => credentialOf(headers, others)).toThrow("more than one API key given");
  });

  test.each([
    ["a trailing no-break space", `${key}\u00a0`],
    ["percent-encoding", encodeURIComponent(`${key}=`)],
    ["one letter less", key.slice(0, -1)],
  ])("is never mended: %s stays as it came, or is refused", (_, changed) => {
    for (const headers of [{ authorization: `Bearer ${changed}` }, { "x-api-key": changed }]) {
      const found = caught(() => credentialOf(new Headers(headers))) ?? credentialOf(new Headers(headers));
      expect(found).not.toBe(key);
    }
  });
});

describe("who calls", () => {
  const nobody: Authenticator = { authenticate: () => null };
  const somebody = (name: string): Authenticator => ({ authenticate: () => aPrincipal({ name }) });
  const refuses: Authenticator = {
    authenticate: () => {
      throw new GatewayError("unauthenticated", "expired");
    },
  };

  async function outcome(...slots: Authenticator[]): Promise<Principal | GatewayError> {
    const { services } = await newBench({ auth: slots.map((slot, at) => ({ name: `auth-${at}`, slot })) });
    try {
      return await authenticate(chatRequest(), openCall(null, chat, services), services);
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  }

  test("the first instance that knows the credential says so", async () => {
    expect(await outcome(nobody, somebody("second"), somebody("third"))).toMatchObject({ name: "second" });
  });

  test("who has no key is told with the instance that knows it, whatever the plugin says itself", async () => {
    const principal = aPrincipal({
      keyId: null,
      name: "alice",
      auth: "made up",
      operations: ["chat"],
      labels: { team: "red" },
    });
    expect(await outcome(nobody, { authenticate: () => principal })).toEqual({ ...principal, auth: "auth-1" });
    expect(principal.auth).toBe("made up");
    expect(await outcome({ authenticate: () => aPrincipal({ keyId: "k" }) })).toEqual(aPrincipal({ keyId: "k" }));
  });

  test("the address may carry the credential on Gemini's paths, and on no other", async () => {
    const seen: string[] = [];
    const authenticator: Authenticator = { authenticate: (found) => (seen.push(found), aPrincipal()) };
    const { services } = await newBench({ auth: [{ name: "auth", slot: authenticator }] });
    const outcomeOf = (dialect: Dialect, query: string) =>
      Promise.try(() =>
        authenticate(
          new Request(`http://gateway.test/any${query}`),
          openCall(null, { ...chat, dialect }, services),
          services,
        ),
      ).catch((error: unknown) => String(error));
    const gemini: Dialect = { ...chat.dialect, name: "gemini" };
    await outcomeOf(gemini, `?alt=sse&key=${key}`);
    expect(seen).toEqual([key]);
    expect(await outcomeOf(chat.dialect, `?key=${key}`)).toContain("no API key given");
    expect(await outcomeOf(gemini, `?key=${key}&key=other`)).toContain("more than one API key given");
    expect(await outcomeOf(gemini, "?key=")).toContain("no API key given");
  });

  test("one that knows it and refuses it has the last word", async () => {
    expect(await outcome(nobody, refuses, somebody("third"))).toMatchObject({
      kind: "unauthenticated",
      message: "expired",
    });
  });

  test("one that nobody knows is refused, and so is everything where there is no instance", async () => {
    for (const slots of [[nobody, nobody], []])
      expect(await outcome(...slots)).toMatchObject({ kind: "unauthenticated", message: "invalid API key" });
  });

  test("one that fails refuses: the next is not asked instead", async () => {
    const fails: Authenticator = { authenticate: () => Promise.reject(new Error("no database")) };
    expect(await outcome(fails, somebody("second"))).toMatchObject({ kind: "unavailable", status: 503 });
  });

  test.each([
    ["undefined", undefined],
    ["true", true],
    ["a word", "admin"],
    ["an empty object", {}],
    ["a list", []],
    ["no account", { ...aPrincipal(), accountId: undefined }],
    ["an account that is no text", { ...aPrincipal(), accountId: 5 }],
    ["no word on its key", { ...aPrincipal(), keyId: undefined }],
    ["a key that is no text", { ...aPrincipal(), keyId: 5 }],
    ["a name without end", { ...aPrincipal(), name: "x".repeat(256) }],
    ["no models", { ...aPrincipal(), models: undefined }],
    ["a model that is no text", { ...aPrincipal(), models: [null] }],
    ["an operation that is no text", { ...aPrincipal(), operations: [5] }],
    ["a route that is no text", { ...aPrincipal(), routes: [5] }],
    ["no limits", { ...aPrincipal(), limits: null }],
    ["a limit that is not a number", { ...aPrincipal(), limits: { tokensPerMinute: Number.NaN } }],
    ["a limit in words", { ...aPrincipal(), limits: { usdPerDay: "abc" } }],
    ["a limit in USD without end", { ...aPrincipal(), limits: { usdPerDay: Infinity } }],
    ["a limit of nothing", { ...aPrincipal(), limits: { concurrency: 0 } }],
    ["a limit that is null", { ...aPrincipal(), limits: { requestsPerDay: null } }],
    ["half a call", { ...aPrincipal(), limits: { requestsPerMinute: 5, requestsPerDay: 0.5 } }],
    ["a limit as a text", { ...aPrincipal(), limits: { requestsPerMinute: "60" } }],
    ["a limit by a name that is none", { ...aPrincipal(), limits: { requestPerMinute: 1 } }],
    ["a limit by a name that every object has", { ...aPrincipal(), limits: { toString: 1 } }],
    ["limits that are a list", { ...aPrincipal(), limits: [5] }],
    ["labels that are a list", { ...aPrincipal(), labels: ["a"] }],
    ["nine labels", { ...aPrincipal(), labels: Object.fromEntries([..."abcdefghi"].map((name) => [name, "x"])) }],
    ["a label without end", { ...aPrincipal(), labels: { team: "x".repeat(101) } }],
    ["a label that is no text", { ...aPrincipal(), labels: { team: 5 } }],
    ["a label whose name is none", { ...aPrincipal(), labels: { "a b": "x" } }],
  ])("an instance that answers with %s says nothing: 401", async (_, answer) => {
    // What a plugin in JavaScript may do.
    expect(await outcome({ authenticate: () => answer as never })).toMatchObject({ kind: "unauthenticated" });
  });

  test("what a plugin tells amiss names the plugin in the log, without what it told", async () => {
    const slot: Authenticator = { authenticate: () => aPrincipal({ name: "alice", limits: { concurrency: 0.5 } }) };
    const { services, logged } = await newBench({ auth: [{ name: "staff", slot }] });
    await Promise.try(() => authenticate(chatRequest(), openCall(null, chat, services), services)).catch(() => {});
    expect(logged.map((line) => JSON.parse(line))).toEqual([
      {
        level: "error",
        plugin: "auth/staff",
        why: "its limits are no limits by their names, each an amount above 0",
        message: "a plugin told no whole principal; the call is refused",
      },
    ]);
  });

  test("limits of every kind are believed, and one that is left open is none", async () => {
    const limits = { requestsPerSecond: 1, tokensPerDay: 5e12, usdPerHour: "0.000000001", usdPerDay: 0.25 };
    const answer = { ...aPrincipal(), limits: { ...limits, concurrency: undefined } };
    expect(await outcome({ authenticate: () => answer as never })).toEqual(answer as never);
  });
});

function caught(work: () => unknown): unknown {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
}
