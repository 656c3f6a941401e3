import { describe, expect, test } from "bun:test";
import type { ChatEvent } from "../../../core/chat/event.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ReasoningPart } from "../../../core/chat/request.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { bytesOf, decodeSse, encodeSse, meterSse } from "../../contract/dialect.ts";
import { grammarFault } from "../../contract/grammar.ts";
import { wireFaults } from "../../support/wirecheck.ts";

const sse = (...chunks: readonly unknown[]) => chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join("");
const said = (parts: readonly JsonObject[], more: JsonObject = {}, index = 0) => ({
  candidates: [{ content: { role: "model", parts }, index, ...more }],
  responseId: "r",
});
const counts = (answer: number | null, thoughts: number | null, more: JsonObject = {}) => ({
  usageMetadata: {
    promptTokenCount: 10,
    ...(answer === null ? {} : { candidatesTokenCount: answer }),
    ...(thoughts === null ? {} : { thoughtsTokenCount: thoughts }),
    totalTokenCount: 10 + (answer ?? 0) + (thoughts ?? 0),
    ...more,
  },
});
const end = { finishReason: "STOP" };
const decode = (...chunks: readonly unknown[]) => {
  const decoded = decodeSse(gemini, [bytesOf(sse(...chunks))]);
  expect(grammarFault(decoded.events)).toBeNull();
  return decoded;
};
const partsOf = (...chunks: readonly unknown[]) => decode(...chunks).response.candidates[0]?.parts;

describe("the decoder", () => {
  test("pieces of one kind are one block; a signature ends it, alone or with the last piece", () => {
    expect(
      partsOf(
        said([{ text: "th", thought: true }]),
        said([{ text: "ink", thought: true, thoughtSignature: "YQ==" }, { text: "a" }]),
        said([{ text: "b", thoughtSignature: "Yg==" }]),
        said([{ text: "c" }]),
        said([{ text: "", thoughtSignature: "Yw==" }], end),
      ),
    ).toEqual([
      { type: "reasoning", text: "think", signature: "YQ==" },
      { type: "text", text: "ab", signature: "Yg==" },
      { type: "text", text: "c", signature: "Yw==" },
    ]);
  });

  test("thoughts without a word stay apart, as in the whole answer", () => {
    const thought = (more: Pick<ReasoningPart, "signature" | "encrypted">) => ({
      type: "reasoning" as const,
      text: "",
      ...more,
    });
    const parts = [thought({ signature: "YQ==" }), thought({ encrypted: "b" }), thought({ encrypted: "c" })];
    const told = [...parts, thought({ signature: "ZA==" })];
    const candidates = [{ parts: told, finish: { reason: "stop" as const, raw: "STOP" } }];
    const body = gemini.encodeResponse({ ...decode(said([], end)).response, candidates });
    // A signature and what is encrypted behind it are one.
    expect(partsOf(body)).toEqual([thought({ signature: "YQ==", encrypted: "b" }), ...told.slice(2)]);
  });

  test("a signature on an empty text behind calls is a block of its own", () => {
    expect(
      partsOf(said([{ functionCall: { name: "f", args: {} } }]), said([{ text: "", thoughtSignature: "YQ==" }], end)),
    ).toMatchObject([
      { type: "tool-call", id: "call_r_0" },
      { type: "text", text: "", signature: "YQ==" },
    ]);
  });

  test("sources that come behind a call are those of the text before it, as in the whole answer", () => {
    const call = { functionCall: { name: "f", args: {} } };
    const groundingMetadata = {
      groundingChunks: [
        { web: { uri: "https://a.example", title: "A" } },
        { web: { uri: "https://b.example", title: "B" } },
      ],
      groundingSupports: [{ segment: { startIndex: 2, endIndex: 6 }, groundingChunkIndices: [0] }],
    };
    const cite = (of: string, start: number, until: number) => ({
      url: `https://${of}.example`,
      title: of.toUpperCase(),
      quote: null,
      start,
      end: until,
    });
    const signature = { text: "", thoughtSignature: "YQ==" };
    for (const after of [[call], [call, signature], [{ text: "th", thought: true }]]) {
      const before = said([{ text: "ab" }, { text: "x", thought: true }, { text: "cdef" }]);
      const parts = partsOf(before, said(after), said([], { ...end, groundingMetadata }));
      expect(parts?.at(-1)).toMatchObject({ type: "text", text: "", citations: [cite("a", -4, 0), cite("b", -4, 0)] });
    }
    // Nothing said, nothing that could have a source.
    expect(partsOf(said([call], { ...end, groundingMetadata }))).toHaveLength(1);
    // In the message of a chat client they stand where the whole answer has them.
    const { events } = decode(said([{ text: "ab" }, { text: "cdef" }]), said([call], { ...end, groundingMetadata }));
    expect(encodeSse(openaiChat, events)).toContain(
      '"url_citation":{"start_index":2,"end_index":6,"url":"https://a.example","title":"A"}',
    );
  });

  test("calls are counted over all chunks", () => {
    const call = (name: string) => ({ functionCall: { name, args: { n: 1 } } });
    const { response } = decode(said([call("f")]), said([call("g"), call("f")]), said([{ text: "" }], end));
    expect(response.candidates[0]?.parts).toMatchObject(
      ["call_r_0", "call_r_1", "call_r_2"].map((id) => ({ id, input: '{"n":1}' })),
    );
    expect(response.candidates[0]?.finish).toEqual({ reason: "tool-calls", raw: "STOP" });
  });

  test("arguments that come in pieces are put together", () => {
    const piece = (jsonPath: string, more: JsonObject) => ({
      functionCall: { partialArgs: [{ jsonPath, ...more }], willContinue: true },
    });
    const { events, response } = decode(
      said([{ functionCall: { name: "f", id: "own", willContinue: true }, thoughtSignature: "YQ==" }]),
      said([piece("$.city", { stringValue: "Os", willContinue: true })]),
      said([piece("$.city", { stringValue: "lo" }), piece("$['a b'][0].n", { numberValue: 1.5 })]),
      said([
        piece("$.list[1]", { boolValue: true }),
        piece("$.list[0]", { nullValue: null }),
        piece("$.list[99999999]", { boolValue: true }),
      ]),
      said([piece("$.__proto__.x", { stringValue: "y" })]),
      said([{ functionCall: {} }, { functionCall: { name: "g", args: {} } }], end),
    );
    const args = '{"city":"Oslo","a b":[{"n":1.5}],"list":[null],"__proto__":{"x":"y"}}';
    expect(response.candidates[0]?.parts).toMatchObject([
      { name: "f", id: "own", input: args, signature: "YQ==" },
      { name: "g", input: "{}" },
    ]);
    expect(events.filter(({ type }) => type === "tool-input-start")).toHaveLength(2);
  });

  test("a call that is still open at the end is told", () => {
    expect(
      partsOf(
        said([{ functionCall: { name: "f", willContinue: true } }]),
        said([{ functionCall: { partialArgs: [{ jsonPath: "$.a", stringValue: "b" }], willContinue: true } }], end),
      ),
    ).toMatchObject([{ name: "f", input: '{"a":"b"}' }]);
  });

  test("log probabilities come with their text", () => {
    const logprobsResult = { chosenCandidates: [{ token: "a", logProbability: -1 }] };
    const { response } = decode(
      said([{ text: "a" }], { logprobsResult }),
      said([{ text: "b" }], { ...end, logprobsResult }),
    );
    const entry = { token: "a", logprob: -1, bytes: [97], top_logprobs: [] };
    expect(response.candidates[0]?.logprobs).toEqual({ content: [entry, entry], refusal: null });
  });

  test("answers of a stream that has no list of them, in snake case, with integers for words", () => {
    const { response, complete } = decode({
      candidates: { content: { parts: { text: "a" } }, finish_reason: 2 },
      response_id: "r",
      usage_metadata: { prompt_token_count: 1, candidates_token_count: 2, total_token_count: 3 },
    });
    expect(complete).toBe(true);
    expect(response.candidates[0]).toMatchObject({ parts: [{ text: "a" }], finish: { reason: "length" } });
    expect(response.usage?.usage).toMatchObject({ inputTokens: 1, outputTokens: 2 });
  });

  test("an error in an array is one", () => {
    expect(() => gemini.decodeStream().step('[{"error":{"code":503,"message":"m"}}]', null)).toThrow("broke off");
  });

  test("a part that is none of the protocol is the provider's fault", () => {
    expect(() => gemini.decodeStream().step(JSON.stringify(said([{ text: 1 }])), null)).toThrow(
      "not one of the Gemini API",
    );
  });
});

describe("usage of a stream that breaks off", () => {
  const usageOf = (...chunks: readonly unknown[]) => {
    const bytes = [bytesOf(sse(...chunks))];
    const { metered } = meterSse(gemini, bytes);
    expect(decodeSse(gemini, bytes).response.usage).toEqual(metered.usage);
    return metered.usage === null ? null : [metered.usage.usage.inputTokens, metered.usage.usage.outputTokens];
  };
  const text = said([{ text: "some text" }]);
  const thought = said([{ text: "some thought", thought: true }]);

  test("is the last that was told, where that counts all that came", () => {
    expect(usageOf({ ...text, ...counts(3, 5) })).toEqual([10, 8]);
    expect(usageOf({ ...text, ...counts(3, 5) }, { ...text, ...counts(6, 5) })).toEqual([10, 11]);
    expect(usageOf({ ...thought, ...counts(null, 5) })).toEqual([10, 5]);
    expect(usageOf({ ...text }, { ...text, ...counts(4, 0) })).toEqual([10, 4]);
    expect(usageOf({ ...said([{ text: "" }]), ...counts(null, null) })).toEqual([10, 0]);
  });

  test("is not known where it does not", () => {
    expect(usageOf({ ...text, ...counts(null, null) })).toBeNull();
    expect(usageOf({ ...text, ...counts(null, 5) })).toBeNull();
    expect(usageOf({ ...thought, ...counts(null, null) })).toBeNull();
    expect(usageOf({ ...text, ...counts(3, 5) }, text)).toBeNull();
    expect(usageOf({ ...thought, ...counts(null, 5) }, { ...text, ...counts(null, 5) })).toBeNull();
  });

  test("is what was told where the answer has ended", () => {
    expect(usageOf({ ...text, ...counts(null, null) }, said([{ text: "" }], end))).toEqual([10, 0]);
  });
});

describe("the encoder", () => {
  const at = { candidate: 0, index: 0 };
  const events: readonly ChatEvent[] = [
    { type: "response-start", id: "r", model: "m", createdMs: 0 },
    { type: "reasoning-start", ...at },
    { type: "reasoning-delta", ...at, text: "hm" },
    { type: "reasoning-end", ...at, signature: "c2ln" },
    { type: "text-start", ...at, index: 1 },
    { type: "text-delta", ...at, index: 1, text: "Grüße" },
    {
      type: "text-end",
      ...at,
      index: 1,
      citations: [{ url: "https://a.example", title: "A", quote: null, start: 2, end: 5 }],
    },
    { type: "refusal-start", ...at, index: 2 },
    { type: "refusal-delta", ...at, index: 2, text: "No." },
    { type: "refusal-end", ...at, index: 2 },
    { type: "tool-input-start", ...at, index: 3, id: "t1", name: "f" },
    { type: "tool-input-start", ...at, index: 4, id: "t2", name: "g" },
    { type: "tool-input-delta", ...at, index: 3, text: '{"a"' },
    { type: "tool-input-delta", ...at, index: 4, text: "{}" },
    { type: "tool-input-delta", ...at, index: 3, text: ":1}" },
    { type: "tool-input-end", ...at, index: 4 },
    { type: "tool-input-end", ...at, index: 3, signature: "Yw==" },
    { type: "other", ...at, index: 5, extensions: { "openai-responses": { type: "odd" } } },
    { type: "candidate-end", candidate: 0, finish: { reason: "tool-calls", raw: "tool_use" } },
    {
      type: "response-end",
      usage: {
        usage: {
          inputTokens: 10,
          outputTokens: 9,
          cacheReadTokens: 4,
          cacheWriteTokens: 0,
          cacheWrite1hTokens: 0,
          reasoningTokens: 3,
          inputAudioTokens: 1,
          cacheReadAudioTokens: 0,
          outputAudioTokens: 0,
        },
        anomalous: false,
      },
    },
  ];

  test("sends parts as they come, calls whole, and the end with the usage", async () => {
    const chunks = encodeSse(gemini, events)
      .split("\n\n")
      .filter((frame) => frame !== "")
      .map((frame): JsonObject => JSON.parse(frame.slice("data: ".length)));
    const head = { modelVersion: "m", responseId: "r" };
    const chunk = (part: JsonObject) => ({
      candidates: [{ content: { parts: [part], role: "model" }, index: 0 }],
      ...head,
    });
    expect(chunks.slice(0, -1)).toEqual([
      chunk({ text: "hm", thought: true }),
      chunk({ text: "", thought: true, thoughtSignature: "c2ln" }),
      chunk({ text: "Grüße" }),
      chunk({ text: "No." }),
      chunk({ functionCall: { id: "t2", name: "g", args: {} } }),
      chunk({ functionCall: { id: "t1", name: "f", args: { a: 1 } }, thoughtSignature: "Yw==" }),
    ]);
    expect(chunks.at(-1)).toEqual({
      candidates: [
        {
          content: { parts: [{ text: "" }], role: "model" },
          finishReason: "STOP",
          index: 0,
          groundingMetadata: {
            groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }],
            groundingSupports: [{ segment: { startIndex: 2, endIndex: 7, text: "üße" }, groundingChunkIndices: [0] }],
          },
        },
      ],
      usageMetadata: {
        promptTokenCount: 10,
        candidatesTokenCount: 6,
        totalTokenCount: 19,
        cachedContentTokenCount: 4,
        cacheTokensDetails: [{ modality: "TEXT", tokenCount: 4 }],
        promptTokensDetails: [
          { modality: "TEXT", tokenCount: 9 },
          { modality: "AUDIO", tokenCount: 1 },
        ],
        thoughtsTokenCount: 3,
      },
      ...head,
    });
    for (const sent of chunks) expect(await wireFaults("gemini/event", sent)).toEqual([]);
  });
});
