import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ChatEvent } from "../../../core/chat/event.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import { GatewayError } from "../../../core/chat/error.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { noUsage } from "../../../core/chat/usage.ts";
import { bytesOf, decodeSse, encodeSse, meterSse, said } from "../../contract/dialect.ts";
import { accumulated } from "./sdk.ts";
import { eventsIn } from "./wire-events.ts";

const start: ChatEvent = { type: "response-start", id: "m1", model: "m", createdMs: 0 };
const end = (reason: "stop" | "tool-calls" = "stop"): readonly ChatEvent[] => [
  { type: "candidate-end", candidate: 0, finish: { reason, raw: null } },
  { type: "response-end", usage: null },
];
const at = (index: number) => ({ candidate: 0, index });
const encoded = (blocks: readonly ChatEvent[]) => encodeSse(anthropicMessages, [start, ...blocks, ...end()]);
const kinds = (sse: string) =>
  eventsIn(sse).map(({ type, index }) => (index === undefined ? type : `${String(type)} ${String(index)}`));

describe("the encoder", () => {
  test("writes blocks that overlap one after the other, in the order they began", async () => {
    const sse = encoded([
      { type: "tool-input-start", ...at(0), id: "a", name: "f" },
      { type: "tool-input-delta", ...at(0), text: '{"a"' },
      { type: "tool-input-start", ...at(1), id: "b", name: "g" },
      { type: "tool-input-delta", ...at(1), text: '{"b"' },
      { type: "text-start", ...at(2) },
      { type: "tool-input-delta", ...at(1), text: ":2}" },
      { type: "text-delta", ...at(2), text: "Hi" },
      { type: "tool-input-end", ...at(1) },
      { type: "tool-input-delta", ...at(0), text: ":1}" },
      { type: "tool-input-end", ...at(0) },
      { type: "text-delta", ...at(2), text: "!" },
      { type: "text-end", ...at(2) },
    ]);
    const { content } = await accumulated(sse);
    expect(content).toMatchObject([
      { type: "tool_use", id: "a", input: { a: 1 } },
      { type: "tool_use", id: "b", input: { b: 2 } },
      { type: "text", text: "Hi!" },
    ]);
    expect(kinds(sse).filter((kind) => String(kind).includes("_st"))).toEqual([
      "message_start",
      ...[0, 1, 2].flatMap((i) => [`content_block_start ${i}`, `content_block_stop ${i}`]),
      "message_stop",
    ]);
  });

  test("tells the usage at the end, whole, and the place of it before", () => {
    const usage = {
      ...noUsage,
      inputTokens: 100,
      cacheReadTokens: 60,
      cacheWriteTokens: 30,
      cacheWrite1hTokens: 10,
      outputTokens: 7,
    };
    const sse = encodeSse(anthropicMessages, [
      start,
      { type: "candidate-end", candidate: 0, finish: { reason: "length", raw: "MAX_TOKENS" } },
      { type: "response-end", usage: { usage, anomalous: false } },
    ]);
    const [first, delta] = eventsIn(sse);
    expect(first).toMatchObject({ message: { usage: { input_tokens: 0, output_tokens: 0 } } });
    expect(delta).toEqual({
      type: "message_delta",
      delta: { stop_reason: "max_tokens", stop_sequence: null },
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 30,
        cache_read_input_tokens: 60,
        cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 },
        output_tokens: 7,
      },
    });
    expect(decodeSse(anthropicMessages, [bytesOf(sse)]).response.usage?.usage).toEqual(usage);
  });

  test("writes a usage that nobody knows as nothing used", () => {
    expect(eventsIn(encoded([])).at(-2)).toMatchObject({ usage: { input_tokens: 0, output_tokens: 0 } });
  });

  test("gives a call without arguments an object, and free text one with a name", async () => {
    const sse = encoded([
      { type: "tool-input-start", ...at(0), id: "", name: "f" },
      { type: "tool-input-end", ...at(0) },
      { type: "tool-input-start", ...at(1), id: "b", name: "g", custom: true },
      { type: "tool-input-delta", ...at(1), text: 'say "' },
      { type: "tool-input-delta", ...at(1), text: 'hi"' },
      { type: "tool-input-end", ...at(1) },
    ]);
    const { content } = await accumulated(sse);
    expect(content).toMatchObject([
      { id: "toolu_0", input: {} },
      { id: "b", input: { input: 'say "hi"' } },
    ]);
    expect(sse).toContain('"partial_json":"{}"');
  });

  test("writes encrypted reasoning as its own kind of block, with text besides as a second", async () => {
    const { content } = await accumulated(
      encoded([
        { type: "reasoning-start", ...at(0) },
        { type: "reasoning-end", ...at(0), encrypted: "e0" },
        { type: "reasoning-start", ...at(1) },
        { type: "reasoning-delta", ...at(1), text: "Hm" },
        { type: "reasoning-end", ...at(1), encrypted: "e1" },
        { type: "reasoning-start", ...at(2) },
        { type: "reasoning-end", ...at(2), signature: "s2" },
        { type: "refusal-start", ...at(3) },
        { type: "refusal-delta", ...at(3), text: "No." },
        { type: "refusal-end", ...at(3) },
      ]),
    );
    expect(content).toMatchObject([
      { type: "redacted_thinking", data: "e0" },
      { type: "thinking", thinking: "Hm", signature: "" },
      { type: "redacted_thinking", data: "e1" },
      { type: "thinking", thinking: "", signature: "s2" },
      { type: "text", text: "No." },
    ]);
  });

  test("leaves out further candidates, media and what other dialects kept, without a gap", () => {
    const part = { type: "media", kind: "image", mediaType: null, source: { by: "data", base64: "" } } as const;
    const sse = encoded([
      { type: "media", ...at(0), part },
      { type: "other", ...at(1), extensions: { gemini: { executableCode: {} } } },
      { type: "text-start", candidate: 1, index: 0 },
      { type: "text-end", candidate: 1, index: 0 },
      { type: "candidate-end", candidate: 1, finish: { reason: "length", raw: null } },
      { type: "text-start", ...at(2) },
      { type: "text-end", ...at(2) },
    ]);
    expect(kinds(sse)).toEqual([
      "message_start",
      "content_block_start 0",
      "content_block_stop 0",
      "message_delta",
      "message_stop",
    ]);
    expect(eventsIn(sse).at(-2)).toMatchObject({ delta: { stop_reason: "end_turn" } });
  });

  test("however blocks interleave, the SDK reads what the events say", async () => {
    const pieces = fc.array(fc.string({ maxLength: 5 }), { maxLength: 4 });
    const schedules = fc.tuple(fc.array(pieces, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(), { maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(schedules, async ([texts, order]) => {
        const sse = encoded(interleaved(texts, order));
        const { content } = await accumulated(sse);
        const told = content.map((block) => (block.type === "text" ? block.text : "")).toSorted();
        expect(told).toEqual(texts.map((text) => text.join("")).toSorted());
      }),
      { numRuns: 60 },
    );
  });
});

/** Text blocks whose events are mixed by `order`; a block starts when its turn first comes. */
function interleaved(texts: readonly (readonly string[])[], order: readonly number[]): readonly ChatEvent[] {
  const left = texts.map((text) => ({ index: -1, pieces: [...text] }));
  const events: ChatEvent[] = [];
  let next = 0;
  for (let turn = 0; left.length > 0; turn++) {
    const position = (order[turn] ?? 0) % left.length;
    const block = left[position];
    if (block === undefined) break;
    const piece = block.pieces.shift();
    if (block.index < 0) events.push({ type: "text-start", ...at((block.index = next++)) });
    if (piece !== undefined) events.push({ type: "text-delta", ...at(block.index), text: piece });
    else {
      events.push({ type: "text-end", ...at(block.index) });
      left.splice(position, 1);
    }
  }
  return events;
}

describe("the decoder", () => {
  const sse = (events: readonly JsonObject[]) =>
    events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  const opening = {
    type: "message_start",
    message: { id: "m", model: "m", usage: { input_tokens: 5, output_tokens: 3 } },
  };
  const textDelta = (text: string) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } });

  test("what was cut off before its usage was told has none", () => {
    const cut = bytesOf(
      sse([
        opening,
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        textDelta("Hi"),
      ]),
    );
    const { response, complete } = decodeSse(anthropicMessages, [cut]);
    expect(complete).toBe(false);
    expect(response).toMatchObject({ usage: null, candidates: [{ finish: { reason: "other", raw: null } }] });
    expect(meterSse(anthropicMessages, [cut]).metered).toMatchObject({ usage: null, complete: false, contentBytes: 2 });
  });

  test("text that no block announced is a block", () => {
    const { response } = decodeSse(anthropicMessages, [
      bytesOf(sse([opening, textDelta("Hi"), { type: "message_stop" }])),
    ]);
    expect(said(response).candidates).toEqual([{ reason: "stop", parts: [{ type: "text", text: "Hi" }] }]);
  });

  test("an event before the message, a second message and an error are the provider's fault", () => {
    const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    expect(() => decodeSse(anthropicMessages, [bytesOf(sse([textDelta("Hi")]))])).toThrow(GatewayError);
    expect(() => decodeSse(anthropicMessages, [bytesOf(sse([opening, opening]))])).toThrow(GatewayError);
    const failed = bytesOf(sse([opening, overloaded]));
    expect(() => decodeSse(anthropicMessages, [failed])).toThrow(
      expect.objectContaining({
        kind: "upstream-invalid",
        details: expect.objectContaining({ code: "overloaded_error" }),
      }),
    );
    expect(meterSse(anthropicMessages, [failed]).metered).toMatchObject({
      complete: false,
      fault: { type: "overloaded_error", message: "Overloaded" },
    });
  });

  test("what follows the end, pings and events that are not known say nothing", () => {
    const events = [{ type: "ping" }, opening, { type: "later" }, { type: "message_stop" }, opening, textDelta("x")];
    const { response } = decodeSse(anthropicMessages, [bytesOf(sse(events))]);
    expect(response.candidates).toMatchObject([{ parts: [], finish: { reason: "stop" } }]);
  });
});
