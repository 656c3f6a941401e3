import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import OpenAI from "openai";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import type { Part } from "../../../core/chat/request.ts";
import type { Candidate, ChatResponse } from "../../../core/chat/response.ts";
import { noUsage } from "../../../core/chat/usage.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { eventsOf } from "../../../core/pipeline/translate/replay.ts";
import { bytesOf, decodeSse } from "../../contract/dialect.ts";
import { wireFaults } from "../../support/wirecheck.ts";

const usage = {
  ...noUsage,
  inputTokens: 10,
  outputTokens: 6,
  cacheReadTokens: 4,
  cacheWriteTokens: 2,
  reasoningTokens: 3,
};
const answer = (parts: readonly Part[], more: Partial<Candidate> = {}): ChatResponse => ({
  id: "msg_01",
  model: "claude",
  createdMs: 1_780_000_000_000,
  candidates: [{ parts, finish: { reason: "stop", raw: "end_turn" }, ...more }],
  usage: { usage, anomalous: false },
  extensions: {},
});
const itemsOf = (body: JsonObject) => body["output"] as readonly JsonObject[];
const asked = openaiResponses.decodeRequest({
  model: "m",
  input: "hi",
  instructions: "Be brief.",
  tools: [{ type: "function", name: "f", parameters: { type: "object" }, strict: false }],
  tool_choice: "required",
  temperature: 0.5,
  max_output_tokens: 99,
  metadata: { a: "b" },
  parallel_tool_calls: false,
  reasoning: { effort: "low", summary: "detailed" },
  text: { format: { type: "json_object" }, verbosity: "low" },
  prompt_cache_key: "k",
  store: false,
});
const streamed = (response: ChatResponse, options: { readonly asked?: typeof asked } = {}): string => {
  const encoder = openaiResponses.encodeStream({ includeUsage: true, ...options });
  return [...eventsOf(response)].map((event) => encoder.step(event)).join("");
};
const framesOf = (sse: string) =>
  new SseSplitter()
    .push(bytesOf(sse))
    .map(({ data, event }) => ({ event, frame: JSON.parse(data ?? "") as JsonObject }));
const lastOf = (sse: string): JsonObject => framesOf(sse).at(-1)?.frame["response"] as JsonObject;

const said: readonly Part[] = [
  { type: "reasoning", text: "Thinking.", signature: "S1" },
  { type: "reasoning", text: "", encrypted: "E1" },
  { type: "text", text: "Hello ", citations: [{ url: "https://e.com", title: null, quote: "q", start: 0, end: 5 }] },
  { type: "text", text: "there.", signature: "S2" },
  { type: "tool-call", id: "toolu:1", name: "f", input: '{"a":1}', signature: "S3" },
  { type: "tool-call", id: "call_2", name: "sh", input: "ls", custom: true },
  { type: "tool-call", id: "call_3", name: "f", input: "" },
];

describe("an answer of another vendor", () => {
  test("has its items with ids made from its own, every time the same, and keeps the schema", async () => {
    const body = openaiResponses.encodeResponse(answer(said), asked);
    expect(itemsOf(body).map(({ type, id, call_id: call, name }) => [type, id, call, name])).toEqual([
      ["reasoning", "rs_010000", undefined, undefined],
      ["reasoning", "rs_010001", undefined, undefined],
      ["message", "msg_010002", undefined, undefined],
      ["reasoning", "rs_010003", undefined, undefined],
      ["function_call", "fc_010004", "toolu:1", "f"],
      ["reasoning", "rs_010005", undefined, undefined],
      ["custom_tool_call", "ctc_010006", "call_2", "sh"],
      ["function_call", "fc_010007", "call_3", "f"],
    ]);
    expect(itemsOf(body)[7]).toMatchObject({ arguments: "{}", status: "completed" });
    expect(itemsOf(body)[2]?.["content"]).toEqual([
      {
        type: "output_text",
        text: "Hello ",
        annotations: [{ type: "url_citation", start_index: 0, end_index: 5, url: "https://e.com", title: "" }],
        logprobs: [],
      },
      { type: "output_text", text: "there.", annotations: [], logprobs: [] },
    ] as Json[]);
    expect(openaiResponses.encodeResponse(answer(said), asked)).toEqual(body);
    expect(await wireFaults("openai-responses/response", body)).toEqual([]);
    for (const long of ["x".repeat(300), "chatcmpl-é/!", ""]) {
      const [item] = itemsOf(openaiResponses.encodeResponse({ ...answer([{ type: "text", text: "a" }]), id: long }));
      expect(item?.["id"]).toMatch(/^msg_[a-zA-Z0-9]{4,60}$/);
    }
  });

  test("repeats what was asked", () => {
    for (const body of [
      openaiResponses.encodeResponse(answer(said), asked),
      lastOf(streamed(answer(said), { asked })),
    ]) {
      expect(body).toMatchObject({
        id: "msg_01",
        object: "response",
        created_at: 1_780_000_000,
        model: "claude",
        status: "completed",
        instructions: "Be brief.",
        tools: [{ type: "function", name: "f", strict: false }],
        tool_choice: "required",
        temperature: 0.5,
        top_p: null,
        max_output_tokens: 99,
        metadata: { a: "b" },
        parallel_tool_calls: false,
        reasoning: { effort: "low", summary: "detailed" },
        text: { format: { type: "json_object" }, verbosity: "low" },
        prompt_cache_key: "k",
        store: false,
        usage: {
          input_tokens: 10,
          input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
          output_tokens: 6,
          output_tokens_details: { reasoning_tokens: 3 },
          total_tokens: 16,
        },
      });
    }
  });

  test("streamed it is the same as whole, by the schema too", async () => {
    const sse = streamed(answer(said), { asked });
    expect(lastOf(sse)).toEqual(openaiResponses.encodeResponse(answer(said), asked));
    for (const { frame } of framesOf(sse)) expect(await wireFaults("openai-responses/event", frame)).toEqual([]);
  });

  test("the official SDK reads it, whole and streamed", async () => {
    for (const isStream of [false, true]) {
      const body = isStream
        ? streamed(answer(said), { asked })
        : JSON.stringify(openaiResponses.encodeResponse(answer(said), asked));
      const type = isStream ? "text/event-stream" : "application/json";
      const fetch = () => Promise.resolve(new Response(body, { headers: { "content-type": type } }));
      const { responses } = new OpenAI({ apiKey: "k", maxRetries: 0, fetch });
      const ask = { model: "m", input: "hi" };
      const read = isStream ? await responses.stream(ask).finalResponse() : await responses.create(ask);
      expect(read.output_text).toBe("Hello there.");
      const calls = read.output.flatMap((item) => (item.type === "function_call" ? [[item.name, item.arguments]] : []));
      expect(calls).toEqual([
        ["f", '{"a":1}'],
        ["f", "{}"],
      ]);
      expect(read.usage?.total_tokens).toBe(16);
    }
  });

  test("any answer, streamed and read again, is the same", () => {
    const words = fc.string({ minLength: 1 });
    const part: fc.Arbitrary<Part> = fc.oneof(
      fc.record({ type: fc.constant("text" as const), text: words }),
      fc.record({ type: fc.constant("refusal" as const), text: words }),
      fc.record({ type: fc.constant("reasoning" as const), text: fc.string(), encrypted: words }),
      fc.record({ type: fc.constant("reasoning" as const), text: words, signature: words }),
      fc.record({ type: fc.constant("tool-call" as const), id: words, name: words, input: words }),
      fc.record({
        type: fc.constant("tool-call" as const),
        id: words,
        name: words,
        input: fc.string(),
        custom: fc.constant(true),
      }),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
        for (const response of [
          decodeSse(openaiResponses, [bytesOf(streamed(answer(parts)))]).response,
          openaiResponses.decodeResponse(JSON.parse(JSON.stringify(openaiResponses.encodeResponse(answer(parts))))),
        ]) {
          const again = response.candidates[0]?.parts.map(
            ({ extensions: _extensions, ...rest }: Part & { extensions?: JsonObject }) => rest,
          );
          expect(again).toEqual([...parts]);
        }
      }),
    );
  });

  test("what it signed comes back as it was when the client sends the items back", () => {
    for (const output of [
      itemsOf(openaiResponses.encodeResponse(answer(said))),
      itemsOf(lastOf(streamed(answer(said)))),
      // Codex drops the ids.
      itemsOf(openaiResponses.encodeResponse(answer(said))).map(({ id: _id, ...item }) => item),
    ]) {
      const { messages } = openaiResponses.decodeRequest({ model: "m", input: output });
      expect(messages.length).toBe(1);
      const parts = messages[0]?.parts.map(
        ({ extensions: _extensions, ...part }: Part & { extensions?: JsonObject }) => part,
      );
      expect(parts).toMatchObject(
        said.map((part) =>
          part.type === "tool-call"
            ? { ...part, input: part.input || "{}" }
            : { ...part, ...("citations" in part ? { citations: [{ url: "https://e.com" }] } : {}) },
        ),
      );
    }
  });

  test("what another vendor signed does not go to OpenAI", () => {
    const output = itemsOf(openaiResponses.encodeResponse(answer(said)));
    const request = openaiResponses.decodeRequest({ model: "m", input: output });
    const unsigned = request.messages.map((message) => ({
      ...message,
      parts: message.parts.map((part) => {
        const {
          signature: _signature,
          encrypted: _encrypted,
          ...rest
        } = part as Part & { signature?: string; encrypted?: string };
        return rest;
      }),
    }));
    const { body } = openaiResponses.encodeRequest({ ...request, messages: unsigned }, "t");
    expect(itemsOf({ output: body["input"] }).map(({ type }) => type)).toEqual([
      "message",
      "function_call",
      "custom_tool_call",
      "function_call",
    ]);
  });

  test("is incomplete when it was cut off, and failed when it broke", async () => {
    const ends = [
      ["length", "incomplete", "max_output_tokens"],
      ["content-filter", "incomplete", "content_filter"],
      ["error", "failed", undefined],
      ["other", "completed", undefined],
    ] as const;
    for (const [reason, status, why] of ends) {
      const cut = answer([{ type: "text", text: "a" }], { finish: { reason, raw: null } });
      const whole = openaiResponses.encodeResponse(cut);
      expect(whole).toMatchObject({ status, incomplete_details: why === undefined ? null : { reason: why } });
      expect(itemsOf(whole)[0]?.["status"]).toBe(status === "incomplete" ? "incomplete" : "completed");
      const sse = streamed(cut);
      expect(framesOf(sse).at(-1)?.event).toBe(`response.${status}`);
      expect(lastOf(sse)).toEqual(whole);
      expect(await wireFaults("openai-responses/response", whole)).toEqual([]);
    }
  });

  test("says its first candidate, log probabilities and refusals", () => {
    const logprobs = { content: [{ token: "a", logprob: -1, bytes: [97], top_logprobs: [] }], refusal: null };
    const two = answer(
      [
        { type: "text", text: "a" },
        { type: "refusal", text: "no" },
      ],
      { logprobs },
    );
    const both = {
      ...two,
      candidates: [
        ...two.candidates,
        { parts: [{ type: "text", text: "b" } as const], finish: { reason: "stop", raw: null } as const },
      ],
    };
    for (const body of [openaiResponses.encodeResponse(both), lastOf(streamed(both))]) {
      expect(itemsOf(body).map(({ content }) => content)).toEqual([
        [
          { type: "output_text", text: "a", annotations: [], logprobs: logprobs.content },
          { type: "refusal", refusal: "no" },
        ],
      ]);
      expect(openaiResponses.decodeResponse(body).candidates[0]?.logprobs).toEqual(logprobs);
    }
  });

  test("has an image that the model made as its own tool would make it", () => {
    const image: Part = {
      type: "media",
      kind: "image",
      mediaType: "image/png",
      source: { by: "data", base64: "aGk=" },
    };
    for (const body of [openaiResponses.encodeResponse(answer([image])), lastOf(streamed(answer([image])))]) {
      expect(itemsOf(body)).toEqual([
        { id: "ig_010000", type: "image_generation_call", status: "completed", result: "aGk=" },
      ]);
      const { messages } = openaiResponses.decodeRequest({ model: "m", input: itemsOf(body) });
      expect(messages[0]?.parts[0]).toMatchObject(image);
    }
  });
});
