import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { eachOf } from "../support/poll.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** How many of as many wrong keys got which status. */
async function wrongKeys(
  setup: Setup,
  count: number,
  headersOf: (at: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<Readonly<Record<number, number>>> {
  const statuses: Record<number, number> = {};
  const calls = Array.from({ length: count }, (_, at) => at);
  await eachOf(calls, 20, async (at) => {
    const { status } = await call(setup.gateway, `sk-wrong-${at}`, chat("echo"), { headers: headersOf(at) });
    statuses[status] = (statuses[status] ?? 0) + 1;
  });
  return statuses;
}
const spoofed = (at: number) => ({
  "x-forwarded-for": `203.0.113.${at % 250}`,
  forwarded: `for=203.0.113.${at % 250}`,
  "x-real-ip": `203.0.113.${at % 250}`,
  "cf-connecting-ip": `203.0.113.${at % 250}`,
});

describe("without a trusted proxy", () => {
  let setup: Setup;
  beforeAll(async () => void (setup = await setUp()));
  afterAll(() => setup.stop());

  test("1,000 wrong keys in a row, whatever their headers say, are one address: 401, then 429", async () => {
    const statuses = await wrongKeys(setup, 1_000, spoofed);
    expect(Object.keys(statuses)).toEqual(["401", "429"]);
    // 100 a minute, and what came free meanwhile.
    expect(statuses[401]).toBeWithin(100, 150);
  }, 30_000);

  test("a refusal names nothing of the key, and SDKs need not try again", async () => {
    const { status, headers, text } = await call(setup.gateway, "sk-wrong", chat("echo"));
    expect([status, headers.get("x-should-retry")]).toEqual([429, "false"]);
    expect(Number(headers.get("retry-after"))).toBeWithin(1, 61);
    expect(JSON.parse(text).error).toMatchObject({
      type: "rate_limit_error",
      details: { scope: { kind: "ip", id: "127.0.0.1" }, limit: 100, needed: 1 },
    });
    const models = await setup.gateway.get("/v1/models", { authorization: "Bearer sk-wrong" });
    expect(models?.status).toBe(429);
  });

  test("a good key works from the same address, in every dialect", async () => {
    for (const dialect of ["openai-chat", "anthropic-messages", "gemini", "openai-responses"] as const)
      expect((await ask(setup.gateway, setup.key.key, dialect, { model: "echo" })).status).toBe(200);
  });

  test("wrong tokens of the admin API count on the same address, and the right one works", async () => {
    // Meanwhile some came free again: 0.6 s each.
    await wrongKeys(setup, 60, () => ({}));
    const tries = await Promise.all(
      Array.from({ length: 10 }, () => setup.gateway.get("/api/keys", { authorization: "Bearer wrong" })),
    );
    expect(tries.map((wrong) => [wrong?.status, wrong?.headers.get("x-should-retry")])).toContainEqual([429, "false"]);
    await setup.gateway.admin("GET", "/api/keys");
  });

  test("none of it is a row", () => {
    expect(setup.gateway.sql("SELECT count(*) AS n FROM v_usage WHERE status = 'refused'")).toEqual([{ n: 0 }]);
  });
});

describe("behind a trusted proxy", () => {
  let setup: Setup;
  beforeAll(async () => {
    const config = 'server: { trustedProxies: ["127.0.0.1"] }\nlimits: [{ scope: { kind: ip }, requestsPerMinute: 5 }]';
    setup = await setUp({ config });
  });
  afterAll(() => setup.stop());

  test("the right-most address that is no proxy counts, whatever the client wrote left of it", async () => {
    const first = await wrongKeys(setup, 20, (at) => ({ "x-forwarded-for": `10.0.0.${at}, 198.51.100.1` }));
    expect(first).toEqual({ 401: 5, 429: 15 });
    expect(await wrongKeys(setup, 5, () => ({ "x-forwarded-for": "198.51.100.2" }))).toEqual({ 401: 5 });
  });

  test("an IPv6 network of 64 bits is one address", async () => {
    const statuses = await wrongKeys(setup, 20, (at) => ({ "x-forwarded-for": `2001:db8:1:2::${at.toString(16)}` }));
    expect(statuses).toEqual({ 401: 5, 429: 15 });
    const others = await wrongKeys(setup, 5, (at) => ({ "x-forwarded-for": `2001:db8:1:${at + 3}::1` }));
    expect(others).toEqual({ 401: 5 });
  });

  test("a key for some networks sees the client's own address", async () => {
    const { key } = await setup.gateway.admin<{ key: string }>("POST", "/api/keys", {
      name: "far",
      cidrs: ["198.51.100.0/24"],
    });
    const from = async (address: string) =>
      (await call(setup.gateway, key, chat("echo"), { headers: { "x-forwarded-for": address } })).status;
    expect(await from("198.51.100.9")).toBe(200);
    expect(await from("198.51.101.9")).toBe(401);
  });
});
