import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import type { Reply } from "../support/clients.ts";
import { ask, endOf, endsIn, messageOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { gate } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { json, openStream, sse, stalled, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Exchange, Script } from "../support/upstream.ts";

/** Broken answers of a provider of another dialect than the client's: the client is told in its own. */

const spoken = [...dialects.keys()];
const setup = await setUp({
  dialects: spoken,
  config: "server: { timeouts: { firstByteMs: 1500, idleMs: 1500 } }",
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const turn: Turn = { text: "first and more of it to the end", usage: { input: 100, cached: 40, output: 30 } };
let models = 0;

async function answerTo(
  client: DialectName,
  target: DialectName,
  script: Script,
  stream = true,
  onPiece: (soFar: string) => void = () => {},
): Promise<Reply> {
  const model = `broken-${++models}`;
  setup.upstream.on(model, script);
  return ask(setup.gateway, setup.key.key, client, { model: `mock-${target}/${model}`, stream }, { onPiece });
}

/** Sends `text`, and breaks when the client has `seen` it: what comes in the same read as a fault counts for nothing. */
const brokenAfter =
  (text: string, seen: Promise<void>, breaks: (exchange: Exchange) => void | Promise<void>): Script =>
  async (exchange) => {
    await (await openStream(exchange)).send(text);
    await seen;
    await breaks(exchange);
  };

/** The first frames of an answer, up to some of its text, without its end. */
function opening(target: DialectName): string {
  const frames = spokenStream(target, turn).split(/(?<=\n\r?\n)/);
  const at = frames.findIndex((frame) => frame.includes("first"));
  if (at < 0) throw new Error("no frame with text");
  return frames.slice(0, at + 1).join("");
}

const errorEvents: Readonly<Record<DialectName, string>> = {
  "openai-chat": 'data: {"error":{"message":"fell over at last","type":"server_error","code":null}}\n\n',
  "openai-responses":
    'event: error\ndata: {"type":"error","sequence_number":9,"code":"server_error","message":"fell over at last","param":null}\n\n',
  "anthropic-messages":
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"fell over at last"}}\n\n',
  gemini: 'data: {"error":{"code":503,"message":"fell over at last","status":"UNAVAILABLE"}}\r\n\r\n',
};

const free = { status: "upstream_error", source: "none", cost_nano: 0 };

const pairs = spoken.flatMap((client) =>
  spoken.filter((target) => target !== client).map((target) => [client, target] as const),
);

describe.each(pairs)("%s → %s", (client, target) => {
  const broken: Record<string, (seen: Promise<void>) => Script> = {
    "a reset": (seen) => brokenAfter(opening(target), seen, (exchange) => exchange.reset()),
    "a reset inside an event": (seen) =>
      brokenAfter(`${opening(target)}data: {"id":"half`, seen, (exchange) => exchange.reset()),
    "a bad chunk": (seen) =>
      brokenAfter(opening(target), seen, async (exchange) => {
        await exchange.write("zz\r\n");
        exchange.close();
      }),
    "an end before its end": () => sse(opening(target)),
    "data that is no JSON": () => sse(`${opening(target)}data: {bad\n\n${spokenStream(target, turn)}`),
    "a list": () => sse(`${opening(target)}data: []\n\n${spokenStream(target, turn)}`),
    "an event larger than any": () => sse(`${opening(target)}data: ${"x".repeat(5_000_000)}\n\n`),
    "bytes that are no UTF-8": () =>
      sse(
        Buffer.concat([
          Buffer.from(`${opening(target)}data: {"`),
          Buffer.from([0xff, 0xfe, 0x80]),
          Buffer.from("\n\n"),
        ]),
      ),
    "an error event": () => sse(`${opening(target)}${errorEvents[target]}`),
    "an error event, and more behind it": () =>
      sse(`${opening(target)}${errorEvents[target]}${spokenStream(target, turn)}`),
    silence: () => stalled(opening(target), new Promise(() => {}), ""),
  };

  test.each(Object.keys(broken))("after %s: what came, one error, and nothing more", async (what) => {
    const seen = gate();
    const script = broken[what]?.(seen.opened) ?? sse("");
    const reply = await answerTo(client, target, script, true, (soFar) => soFar.includes("first") && seen.open());
    expect(reply.status).toBe(200);
    expect(reply.text).toContain("first");
    expect(endOf(client, reply.text)).toBe("error");
    expect(endsIn(client, reply.text)).toBe(1);
    if (what.startsWith("an error event")) expect(reply.text).toContain("fell over at last");
    expect(reply.complete).toBe(true);
    const row = usageOf(setup.gateway, reply.callId);
    expect(row).toMatchObject({ status: "upstream_error" });
    // Usage that the vendor told on the way counts as told.
    if (row.source !== "provider") expect(row).toMatchObject(free);
  });

  test("an error before anything was said is an error answer", async () => {
    const reply = await answerTo(client, target, sse(errorEvents[target]));
    expect(reply.status).toBe(502);
    expect(messageOf(client, reply.text)).toBe("fell over at last");
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject(free);
  });

  test.each([
    ["nothing", sse("")],
    ["nothing but comments", sse(": one\n\n: two\n\n")],
    ["a page", (exchange) => whole(exchange, 200, "<html>busy</html>", { "content-type": "text/html" })],
    ["JSON of another kind", json(200, { hello: 1 })],
    ["a status of its own", json(500, { error: { message: "inner words", type: "x" } })],
  ] as readonly (readonly [string, Script])[])("%s is a 502 in the client's words", async (_, script) => {
    for (const stream of [true, false]) {
      const reply = await answerTo(client, target, script, stream);
      expect(reply.status).toBe(502);
      expect(messageOf(client, reply.text)).not.toBe("");
      expect(reply.text).not.toContain("inner words");
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject(free);
    }
  });

  test("what the request is refused for keeps its status and words; our credential's trouble is ours", async () => {
    const vendor = (status: number) =>
      json(status, JSON.parse(/data: (.*)/.exec(errorEvents[target])?.[1] ?? "{}"), { "retry-after": "7" });
    for (const status of [400, 404, 413, 422, 429]) {
      const reply = await answerTo(client, target, vendor(status), false);
      expect(reply.status).toBe(status);
      expect(messageOf(client, reply.text)).toBe("fell over at last");
      if (status === 429) expect(reply.headers.get("retry-after")).toBe("7");
    }
    for (const [status, answered] of [
      [401, 502],
      [403, 502],
      [503, 503],
      [529, 503],
      [504, 504],
    ] as const)
      expect((await answerTo(client, target, vendor(status), false)).status).toBe(answered);
  });

  test("a whole answer to a call that streams, and a stream to one that does not", async () => {
    const replayed = await answerTo(client, target, json(200, spokenWhole(target, turn)));
    expect(replayed.text).toContain("more");
    expect(endOf(client, replayed.text)).toBe("whole");
    expect(endsIn(client, replayed.text)).toBe(1);
    const collected = await answerTo(client, target, sse(spokenStream(target, turn)), false);
    expect(collected.headers.get("content-type")).toStartWith("application/json");
    expect(collected.text).toContain("first and more of it to the end");
    for (const { callId } of [replayed, collected])
      expect(usageOf(setup.gateway, callId)).toMatchObject({
        status: "ok",
        source: "provider",
        input_tokens: 100,
        cache_read_tokens: 40,
        output_tokens: 30,
      });
  });
});
