import { afterAll, expect, test } from "bun:test";
import { Collector } from "../../../core/chat/collect.ts";
import type { ChatEvent } from "../../../core/chat/event.ts";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { bytesOf, decodeSse, encodeSse, meterSse } from "../../contract/dialect.ts";
import { streamUsage } from "../../support/anthropic-usage.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { recordingsOf } from "../recordings.ts";
import { exceptions } from "./exceptions.ts";
import { normalResponse } from "./normal-form.ts";
import { accumulated } from "./sdk.ts";
import { eventsIn, object } from "./wire-events.ts";

/*
 * Recorded streams. Two streams are the same answer when Anthropic's own SDK accumulates them to the same message.
 */

const recordings = recordingsOf("anthropic-messages").flatMap(({ id, sse }) => (sse === null ? [] : [{ id, sse }]));
/** Every answer; where several follow each other in one recording, each by itself. */
const streams = recordings.flatMap(({ id, sse }) => {
  if (!exceptions.has(id)) return [{ id, sse }];
  const parts = sse.split(/(?=event: message_start)/).filter((part) => part.includes("message_stop"));
  return parts.map((part, i) => ({ id: `${id}, part ${i + 1}`, sse: part }));
});
const covered = { streams: 0, "read by the SDK": 0, "cuts of streams": 0, "stream shapes cut at every byte": 0 };
afterAll(() => {
  if (recordings.length > 0) console.log(`anthropic-messages streams: ${JSON.stringify(covered)}`);
});

test("every exception is met, and is none any more than it was", async () => {
  for (const [id, { of }] of exceptions) {
    const recording = recordings.find((other) => other.id === id);
    if (of !== "stream" || recording === undefined) continue;
    await expect(accumulated(recording.sse)).rejects.toThrow();
  }
});

test("each is metered exactly, as it is decoded, and passes whole", () => {
  for (const { id, sse } of streams) {
    const { metered, hidden } = meterSse(anthropicMessages, [bytesOf(sse)]);
    const events = eventsIn(sse);
    expect({ id, hidden, usage: metered.usage?.usage }).toMatchObject({ id, hidden: 0, usage: streamUsage(events) });
    const { complete, fault, finish, upstreamId, contentBytes } = metered;
    expect({ id, complete, fault, finish, upstreamId, contentBytes }).toEqual({
      id,
      complete: true,
      fault: null,
      finish: reasonIn(events),
      upstreamId: String(object(events[0]?.["message"])["id"]),
      contentBytes: bytesIn(events),
    });
    const { response, complete: isWhole } = decodeSse(anthropicMessages, [bytesOf(sse)]);
    expect({ id, isWhole, usage: response.usage }).toEqual({ id, isWhole: true, usage: metered.usage });
    covered.streams++;
  }
});

test("each, decoded and encoded again, is the same message to the SDK", async () => {
  for (const { id, sse } of streams) {
    const { events } = decodeSse(anthropicMessages, [bytesOf(sse)]);
    const message = await accumulated(sse);
    const again = await accumulated(encodeSse(anthropicMessages, events));
    expect({ id, message: plain(again) }).toEqual({ id, message: plain(message) });
    covered["read by the SDK"]++;
  }
}, 30_000);

test("each, collected, is the same message as a whole answer", async () => {
  for (const { id, sse } of streams) {
    const { response } = decodeSse(anthropicMessages, [bytesOf(sse)]);
    const message = await accumulated(sse);
    const whole = anthropicMessages.encodeResponse(response);
    expect({ id, message: plain(whole) }).toEqual({ id, message: plain(message) });
  }
}, 30_000);

test("each, as if another dialect had brought it, says the same and keeps to Anthropic's own schema", async () => {
  for (const { id, sse } of streams) {
    const events = decodeSse(anthropicMessages, [bytesOf(sse)]).events.map(withoutOwn);
    const text = encodeSse(anthropicMessages, events);
    const message = await accumulated(sse);
    const again = await accumulated(text);
    expect({ id, ...summary(again) }).toEqual({ id, ...summary(message) });
    for (const event of eventsIn(text)) {
      const faults = await wireFaults("anthropic-messages/event", event);
      expect({ id, event: faults.length > 0 ? event : null, faults }).toEqual({ id, event: null, faults: [] });
    }
  }
}, 30_000);

test("each, encoded, has one block at a time, dense indexes, and one end", () => {
  for (const { sse } of streams) {
    const { events } = decodeSse(anthropicMessages, [bytesOf(sse)]);
    const types = eventsIn(encodeSse(anthropicMessages, events)).map(({ type, index }) => ({ type, index }));
    expect(types[0]?.type).toBe("message_start");
    expect(types.slice(-2).map(({ type }) => type)).toEqual(["message_delta", "message_stop"]);
    let open: Json | undefined = null;
    let next = 0;
    for (const { type, index } of types.slice(1, -2)) {
      if (type === "content_block_start") {
        expect({ open, index }).toEqual({ open: null, index: next++ });
        open = index;
      } else expect({ type, index }).toEqual({ type, index: open });
      if (type === "content_block_stop") open = null;
    }
    expect(open).toBeNull();
  }
});

test("broken off anywhere, the grammar holds, and what is not counted is not told", () => {
  for (const { id, sse } of streams) {
    const frames = new SseSplitter().push(bytesOf(sse)).filter(({ data }) => data !== null);
    const count = pick(frames.length, sse.length);
    const decoder = anthropicMessages.decodeStream();
    const meter = anthropicMessages.relay.meterStream({ hideUsage: false });
    const collector = new Collector();
    for (const frame of frames.slice(0, count)) {
      meter.frame(frame);
      for (const next of decoder.step(frame.data ?? "", frame.event)) collector.add(next);
    }
    const { events, complete } = decoder.end();
    for (const next of events) collector.add(next);
    const { usage } = events.length > 0 ? collector.response() : { usage: null };
    expect({ id, complete, usage }).toEqual({ id, complete: meter.result().complete, usage: meter.result().usage });
    const isCounted = eventsIn(frames.slice(0, count).map(textOf).join("")).some(
      ({ type }) => type === "message_delta",
    );
    if (!complete) expect({ id, isCounted: usage !== null }).toEqual({ id, isCounted });
  }
});

test("each, cut at random, gives the same answer and the same figures", () => {
  for (const { id, sse } of streams) {
    const bytes = bytesOf(sse);
    const { metered } = meterSse(anthropicMessages, [bytes]);
    const { response } = decodeSse(anthropicMessages, [bytes]);
    const chunks = randomChunks(bytes, sse.length);
    expect({ id, metered: meterSse(anthropicMessages, chunks).metered }).toEqual({ id, metered });
    expect({ id, response: decodeSse(anthropicMessages, chunks).response }).toEqual({ id, response });
    covered["cuts of streams"] += chunks.length - 1;
  }
});

test("the shortest of each shape, cut at every byte, is metered the same", () => {
  const shapes = new Map<string, string>();
  for (const { sse } of streams.toSorted((a, b) => b.sse.length - a.sse.length)) shapes.set(shapeOf(sse), sse);
  for (const sse of shapes.values()) {
    if (sse.length > 4_000) continue;
    const bytes = bytesOf(sse);
    const { metered } = meterSse(anthropicMessages, [bytes]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const again = meterSse(anthropicMessages, [bytes.subarray(0, cut), bytes.subarray(cut)]).metered;
      if (!Bun.deepEquals(again, metered)) expect({ cut, metered: again }).toEqual({ cut, metered });
    }
    covered["cuts of streams"] += bytes.length - 1;
    covered["stream shapes cut at every byte"]++;
  }
}, 30_000);

const plain = (message: unknown) => normalResponse(JSON.parse(JSON.stringify(message)));

/** What an application sees of a message, but for the blocks that only this dialect knows. */
function summary(message: unknown) {
  const { content, stop_reason: reason, usage } = object(JSON.parse(JSON.stringify(message)));
  const blocks = Array.isArray(content) ? content.map(object) : [];
  const counted = streamUsage([{ usage: usage ?? null }]);
  return {
    text: blocks.map(({ text }) => text ?? "").join(""),
    thinking: blocks
      .filter(({ type }) => type === "thinking")
      .map(({ thinking, signature }) => ({ thinking, signature })),
    redacted: blocks.flatMap(({ type, data }) => (type === "redacted_thinking" ? [data] : [])),
    calls: blocks.filter(({ type }) => type === "tool_use").map(({ id, name, input }) => ({ id, name, input })),
    reason,
    usage: counted,
  };
}

function withoutOwn(event: ChatEvent): ChatEvent {
  if (event.type === "other") return { ...event, extensions: {} };
  const { extensions: _extensions, ...rest }: ChatEvent & { extensions?: JsonObject } = event;
  // It is of its type without what is optional.
  return rest as ChatEvent;
}

const reasonIn = (events: readonly JsonObject[]) =>
  events
    .map((event) => object(event["delta"])["stop_reason"] ?? object(event["message"])["stop_reason"])
    .findLast((reason) => typeof reason === "string") ?? null;

/** UTF-8 bytes of text, thinking and input of calls that the client runs. */
function bytesIn(events: readonly JsonObject[]): number {
  const calls = new Set<unknown>();
  let text = "";
  for (const { type, index, delta, content_block: block, message } of events) {
    const whole = [
      object(block),
      ...(Array.isArray(object(message)["content"]) ? (object(message)["content"] as JsonObject[]) : []),
    ];
    if (type === "content_block_start" && object(block)["type"] === "tool_use") calls.add(index);
    for (const { type: kind, input, text: said } of whole) {
      if (kind === "text") text += String(said);
      if (kind === "tool_use" && Object.keys(object(input)).length > 0) text += JSON.stringify(input);
    }
    const piece = object(delta);
    if (type !== "content_block_delta") continue;
    text += String(piece["text"] ?? piece["thinking"] ?? "");
    if (calls.has(index)) text += String(piece["partial_json"] ?? "");
  }
  return bytesOf(text).length;
}

const textOf = ({ bytes }: { readonly bytes: Uint8Array }) => new TextDecoder().decode(bytes);

/** Pieces of 1 to 97 bytes, the same for the same seed. */
function randomChunks(bytes: Uint8Array, seed: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, step = 0; at < bytes.length; at += step) {
    step = 1 + pick(97, at * 31 + seed);
    chunks.push(bytes.subarray(at, at + step));
  }
  return chunks;
}

const pick = (below: number, seed: number): number => (Math.imul(seed + 1, 0x9e3779b1) >>> 8) % Math.max(below, 1);

/** Which events, blocks and deltas there are. */
const shapeOf = (sse: string): string =>
  [
    ...new Set(
      eventsIn(sse).map(
        ({ type, content_block: block, delta }) =>
          `${String(type)} ${String(object(block)["type"])} ${String(object(delta)["type"])}`,
      ),
    ),
  ]
    .toSorted()
    .join(", ");
