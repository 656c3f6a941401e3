import { describe, expect, test } from "bun:test";
import { collect, Collector } from "../../core/chat/collect.ts";
import { GatewayError } from "../../core/chat/error.ts";
import type { ChatEvent } from "../../core/chat/event.ts";
import type { Citation } from "../../core/chat/request.ts";

const start: ChatEvent = { type: "response-start", id: "i", model: "m", createdMs: 5 };
const end: ChatEvent = { type: "response-end", usage: null };
const at = (index: number, candidate = 0) => ({ candidate, index });
const done = (candidate = 0): ChatEvent => ({
  type: "candidate-end",
  candidate,
  finish: { reason: "stop", raw: "stop" },
});

const cited: Citation = { url: "https://a.example", title: "A", quote: null, start: 0, end: 1 };

async function* stream(events: readonly ChatEvent[]) {
  yield* events;
}

test("events add up to the answer, candidates by their number", async () => {
  const response = await collect(
    stream([
      start,
      { type: "text-start", ...at(0, 1) },
      { type: "reasoning-start", ...at(0) },
      { type: "reasoning-delta", ...at(0), text: "h" },
      { type: "text-delta", ...at(0, 1), text: "x", logprobs: { content: [1], refusal: null } },
      { type: "reasoning-delta", ...at(0), text: "m" },
      { type: "reasoning-end", ...at(0), signature: "s" },
      { type: "tool-input-start", ...at(1), id: "a", name: "f" },
      { type: "tool-input-start", ...at(2), id: "b", name: "g", custom: true },
      { type: "tool-input-delta", ...at(1), text: "{" },
      { type: "tool-input-delta", ...at(2), text: "go" },
      { type: "tool-input-delta", ...at(1), text: "}" },
      { type: "tool-input-end", ...at(2) },
      { type: "tool-input-end", ...at(1), signature: "t" },
      { type: "text-delta", ...at(0, 1), text: "y", logprobs: { content: [2], refusal: null } },
      { type: "text-end", ...at(0, 1), citations: [cited] },
      done(1),
      { type: "refusal-start", ...at(3) },
      { type: "refusal-delta", ...at(3), text: "no" },
      { type: "refusal-end", ...at(3) },
      done(0),
      { type: "response-end", usage: null, extensions: { "openai-chat": { a: 1 } } },
    ]),
  );
  expect(response).toEqual({
    id: "i",
    model: "m",
    createdMs: 5,
    usage: null,
    extensions: { "openai-chat": { a: 1 } },
    candidates: [
      {
        finish: { reason: "stop", raw: "stop" },
        parts: [
          { type: "reasoning", text: "hm", signature: "s" },
          { type: "tool-call", id: "a", name: "f", input: "{}", signature: "t" },
          { type: "tool-call", id: "b", name: "g", input: "go", custom: true },
          { type: "refusal", text: "no" },
        ],
      },
      {
        finish: { reason: "stop", raw: "stop" },
        parts: [{ type: "text", text: "xy", citations: [cited] }],
        logprobs: { content: [1, 2], refusal: null },
      },
    ],
  });
});

describe("events out of order are refused", () => {
  const text: ChatEvent = { type: "text-start", ...at(0) };
  const cases: [name: string, events: ChatEvent[]][] = [
    ["anything before the start", [text]],
    ["a second start", [start, start]],
    ["anything after the end", [start, end, start]],
    ["a delta without its block", [start, { type: "text-delta", ...at(0), text: "x" }]],
    ["a delta of another kind", [start, text, { type: "refusal-delta", ...at(0), text: "x" }]],
    ["a block opened twice", [start, text, text]],
    ["an index that skips one", [start, { type: "text-start", ...at(1) }]],
    [
      "a delta after its block",
      [start, text, { type: "text-end", ...at(0) }, { type: "text-delta", ...at(0), text: "x" }],
    ],
    ["a candidate's end with a block open", [start, text, done()]],
    ["a block after its candidate's end", [start, done(), text]],
    ["the end with a candidate open", [start, text, { type: "text-end", ...at(0) }, end]],
  ];
  for (const [name, events] of cases) {
    test(name, () => {
      const collector = new Collector();
      for (const event of events.slice(0, -1)) collector.add(event);
      const [last = start] = events.slice(-1);
      expect(() => collector.add(last)).toThrow(GatewayError);
    });
  }
  test("no end at all", async () => {
    await expect(collect(stream([start, done()]))).rejects.toThrow("before its end");
  });
});
