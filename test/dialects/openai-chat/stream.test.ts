import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { collect } from "../../../core/chat/collect.ts";
import { GatewayError } from "../../../core/chat/error.ts";
import type { ChatEvent } from "../../../core/chat/event.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import { noUsage } from "../../../core/chat/usage.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { initialState, step } from "../../../core/dialects/openai-chat/stream.ts";
import { bytesOf, decodeSse, encodeSse, meterSse, said } from "../../contract/dialect.ts";

const chunk = (choices: readonly JsonObject[], more: JsonObject = {}) =>
  JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 7, model: "m", choices, ...more });
const delta = (fields: JsonObject, finish: string | null = null, index = 0) =>
  chunk([{ index, delta: fields, finish_reason: finish }]);
const decode = (...data: string[]) =>
  decodeSse(
    openaiChat,
    data.map((text) => bytesOf(`data: ${text}\n\n`)),
  );
const shown = (events: readonly ChatEvent[]) =>
  events.map((event) => {
    const text = "text" in event ? ` ${event.text}` : "";
    const index = "index" in event ? ` ${event.candidate}.${event.index}` : "";
    return `${event.type}${index}${text}`;
  });

describe("decoding", () => {
  test("a step changes no state in place", () => {
    const [first] = step(initialState, delta({ content: "a" }), null);
    const kept = structuredClone(first);
    step(first, delta({ content: "b", tool_calls: [{ index: 0, id: "t", function: { name: "f" } }] }), null);
    expect(first).toEqual(kept);
  });

  test("text and tools: blocks open and close in order, and calls stay open while their pieces interleave", () => {
    const { events } = decode(
      delta({ role: "assistant", content: "" }),
      delta({ content: "a" }),
      delta({ tool_calls: [{ index: 0, id: "x", function: { name: "f", arguments: "1" } }] }),
      delta({ tool_calls: [{ index: 1, id: "y", function: { name: "g", arguments: "" } }] }),
      delta(
        {
          tool_calls: [
            { index: 0, function: { arguments: "2" } },
            { index: 1, function: { arguments: "3" } },
          ],
        },
        "tool_calls",
      ),
      "[DONE]",
    );
    expect(shown(events)).toEqual([
      "response-start",
      "text-start 0.0",
      "text-delta 0.0 a",
      "text-end 0.0",
      "tool-input-start 0.1",
      "tool-input-delta 0.1 1",
      "tool-input-start 0.2",
      "tool-input-delta 0.1 2",
      "tool-input-delta 0.2 3",
      "tool-input-end 0.1",
      "tool-input-end 0.2",
      "candidate-end",
      "response-end",
    ]);
  });

  const callsOf = (...data: string[]) =>
    decode(...data, delta({}, "stop"), "[DONE]").response.candidates[0]?.parts.flatMap((part) =>
      part.type === "tool-call" ? [[part.id, part.name, part.input]] : [],
    );
  const tool = (fields: JsonObject) => delta({ tool_calls: [fields] });

  test("calls without an index are told apart by their ids", () => {
    const whole = delta({
      tool_calls: [
        { id: "a", function: { name: "f", arguments: "{}" } },
        { id: "b", function: { name: "f", arguments: "[]" } },
      ],
    });
    expect(callsOf(whole)).toEqual([
      ["a", "f", "{}"],
      ["b", "f", "[]"],
    ]);
    expect(
      callsOf(tool({ id: "a", function: { name: "f", arguments: "1" } }), tool({ function: { arguments: "2" } })),
    ).toEqual([["a", "f", "12"]]);
  });
  test("an id that is repeated is the same call, and a new one at the same place is a new call", () => {
    const first = tool({ index: 0, id: "a", function: { name: "f", arguments: "1" } });
    expect(callsOf(first, tool({ index: 0, id: "a", function: { name: "", arguments: "2" } }))).toEqual([
      ["a", "f", "12"],
    ]);
    expect(callsOf(first, tool({ index: 0, id: "b", function: { name: "g", arguments: "2" } }))).toEqual([
      ["a", "f", "1"],
      ["b", "g", "2"],
    ]);
  });
  test("a custom tool's input is text, and stays empty when it is", () => {
    const { events } = decode(tool({ index: 0, id: "a", type: "custom", custom: { name: "f", input: "" } }), "[DONE]");
    const again = decodeSse(openaiChat, [bytesOf(encodeSse(openaiChat, events))]);
    expect(again.response.candidates[0]?.parts).toEqual([
      { type: "tool-call", id: "a", name: "f", input: "", custom: true },
    ]);
  });
  test("a name that comes late, arguments as null or an object, and no id at all", () => {
    expect(
      callsOf(
        tool({ index: 0, id: "a", function: { arguments: "1" } }),
        tool({ index: 0, function: { name: "f", arguments: null } }),
      ),
    ).toEqual([["a", "f", "1"]]);
    expect(callsOf(tool({ index: 0, id: "a", function: { name: "f", arguments: { b: 2 } } }))).toEqual([
      ["a", "f", '{"b":2}'],
    ]);
    expect(callsOf(tool({ index: 0, function: { name: "f", arguments: "1" } }))).toEqual([["call_c1_0_0", "f", "1"]]);
    expect(callsOf(tool({}), tool({ index: 3, function: {} }))).toEqual([]);
  });
  test("a call makes the finish tool-calls, whatever the word", () => {
    const call = tool({ index: 0, id: "a", function: { name: "f", arguments: "{}" } });
    for (const word of ["stop", "", "tool_calls"]) {
      expect(decode(call, delta({}, word), "[DONE]").response.candidates[0]?.finish).toEqual({
        reason: "tool-calls",
        raw: word,
      });
    }
    expect(decode(call, delta({}, "length"), "[DONE]").response.candidates[0]?.finish.reason).toBe("length");
  });

  test("a finish that comes twice ends the candidate once, and content beside it counts", () => {
    const { response, events } = decode(
      delta({ content: "a" }),
      delta({ content: "b" }, "stop"),
      delta({ content: "c" }, "stop"),
      "[DONE]",
    );
    expect(events.filter(({ type }) => type === "candidate-end").length).toBe(1);
    expect(response.candidates[0]?.parts).toEqual([{ type: "text", text: "abc" }]);
  });

  test("signatures, encrypted reasoning, citations, log probabilities and audio arrive", () => {
    const logprobs = { content: [{ token: "a", logprob: -1 }], refusal: null };
    const page = { url: "https://a.example", title: "A", start_index: 0, end_index: 2 };
    const note = { type: "url_citation", url_citation: page };
    const { response } = decode(
      delta({ reasoning_details: [{ type: "reasoning.text", text: "hm", index: 0 }] }),
      delta({
        reasoning_details: [
          { type: "reasoning.text", signature: "sig", index: 0 },
          { type: "reasoning.encrypted", data: "enc", index: 1 },
        ],
      }),
      chunk([{ index: 0, delta: { content: "a" }, logprobs }]),
      chunk([{ index: 0, delta: { content: "b", annotations: [note] }, logprobs }]),
      delta({ audio: { id: "au", data: "AA", transcript: "a" } }),
      delta({ audio: { data: "BB", transcript: "b", expires_at: 9 } }, "stop"),
      "[DONE]",
    );
    const [candidate] = response.candidates;
    expect(candidate?.parts).toMatchObject([
      { type: "reasoning", text: "hm", signature: "sig" },
      { type: "reasoning", text: "", encrypted: "enc" },
      { type: "text", text: "ab", citations: [{ url: "https://a.example", title: "A", start: 0, end: 2 }] },
      { type: "media", kind: "audio", source: { by: "data", base64: "AABB" } },
    ]);
    expect(candidate?.logprobs).toEqual({ content: [...logprobs.content, ...logprobs.content], refusal: null });
    const message = openaiChat.encodeResponse(response)["choices"];
    expect(message).toMatchObject([
      {
        message: {
          content: "ab",
          annotations: [note],
          audio: { id: "au", data: "AABB", transcript: "ab", expires_at: 9 },
        },
      },
    ]);
  });

  test("a candidate without a finish reason stopped at [DONE], and was cut off at the end of the bytes", () => {
    expect(decode(delta({ content: "a" }), "[DONE]")).toMatchObject({
      complete: true,
      response: { candidates: [{ finish: { reason: "stop", raw: null } }] },
    });
    expect(decode(delta({ content: "a" }))).toMatchObject({
      complete: false,
      response: { candidates: [{ finish: { reason: "other", raw: null } }] },
    });
    expect(decode()).toMatchObject({ complete: false, events: [] });
  });

  test("interim usage counts only for a whole answer", () => {
    const interim = chunk([{ index: 0, delta: { content: "a" } }], {
      usage: { prompt_tokens: 3, completion_tokens: null, total_tokens: null },
    });
    expect(decode(interim).response.usage).toBeNull();
    expect(decode(interim, "[DONE]").response.usage).toMatchObject({ anomalous: true });
  });

  test("an error ends the answer, and its words stay inside", () => {
    for (const [data, event] of [
      ['{"error":{"message":"key sk-secret","code":"x"}}', null],
      ['{"error":"sk-secret"}', null],
      ['{"message":"sk-secret"}', "error"],
    ] as const) {
      const decoder = openaiChat.decodeStream();
      decoder.step(delta({ content: "a" }), null);
      const run = () => decoder.step(data, event);
      expect(run).toThrow(GatewayError);
      expect(run).not.toThrow("secret");
    }
  });

  test("nothing follows [DONE]", () => {
    expect(
      decode(delta({ content: "a" }, "stop"), "[DONE]", "{bad", delta({ content: "b" })).response.candidates[0]?.parts,
    ).toEqual([{ type: "text", text: "a" }]);
  });
});

describe("encoding", () => {
  const at = { candidate: 0, index: 0 };
  const events: ChatEvent[] = [
    { type: "response-start", id: "c1", model: "m", createdMs: 7_999 },
    { type: "text-start", ...at },
    { type: "text-delta", ...at, text: "hi" },
    { type: "text-end", ...at },
    { type: "tool-input-start", candidate: 0, index: 1, id: "t", name: "f" },
    { type: "tool-input-end", candidate: 0, index: 1 },
    { type: "candidate-end", candidate: 0, finish: { reason: "tool-calls", raw: "tool_use" } },
    { type: "response-end", usage: { usage: { ...noUsage, inputTokens: 3, outputTokens: 2 }, anomalous: false } },
  ];
  const encode = (includeUsage: boolean) => {
    const encoder = openaiChat.encodeStream({ includeUsage });
    return events.map((event) => encoder.step(event)).join("");
  };
  const dataOf = (sse: string) =>
    sse
      .split("\n\n")
      .filter((frame) => frame !== "")
      .map((frame) => frame.slice("data: ".length));

  test("is what OpenAI sends: role, deltas, finish, [DONE]", () => {
    const data = dataOf(encode(false));
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text));
    expect(data.at(-1)).toBe("[DONE]");
    for (const sent of chunks) {
      expect(sent).toMatchObject({ id: "c1", object: "chat.completion.chunk", created: 7, model: "m" });
      expect(sent).not.toHaveProperty("usage");
    }
    expect(chunks.map(({ choices: [choice] }) => [choice.delta, choice.finish_reason])).toEqual([
      [{ role: "assistant", content: "", refusal: null }, null],
      [{ content: "hi" }, null],
      [{ tool_calls: [{ index: 0, id: "t", type: "function", function: { name: "f", arguments: "" } }] }, null],
      [{ tool_calls: [{ index: 0, function: { arguments: "{}" } }] }, null],
      [{}, "tool_calls"],
    ]);
  });

  test("has the usage chunk, and usage: null before it, only when asked", () => {
    const chunks = dataOf(encode(true))
      .slice(0, -1)
      .map((text) => JSON.parse(text));
    expect(chunks.slice(0, -1).every((sent) => sent.usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    const { hidden, metered } = meterSse(openaiChat, [bytesOf(encode(true))], { hideUsage: true });
    expect(hidden).toBe(1);
    expect(metered.usage?.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
  });

  test("any answer survives: decoded, encoded and decoded again it is the same, and the events add up to it", async () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 12 });
    const piece = fc.oneof(
      text.map((content) => ({ content })),
      text.map((value) => ({ reasoning_content: value })),
      text.map((refusal) => ({ refusal })),
      fc.tuple(fc.nat(2), text).map(([index, input]) => ({
        tool_calls: [{ index, id: `t${index}`, function: { name: "f", arguments: input } }],
      })),
      fc.constant({}),
    );
    const answer = fc.array(fc.tuple(fc.nat(2), piece), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(answer, async (pieces) => {
        const finishes = [0, 1, 2].map((index) => delta({}, "stop", index));
        const first = decode(...pieces.map(([index, fields]) => delta(fields, null, index)), ...finishes, "[DONE]");
        const again = decodeSse(openaiChat, [bytesOf(encodeSse(openaiChat, first.events))]);
        expect(said(again.response)).toEqual(said(first.response));
        expect(await collect(toStream(first.events))).toEqual(first.response);
      }),
    );
  });
});

async function* toStream(events: readonly ChatEvent[]) {
  yield* events;
}
