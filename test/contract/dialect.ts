import { describe, expect, test } from "bun:test";
import { Collector } from "../../core/chat/collect.ts";
import { type ErrorKind, GatewayError, statusOf } from "../../core/chat/error.ts";
import type { ChatEvent } from "../../core/chat/event.ts";
import type { Json, JsonObject } from "../../core/chat/json.ts";
import type { Part } from "../../core/chat/request.ts";
import type { ChatResponse } from "../../core/chat/response.ts";
import type { Dialect, ErrorBody, InPath, Metered } from "../../core/dialects/dialect.ts";
import { SseSplitter } from "../../core/dialects/sse.ts";

/** Examples of the protocol, by name. */
export interface DialectFixtures {
  readonly requests: ReadonlyMap<string, JsonObject>;
  /** Requests the protocol does not allow, with the `param` that the error names. */
  readonly refused: readonly {
    readonly name: string;
    readonly body: JsonObject;
    readonly param: string;
    /** Instead of that of the requests. */
    readonly path?: InPath;
  }[];
  /** What the path of the requests says, in a protocol that has it there. */
  readonly path?: InPath;
  readonly responses: ReadonlyMap<string, JsonObject>;
  /** SSE text of whole, faultless answers, each with its own end. */
  readonly streams: ReadonlyMap<string, string>;
  /** Bodies that mean the same have equal normal forms. */
  normalRequest(body: JsonObject): Json;
  normalResponse(body: JsonObject): Json;
}

/** What every dialect promises. A dialect's own tests add what is special to it. */
export function testDialect(dialect: Dialect, fixtures: DialectFixtures): void {
  describe(`dialect ${dialect.name}`, () => {
    describe("requests", () => {
      for (const [name, body] of fixtures.requests) {
        test(`${name}: decoded and encoded again means the same`, () => {
          const request = dialect.decodeRequest(body, fixtures.path);
          const again = dialect.encodeRequest(request, request.model);
          expect(fixtures.normalRequest(again.body)).toEqual(fixtures.normalRequest(body));
          expect(again.warnings).toEqual([]);
        });
        test(`${name}: the envelope agrees with the request`, () => {
          const bytes = new TextEncoder().encode(JSON.stringify(body)).length;
          const envelope = dialect.readEnvelope(body, bytes, fixtures.path);
          const { model, stream, maxOutputTokens, candidates } = dialect.decodeRequest(body, fixtures.path);
          expect(envelope).toMatchObject({ model, stream, maxOutputTokens, candidates });
          expect(envelope.input.textBytes).toBeLessThanOrEqual(bytes);
        });
        test(`${name}: the relay splices the model and nothing else`, () => {
          const source = JSON.stringify(body, null, 1);
          const edit = { includeUsage: false, maxOutputTokens: null, maxOutputTokensField: "max_completion_tokens" };
          const edited = dialect.relay.editRequest(source, { ...edit, model: "other/model" });
          const { model } = dialect.decodeRequest(body, fixtures.path);
          expect(edited).toBe(source.replace(`"model": ${JSON.stringify(model)}`, `"model": "other/model"`));
          expect(dialect.relay.editRequest(source, { ...edit, model })).toBe(source);
        });
      }
      for (const { name, body, param, path = fixtures.path } of fixtures.refused) {
        test(`refused: ${name}`, () => {
          const error = thrown(() => dialect.readEnvelope(body, 1_000, path));
          expect(error).toMatchObject({ kind: "invalid-request", details: { param } });
        });
      }
    });

    describe("responses", () => {
      for (const [name, body] of fixtures.responses) {
        test(`${name}: decoded and encoded again means the same`, () => {
          const again = dialect.encodeResponse(dialect.decodeResponse(body));
          expect(fixtures.normalResponse(again)).toEqual(fixtures.normalResponse(body));
        });
        test(`${name}: the meter reads what the decoder reads`, () => {
          const metered = dialect.relay.meterResponse(body);
          expect(metered.usage).toEqual(dialect.decodeResponse(body).usage);
          expect(metered).toMatchObject({ complete: true, fault: null });
          expect(metered.contentBytes).toBeGreaterThan(0);
        });
      }
      test("what is no answer is the provider's fault", () => {
        expect(thrown(() => dialect.decodeResponse({}))).toMatchObject({ kind: "upstream-invalid" });
      });
    });

    describe("streams", () => {
      for (const [name, sse] of fixtures.streams) {
        const whole = decodeSse(dialect, [bytesOf(sse)]);
        test(`${name}: keeps the grammar and comes to its end`, () => {
          expect(whole.complete).toBe(true);
          expect(whole.response.candidates.length).toBeGreaterThan(0);
        });
        test(`${name}: the meter reads what the decoder reads, and passes every frame`, () => {
          const { metered, hidden } = meterSse(dialect, [bytesOf(sse)]);
          expect(metered.usage).toEqual(whole.response.usage);
          expect(metered).toMatchObject({ complete: true, fault: null });
          expect(metered.contentBytes).toBe(contentBytes(whole.response));
          expect(hidden).toBe(0);
        });
        test(`${name}: cut at any byte it is the same`, () => {
          const bytes = bytesOf(sse);
          const { metered } = meterSse(dialect, [bytes]);
          for (let cut = 0; cut <= bytes.length; cut++) {
            const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)];
            expect(decodeSse(dialect, chunks).response).toEqual(whole.response);
            expect(meterSse(dialect, chunks).metered).toEqual(metered);
          }
        });
        test(`${name}: with any line ends it is the same`, () => {
          for (const lineEnd of ["\r\n", "\r"]) {
            const other = bytesOf(sse.replaceAll(/\r?\n/g, lineEnd));
            expect(decodeSse(dialect, [other]).response).toEqual(whole.response);
            expect(meterSse(dialect, [other]).metered).toEqual(meterSse(dialect, [bytesOf(sse)]).metered);
          }
        });
        test(`${name}: an event that nobody knows yet changes nothing`, () => {
          const frames = new SseSplitter().push(bytesOf(sse)).map(({ bytes }) => bytes);
          const unknown = bytesOf('event: brand_new\ndata: {"type":"brand_new","brand_new":{"a":[1]}}\n\n');
          const said = ({ response: { extensions: _extensions, ...response } }: { response: ChatResponse }) => response;
          for (let at = 1; at < frames.length; at++) {
            const more = [...frames.slice(0, at), unknown, ...frames.slice(at)];
            expect(said(decodeSse(dialect, more))).toEqual(said(whole));
            expect(meterSse(dialect, more)).toEqual(meterSse(dialect, frames));
          }
        });
        test(`${name}: broken off after any frame it keeps the grammar`, () => {
          const frames = new SseSplitter().push(bytesOf(sse));
          for (let count = 0; count <= frames.length; count++) {
            const { events, complete } = decodeSse(
              dialect,
              frames.slice(0, count).map(({ bytes }) => bytes),
            );
            expect(events.filter(({ type }) => type === "response-end").length).toBe(events.length > 0 ? 1 : 0);
            // With several candidates the meter takes the first end for the end of all.
            const { metered } = meterSse(
              dialect,
              frames.slice(0, count).map(({ bytes }) => bytes),
            );
            if (complete) expect(metered.complete).toBe(true);
            if (whole.response.candidates.length === 1) expect(metered.complete).toBe(complete);
          }
        });
        test(`${name}: encoded and decoded again is the same answer`, () => {
          const again = decodeSse(dialect, [bytesOf(encodeSse(dialect, whole.events))]);
          expect(again.complete).toBe(true);
          expect(said(again.response)).toEqual(said(whole.response));
          expect(again.response.usage?.usage).toEqual(whole.response.usage?.usage);
        });
        test(`${name}: its events add up to an answer that can be encoded`, () => {
          const answer = dialect.decodeResponse(dialect.encodeResponse(whole.response));
          expect(said(answer)).toEqual(said(whole.response));
          expect(answer.usage?.usage).toEqual(whole.response.usage?.usage);
        });
      }
      test("the meter passes what it cannot read", () => {
        for (const junk of [
          "data: {bad\n\n",
          "data: null\n\n",
          "data: []\n\n",
          ": note\n\n",
          "<html>\n\n",
          "data:\n\n",
          "data: 1\n\n",
        ]) {
          const { metered, hidden } = meterSse(dialect, [bytesOf(junk)]);
          expect(metered).toMatchObject({ usage: null, complete: false, fault: null, contentBytes: 0 });
          expect(hidden).toBe(0);
        }
      });
      test("the decoder refuses what is not of the protocol", () => {
        for (const junk of ["{bad", "null", "[]", '"text"']) {
          expect(thrown(() => dialect.decodeStream().step(junk, null))).toMatchObject({ kind: "upstream-invalid" });
        }
      });
    });

    describe("errors", () => {
      for (const kind of kinds) {
        test(`${kind}: encoded and decoded again keeps the message`, () => {
          const body = dialect.encodeError(errorOf(kind));
          expect(dialect.decodeError(body).message).toBe(`It is ${kind}.`);
          expect(JSON.stringify(body)).toContain("call-1");
          expect(JSON.stringify(body)).not.toContain("hidden cause");
        });
      }
      test("in a stream it is one frame, which decoder and meter take for a fault", () => {
        const text = dialect.encodeStreamError(errorOf("upstream-timeout"));
        const frames = new SseSplitter().push(bytesOf(text));
        expect(frames.length).toBe(1);
        const { data, event } = frames[0] ?? { data: null, event: null };
        expect(thrown(() => dialect.decodeStream().step(data ?? "", event))).toMatchObject({
          kind: "upstream-invalid",
        });
        const { metered } = meterSse(dialect, [bytesOf(text)]);
        expect(metered).toMatchObject({ complete: false, fault: { message: "It is upstream-timeout." } });
      });
      test("any JSON has a message", () => {
        for (const body of [
          null,
          1,
          "plain",
          [],
          {},
          [[]],
          { error: null },
          { error: {} },
          { detail: [{ type: "missing" }] },
        ]) {
          expect(dialect.decodeError(body).message.length).toBeGreaterThan(0);
        }
      });
    });
  });
}

/** Decodes a stream that comes in `chunks`, and checks its events against the grammar. */
export function decodeSse(dialect: Dialect, chunks: readonly Uint8Array[]) {
  const splitter = new SseSplitter();
  const decoder = dialect.decodeStream();
  const events: ChatEvent[] = [];
  for (const chunk of chunks) {
    for (const { data, event } of splitter.push(chunk)) if (data !== null) events.push(...decoder.step(data, event));
  }
  const { events: last, complete } = decoder.end();
  events.push(...last);
  const collector = new Collector();
  for (const event of events) collector.add(event);
  const response = events.length > 0 ? collector.response() : noResponse;
  return { events, complete, response };
}

export function meterSse(
  dialect: Dialect,
  chunks: readonly Uint8Array[],
  options: Parameters<Dialect["relay"]["meterStream"]>[0] = { hideUsage: false },
) {
  const splitter = new SseSplitter();
  const meter = dialect.relay.meterStream(options);
  let hidden = 0;
  for (const chunk of chunks) hidden += splitter.push(chunk, meter).filter(({ isShown }) => !isShown).length;
  const rest = splitter.rest();
  if (rest !== null && !meter.frame(rest)) hidden++;
  const metered: Metered = meter.result();
  return { metered, hidden };
}

export function encodeSse(dialect: Dialect, events: readonly ChatEvent[]): string {
  const encoder = dialect.encodeStream({ includeUsage: true });
  return events.map((event) => encoder.step(event)).join("");
}

/**
 * What an answer says, without the vendor's own fields and words. Whole answers have no order between reasoning and the
 * rest, a function that is called without arguments is called with `{}`, input is text in some protocols and an object in
 * others, and no protocol has a word for `other`.
 */
export const said = ({ id, model, candidates }: ChatResponse) => ({
  id,
  model,
  candidates: candidates.map(({ parts, finish }) => ({
    reason: finish.reason === "other" ? "stop" : finish.reason,
    parts: [
      ...parts.filter(({ type }) => type === "reasoning"),
      ...parts.filter(({ type }) => type !== "reasoning"),
    ].map(({ extensions: _extensions, ...part }: Part & { extensions?: JsonObject }) =>
      part.type === "tool-call" ? { ...part, input: inputOf(part.input) } : part,
    ),
  })),
});

/** Without the white space that a model puts between its words; free text, and what is no JSON, as it is. */
function inputOf(input: string): string {
  try {
    return JSON.stringify(JSON.parse(input || "{}"));
  } catch {
    return input;
  }
}

/** UTF-8 bytes of all text, reasoning, refusals and tool input. */
function contentBytes(response: ChatResponse): number {
  const texts = response.candidates.flatMap(({ parts }) =>
    parts.map((part) => (part.type === "tool-call" ? part.input : "text" in part ? part.text : "")),
  );
  return bytesOf(texts.join("")).length;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const noResponse: ChatResponse = { id: "", model: "", createdMs: 0, candidates: [], usage: null, extensions: {} };

// The table's own keys.
const kinds = Object.keys(statusOf) as readonly ErrorKind[];

const errorOf = (kind: ErrorKind): ErrorBody => ({
  kind,
  status: statusOf[kind],
  message: `It is ${kind}.`,
  requestId: "call-1",
  details: { cause: new Error("hidden cause") },
});

function thrown(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("It threw nothing.");
}
