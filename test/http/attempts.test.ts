import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frame } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { json, reset, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Exchange, Script } from "../support/upstream.ts";

/** Retries of one target, by a provider that fails as told: first in order, then the last of them for ever. */

const setup = await setUp({
  config: "server: { attempts: { max: 4, backoffMs: 20, maxWaitMs: 1500, retryShare: 1 } }",
});
const { gateway, upstream, key } = setup;
// What the calls of a quiet minute save up for retries.
await Promise.all(Array.from({ length: 80 }, () => call(gateway, key.key, chat("echo"))));
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

let models = 0;
async function ask(scripts: readonly Script[], more: Readonly<Record<string, unknown>> = {}) {
  const model = `try-${++models}`;
  const times: number[] = [];
  upstream.on(model, (exchange) => {
    times.push(performance.now());
    return (scripts[times.length - 1] ?? scripts.at(-1) ?? reset)(exchange);
  });
  const reply = await call(gateway, key.key, chat(`mock/${model}`, more));
  return { ...reply, times, row: usageOf(gateway, reply.callId) };
}

const failing = (status: number, headers: Readonly<Record<string, string>> = {}): Script =>
  json(status, { error: { message: "not now", type: "server_error" } }, headers);
const faultEvent: Script = (exchange: Exchange) => {
  exchange.upstreamId = null;
  return sse(frame({ error: { message: "overloaded", type: "overloaded_error" } }))(exchange);
};

describe("a target that fails before its answer begins", () => {
  for (const stream of [false, true])
    test(`500, 500, 200${stream ? ", streamed" : ""}: one record, three attempts, the last one billed`, async () => {
      const { status, headers, callId, row } = await ask([failing(500), failing(500), answers()], { stream });
      expect(status).toBe(200);
      expect(headers.get("x-llm-proxy-attempts")).toBe("3");
      expect(row).toMatchObject({ status: "ok", source: "provider" });
      const rows = gateway.sql("select n, status, billed from v_attempts where call_id = ? order by n", callId);
      expect(rows).toEqual([
        { n: 1, status: 500, billed: 0 },
        { n: 2, status: 500, billed: 0 },
        { n: 3, status: 200, billed: 1 },
      ]);
    });

  for (const status of [429, 500, 502, 503, 504, 529])
    test(`${status} is asked again until the attempts are used up`, async () => {
      const { times, row } = await ask([failing(status)]);
      expect(times).toHaveLength(4);
      expect(row).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
    });

  test("an error as the first event of a 200 counts as one", async () => {
    const { times, text } = await ask([faultEvent, answers()], { stream: true });
    expect(times).toHaveLength(2);
    expect(text).toContain("[DONE]");
    expect(text).not.toContain("overloaded");
  });

  test("such an event that nothing follows is the client's to see", async () => {
    const { times, text, row } = await ask([faultEvent], { stream: true });
    expect(times).toHaveLength(4);
    expect(text).toContain("overloaded");
    expect(row).toMatchObject({ status: "upstream_error" });
  });

  for (const status of [400, 401, 403, 404, 409, 413, 422])
    test(`${status} is not asked again`, async () => {
      const { times } = await ask([failing(status)]);
      expect(times).toHaveLength(1);
    });

  test("a reset after the request was sent is not posted again", async () => {
    const { times, status } = await ask([reset]);
    expect([times.length, status]).toEqual([1, 502]);
  });

  test("a quota that is used up, or a provider that says so itself, is not asked again", async () => {
    const spent = json(429, { error: { message: "spent", type: "insufficient_quota", code: "insufficient_quota" } });
    expect((await ask([spent])).times).toHaveLength(1);
    expect((await ask([failing(503, { "x-should-retry": "false" })])).times).toHaveLength(1);
  });
});

describe("what a provider asks to wait", () => {
  const gapAfter = async (headers: Readonly<Record<string, string>>): Promise<number | null> => {
    const { times } = await ask([failing(429, headers), answers()]);
    const [first, second] = times;
    return first === undefined || second === undefined ? null : second - first;
  };

  test("is waited, in seconds, in milliseconds or until a date", async () => {
    expect(await gapAfter({ "retry-after": "1" })).toBeWithin(995, 1_500);
    expect(await gapAfter({ "retry-after-ms": "300", "retry-after": "9" })).toBeWithin(295, 900);
    const date = new Date(Date.now() + 1_400).toUTCString();
    expect(await gapAfter({ "retry-after": date })).toBeLessThan(1_600);
  });

  test("is told to the client when it is longer than a call waits", async () => {
    const { times, status, headers } = await ask([failing(429, { "retry-after": "60" })]);
    expect([times.length, status, headers.get("retry-after")]).toEqual([1, 429, "60"]);
  });

  for (const advice of ["1e9", "-1", "x", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
    test(`"${advice}" is no advice`, async () => {
      expect(await gapAfter({ "retry-after": advice })).toBeLessThan(600);
    });
});

describe("a client that leaves between two attempts", () => {
  test("is not tried for any more, and holds nothing any longer", async () => {
    const model = `try-${++models}`;
    upstream.on(model, failing(429, { "retry-after": "1" }));
    const leaving = new AbortController();
    const asked = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify(chat(`mock/${model}`)),
      signal: leaving.signal,
    }).catch(() => "left");
    await until("the first attempt has failed", () => upstream.requestsFor(model)[0]?.finished === true);
    leaving.abort();
    expect(await asked).toBe("left");
    await invariants(setup);
    expect(upstream.requestsFor(model)).toHaveLength(1);
    const [row] = gateway.sql<{ status: string; duration_ms: number }>(
      "select status, source, charge_nano, duration_ms from v_usage where model = ?",
      `mock/${model}`,
    );
    // All that was sent was refused: nobody bills that.
    expect(row).toMatchObject({ status: "client_aborted", source: "none", charge_nano: 0 });
    expect(gateway.sql("select billed from v_attempts where upstream_model = ?", model)).toEqual([{ billed: 0 }]);
    expect(row?.duration_ms).toBeLessThan(900);
  });
});

test("an error in the shape of the caller's protocol, whatever was tried", async () => {
  const { text, status } = await ask([failing(503)]);
  expect(status).toBe(503);
  expect(errorOf(text).message).toContain("overloaded");
});
