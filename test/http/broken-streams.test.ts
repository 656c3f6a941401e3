import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, dataOf, errorOf, type Reply } from "../support/clients.ts";
import { ask as askIn, endOf, endsIn } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { chunk, completion, frame, frames, newUpstreamId } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { head, json, openStream, resetAfter, sse, stalled, taken, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, withoutUsage } from "../support/spoken.ts";
import type { Exchange, Script } from "../support/upstream.ts";

const idleMs = 500;
const relayed = ["openai-responses", "anthropic-messages", "gemini"] as const;
const setup = await setUp({
  dialects: relayed,
  config: `server: { attempts: { backoffMs: 5 }, timeouts: { idleMs: ${idleMs} } }`,
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

let models = 0;
async function ask(script: Script): Promise<Reply & { exchange: Exchange | undefined }> {
  const model = `broken-${++models}`;
  setup.upstream.on(model, script);
  const reply = await call(setup.gateway, setup.key.key, chat(`mock/${model}`, { stream: true }));
  return { ...reply, exchange: setup.upstream.requestsFor(model)[0] };
}

const failedFree = { status: "upstream_error", source: "none", cost_nano: 0, charge_nano: 0 };

/** Streams that fail after their first byte. */
describe("what came is delivered, then an error event, and no [DONE]", () => {
  const id = () => newUpstreamId();
  const start = (upstreamId: string): string => frames(upstreamId, { text: "one two three" }).slice(0, 4).join("");
  const tracked =
    (make: (upstreamId: string) => Script): Script =>
    (exchange) =>
      make((exchange.upstreamId = id()))(exchange);

  /** Sends the start and gives the proxy time to take it: what comes in the same read as a fault counts for nothing. */
  const started = async (exchange: Exchange, upstreamId: string): Promise<void> => {
    await (await openStream(exchange)).send(start(upstreamId));
    await taken();
  };

  const cuts: Record<string, (upstreamId: string) => Script> = {
    "a reset": (upstreamId) => resetAfter(start(upstreamId)),
    "a reset inside an event": (upstreamId) => resetAfter(`${start(upstreamId)}data: {"id":"half`),
    "a chunk cut short": (upstreamId) => async (exchange) => {
      await started(exchange, upstreamId);
      await exchange.write("ff\r\ndata: {");
      exchange.close();
    },
    "a bad chunk size": (upstreamId) => async (exchange) => {
      await started(exchange, upstreamId);
      await exchange.write("zz\r\n");
      exchange.close();
    },
    "fewer bytes than were announced": (upstreamId) => async (exchange) => {
      await exchange.write(head(200, { "content-type": "text/event-stream", "content-length": "100000" }));
      await exchange.write(start(upstreamId));
      await taken();
      exchange.close();
    },
    "an end without a finish": (upstreamId) => sse(start(upstreamId)),
    "an end without a finish, by closing": (upstreamId) => sse(start(upstreamId), { framing: "close" }),
    silence: (upstreamId) => stalled(start(upstreamId), new Promise(() => {}), ""),
    "an error event": (upstreamId) =>
      sse(`${start(upstreamId)}data: {"error":{"message":"upstream fell over","type":"server_error","code":null}}\n\n`),
    "an error event with its name": (upstreamId) =>
      sse(`${start(upstreamId)}event: error\ndata: {"error":{"message":"upstream fell over"}}\n\n`),
  };
  for (const [what, make] of Object.entries(cuts)) {
    test(what, async () => {
      const reply = await ask(tracked(make));
      expect(reply.status).toBe(200);
      const upstreamId = reply.exchange?.upstreamId ?? "";
      expect(reply.text).toStartWith(start(upstreamId));
      const events = dataOf(reply.text.slice(start(upstreamId).length));
      expect(events).not.toContain("[DONE]");
      const last: unknown = JSON.parse(events.at(-1) ?? "null");
      expect(last).toMatchObject({ error: { message: expect.any(String) } });
      expect(reply.complete).toBe(true);
      const row = usageOf(setup.gateway, reply.callId);
      expect(row).toMatchObject(failedFree);
      if (what === "silence") expect(row.duration_ms).toBeWithin(idleMs, idleMs + 1_500);
      // After the first byte nothing is asked again.
      expect(setup.gateway.sql("select n, billed from v_attempts where call_id = ?", reply.callId)).toEqual([
        { n: 1, billed: 0 },
      ]);
      await reply.exchange?.over;
      // Why the connection ended is told to the operator only.
      const why = new RegExp(`"callId":"${reply.callId}".*"code":.*a provider's answer broke off`);
      if (/reset|chunk|bytes/.test(what)) await until("the line of the log", () => why.test(setup.gateway.log()));
    });
  }

  test("an end with one of several choices half way", async () => {
    const piece = (index: number, delta: object, finish: string | null = null) =>
      frame(chunk("halves", [{ index, delta, finish_reason: finish }]));
    const text = `${piece(0, { content: "whole" })}${piece(1, { content: "ha" })}${piece(0, {}, "stop")}`;
    setup.upstream.on("halves", sse(text));
    const reply = await call(setup.gateway, setup.key.key, chat("mock/halves", { stream: true, n: 2 }));
    expect(reply.text).toStartWith(text);
    expect(JSON.parse(dataOf(reply.text).at(-1) ?? "null")).toMatchObject({ error: { message: expect.any(String) } });
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
  });

  test("usage that was already reported is what it costs", async () => {
    const usage = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };
    const script = tracked((upstreamId) =>
      resetAfter(
        start(upstreamId) +
          frame({ ...chunk(upstreamId, [{ index: 0, delta: { content: "x" }, finish_reason: null }]), usage }),
      ),
    );
    const reply = await ask(script);
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({
      status: "upstream_error",
      source: "provider",
      input_tokens: 100,
      output_tokens: 50,
      cost_nano: 200_000,
    });
  });

  test("an error as the very first event is a failure", async () => {
    const reply = await ask(sse('data: {"error":{"message":"no capacity","type":"server_error"}}\n\n'));
    if (reply.status === 200) expect(dataOf(reply.text).at(-1)).toContain('"error"');
    else {
      expect([502, 503]).toContain(reply.status);
      errorOf(reply.text);
    }
    expect(reply.text).not.toContain("[DONE]");
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
  });

  const hostile: Record<string, string | Uint8Array> = {
    "bytes that are no UTF-8": Buffer.from([
      ...Buffer.from('data: {"a":"'),
      0xff,
      0xfe,
      0x80,
      ...Buffer.from('"}\n\n'),
    ]),
    "data that is no JSON": "data: {bad\n\n",
    "null and an array": "data: null\n\ndata: []\n\n",
    "a comment": ": ping - 2\n\n",
    HTML: "<html><body>\n\n",
    "an unknown event": 'event: surprise\ndata: {"a":1}\n\n',
  };
  for (const [what, between] of Object.entries(hostile)) {
    test(`${what} between good events: the rest still comes, or a terminal error`, async () => {
      const reply = await ask(
        tracked(
          (upstreamId) => (exchange) =>
            sse(
              Buffer.concat(
                [start(upstreamId), between, frames(upstreamId, { text: "x" }).slice(1).join("")].map((part) =>
                  Buffer.from(part),
                ),
              ),
            )(exchange),
        ),
      );
      expect(reply.status).toBe(200);
      expect(dataOf(reply.text).at(-1)).toMatch(/^\[DONE\]$|"error"/);
      expect(usageOf(setup.gateway, reply.callId).status).toBeOneOf(["ok", "upstream_error"]);
    });
  }
});

/** The same in the dialects whose streams end by an event of their own, relayed as they came. */
describe.each(relayed)("%s", (dialect) => {
  const turn = { text: "first and more of it to the end", usage: { input: 100, output: 30 } };
  const all = spokenStream(dialect, turn).split(/(?<=\n\r?\n)/);
  const opening = all.slice(0, all.findIndex((event) => event.includes("first")) + 1).join("");
  const lineEnd = dialect === "gemini" ? "\r\n" : "\n";
  const errors = {
    "openai-responses": { type: "error", sequence_number: 9, code: "server_error", message: "fell over", param: null },
    "anthropic-messages": { type: "error", error: { type: "overloaded_error", message: "fell over" } },
    gemini: { error: { code: 503, message: "fell over", status: "UNAVAILABLE" } },
  };
  const errorEvent = `${dialect === "gemini" ? "" : `event: error${lineEnd}`}data: ${JSON.stringify(errors[dialect])}${lineEnd}${lineEnd}`;

  const scripts: Record<string, Script> = {
    "a reset": resetAfter(opening),
    "a bad chunk size": async (exchange) => {
      await (await openStream(exchange)).send(opening);
      await taken();
      await exchange.write("zz\r\n");
      exchange.close();
    },
    "an end before its end": sse(opening),
    "an end before its end, by closing": sse(opening, { framing: "close" }),
    ...(dialect === "anthropic-messages" && { silence: stalled(opening, new Promise(() => {}), "") }),
    "an error event": sse(opening + errorEvent),
  };
  test.each(Object.keys(scripts))("after %s: what came, one error, and a record that says so", async (what) => {
    const model = `broken-${++models}`;
    setup.upstream.on(model, scripts[what] ?? sse(""));
    const reply = await askIn(setup.gateway, setup.key.key, dialect, {
      model: `mock-${dialect}/${model}`,
      stream: true,
    });
    expect(reply.text).toStartWith(opening);
    expect([reply.complete, endOf(dialect, reply.text), endsIn(dialect, reply.text)]).toEqual([true, "error", 1]);
    const row = usageOf(setup.gateway, reply.callId);
    expect(row).toMatchObject({ status: "upstream_error" });
    // Anthropic tells the input at the start.
    if (row.source !== "provider") expect(row).toMatchObject(failedFree);
    expect(setup.upstream.requestsFor(model)).toHaveLength(1);
  });

  test.each(Object.entries({ "data that is no JSON": "data: {bad", null: "data: null", "a comment": ": ping - 2" }))(
    "%s between good events stops nothing but the stream",
    async (_, line) => {
      const model = `broken-${++models}`;
      setup.upstream.on(
        model,
        sse(
          `${opening}${line}${lineEnd}${lineEnd}${all.slice(all.findIndex((event) => event.includes("first")) + 1).join("")}`,
        ),
      );
      const reply = await askIn(setup.gateway, setup.key.key, dialect, {
        model: `mock-${dialect}/${model}`,
        stream: true,
      });
      const end = endOf(dialect, reply.text);
      expect(end).toBeOneOf(["whole", "error"]);
      expect(usageOf(setup.gateway, reply.callId).status).toBe(end === "whole" ? "ok" : "upstream_error");
    },
  );
});

test.each(["openai-chat", "openai-responses", "anthropic-messages"] as const)(
  "%s: after the last event of an answer without usage only the connection breaks, and the answer is estimated",
  async (dialect) => {
    const answer = withoutUsage(spokenStream(dialect, { text: "all of it", usage: { input: 1, output: 1 } }));
    const scripts: readonly Script[] = [
      resetAfter(answer),
      async (exchange) => {
        await (await openStream(exchange)).send(answer);
        await taken();
        exchange.close();
      },
    ];
    for (const script of scripts) {
      const model = `broken-${++models}`;
      setup.upstream.on(model, script);
      const provider = dialect === "openai-chat" ? "mock" : `mock-${dialect}`;
      const asked = { model: `${provider}/${model}`, stream: true };
      const reply = await askIn(setup.gateway, setup.key.key, dialect, asked);
      expect(reply.text).toBe(answer);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ status: "ok", source: "estimated" });
    }
  },
);

describe("an answer in the other form than was asked for", () => {
  test("a stream for who asked for one piece becomes one; of one that breaks off nothing is left", async () => {
    setup.upstream.on("unasked", (exchange) => {
      exchange.upstreamId = newUpstreamId();
      return sse(frames(exchange.upstreamId, { text: "one two" }, true).join(""))(exchange);
    });
    const one = await call(setup.gateway, setup.key.key, chat("mock/unasked"));
    expect(JSON.parse(one.text)).toMatchObject({ choices: [{ message: { content: "one two" } }] });
    expect(usageOf(setup.gateway, one.callId)).toMatchObject({ status: "ok", source: "provider" });

    // All at once, so that its length is told; whatever type it says that it is.
    for (const type of ["text/event-stream", "text/plain"]) {
      setup.upstream.on("unasked", (exchange) => {
        exchange.upstreamId = newUpstreamId();
        const body = frames(exchange.upstreamId, { text: "one two" }, true).join("");
        return whole(exchange, 200, body, { "content-type": type });
      });
      const at = await call(setup.gateway, setup.key.key, chat("mock/unasked"));
      expect(JSON.parse(at.text)).toMatchObject({ choices: [{ message: { content: "one two" } }] });
      expect(usageOf(setup.gateway, at.callId)).toMatchObject({ status: "ok", source: "provider" });
    }

    setup.upstream.on("unasked", sse("<html>\n\ndata: [\n\ndata: null\n\n"));
    const broken = await call(setup.gateway, setup.key.key, chat("mock/unasked"));
    expect(broken.status).toBe(502);
    errorOf(broken.text);
    expect(usageOf(setup.gateway, broken.callId)).toMatchObject(failedFree);
  });

  test("an error under status 200 is one, whatever was asked for", async () => {
    setup.upstream.on("unasked", json(200, { error: { message: "no capacity", type: "server_error" } }));
    for (const stream of [false, true]) {
      const reply = await call(setup.gateway, setup.key.key, chat("mock/unasked", { stream }));
      expect([reply.status, errorOf(reply.text).message]).toEqual([502, "no capacity"]);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
    }
  });

  test("one piece for who asked for a stream becomes one", async () => {
    setup.upstream.on("unasked", (exchange) => {
      exchange.upstreamId = newUpstreamId();
      const body = JSON.stringify(completion(exchange.upstreamId, { text: "one two" }));
      return whole(exchange, 200, body, { "content-type": "application/json" });
    });
    const reply = await call(setup.gateway, setup.key.key, chat("mock/unasked", { stream: true }));
    expect(reply.headers.get("content-type")).toStartWith("text/event-stream");
    const events = dataOf(reply.text);
    expect(events.at(-1)).toBe("[DONE]");
    expect(events.join("")).toContain("one two");
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ status: "ok", source: "provider" });
  });
});
