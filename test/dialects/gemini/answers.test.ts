import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";

/** What answers mean in canonical words; that they come back as they were is in the contract. */

const called = (name: string, more: JsonObject = {}) => ({ functionCall: { name, args: {}, ...more } });

describe("answers", () => {
  const candidate = (more: JsonObject) => ({ candidates: [{ finishReason: "STOP", ...more }], responseId: "r-1" });
  const partsOf = (...parts: readonly JsonObject[]) => ({ content: { role: "model", parts } });

  test("calls without ids get ones that no other answer has", () => {
    const idsOf = (body: JsonObject) =>
      gemini.decodeResponse(body).candidates.map(({ parts }) => parts.map((part) => ("id" in part ? part.id : null)));
    const calls = partsOf(called("f"), called("f", { id: "own" }), called("g"));
    expect(idsOf(candidate(calls))).toEqual([["call_r-1_0", "own", "call_r-1_2"]]);
    expect(idsOf({ ...candidate(calls), responseId: "r/2" })).toEqual([["call_r_2_0", "own", "call_r_2_2"]]);
    expect(idsOf({ responseId: "r", candidates: [calls, { ...calls, index: 1 }] })[1]?.[0]).toBe("call_r_1_0");
    const nameless = idsOf({ candidates: [partsOf(called("f"))] });
    expect(nameless).toEqual(idsOf({ candidates: [partsOf(called("f"))] }));
    expect(nameless).not.toEqual(idsOf({ candidates: [partsOf({ ...called("f"), thoughtSignature: "c2ln" })] }));
    expect(gemini.encodeResponse(gemini.decodeResponse(candidate(calls)))).toMatchObject(candidate(calls));
  });

  test("why they ended", () => {
    const finishOf = (more: JsonObject) => gemini.decodeResponse(candidate(more)).candidates[0]?.finish;
    for (const [word, reason, raw] of [
      ["STOP", "stop", "STOP"],
      [1, "stop", "STOP"],
      ["MAX_TOKENS", "length", "MAX_TOKENS"],
      ["SAFETY", "content-filter", "SAFETY"],
      ["MODEL_ARMOR", "content-filter", "MODEL_ARMOR"],
      ["MALFORMED_FUNCTION_CALL", "error", "MALFORMED_FUNCTION_CALL"],
      ["OTHER", "other", "OTHER"],
      ["FUTURE", "other", "FUTURE"],
      ["FINISH_REASON_UNSPECIFIED", "other", null],
    ] as const)
      expect(finishOf({ finishReason: word })).toEqual({ reason, raw });
    expect(finishOf(partsOf(called("f")))).toEqual({ reason: "tool-calls", raw: "STOP" });
  });

  test("a foreign answer ends in Gemini's words", () => {
    const word = (
      reason: "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other",
      raw: string | null,
    ) => {
      const [said] = gemini.encodeResponse({
        id: "r",
        model: "m",
        createdMs: 0,
        candidates: [{ parts: [], finish: { reason, raw } }],
        usage: null,
        extensions: {},
      })["candidates"] as readonly JsonObject[];
      return said?.["finishReason"];
    };
    expect(word("stop", "end_turn")).toBe("STOP");
    expect(word("tool-calls", "tool_use")).toBe("STOP");
    expect(word("length", "max_tokens")).toBe("MAX_TOKENS");
    expect(word("content-filter", null)).toBe("SAFETY");
    expect(word("content-filter", "SPII")).toBe("SPII");
    expect(word("error", "error")).toBe("OTHER");
    expect(word("other", "pause_turn")).toBe("STOP");
  });

  test("a blocked prompt is a filtered answer, and comes back as none", () => {
    const body = {
      promptFeedback: { blockReason: "SAFETY" },
      usageMetadata: { promptTokenCount: 3, totalTokenCount: 3 },
    };
    const answer = gemini.decodeResponse(body);
    expect(answer.candidates).toEqual([{ parts: [], finish: { reason: "content-filter", raw: "SAFETY" } }]);
    expect(gemini.encodeResponse(answer)).toEqual(body);
  });

  test("sources are citations of the text that they stand behind, by characters", () => {
    const answer = gemini.decodeResponse(
      candidate({
        ...partsOf({ text: "Grüße. " }, called("f"), { text: "Der Nil 🌍 fließt." }),
        groundingMetadata: {
          groundingChunks: [
            { web: { uri: "https://a.example", title: "A" } },
            { retrievedContext: { title: "doc", text: "words" } },
            { maps: { uri: "https://m.example" } },
          ],
          groundingSupports: [
            { segment: { endIndex: 9, text: "Grüße." }, groundingChunkIndices: [0] },
            { segment: { startIndex: 9, endIndex: 30 }, groundingChunkIndices: [0, 1] },
          ],
        },
        citationMetadata: {
          citationSources: [{ startIndex: 13, endIndex: 16, uri: "https://c.example", license: "mit" }],
        },
      }),
    );
    const cite = (
      url: string | null,
      title: string | null,
      quote: string | null,
      start: number | null,
      end: number | null,
    ) => ({ url, title, quote, start, end });
    expect(answer.candidates[0]?.parts.map((part) => (part.type === "text" ? part.citations : null))).toEqual([
      [cite("https://a.example", "A", null, 0, 7)],
      null,
      [
        cite("https://a.example", "A", null, 0, 18),
        cite(null, "doc", "words", 0, 18),
        cite("https://m.example", null, null, null, null),
        cite("https://c.example", null, null, 4, 7),
      ],
    ]);
  });

  test("a foreign answer's citations are sources of the web, by bytes", () => {
    const citation = { url: "https://a.example", title: null, quote: null, start: 1, end: 3 };
    const body = gemini.encodeResponse({
      id: "r",
      model: "m",
      createdMs: 0,
      candidates: [
        {
          parts: [
            { type: "text", text: "ä" },
            { type: "text", text: "öüß", citations: [citation, { ...citation, start: null, end: null }] },
          ],
          finish: { reason: "stop", raw: null },
          logprobs: { content: [{ token: "ä", logprob: -1, bytes: null, top_logprobs: [] }] },
        },
      ],
      usage: null,
      extensions: {},
    });
    expect(body["candidates"]).toMatchObject([
      {
        groundingMetadata: {
          groundingChunks: [{ web: { uri: "https://a.example" } }],
          groundingSupports: [
            { segment: { startIndex: 4, endIndex: 8, text: "üß" }, groundingChunkIndices: [0] },
            { segment: { startIndex: 2, endIndex: 8, text: "öüß" }, groundingChunkIndices: [0] },
          ],
        },
        logprobsResult: { chosenCandidates: [{ token: "ä", logProbability: -1 }] },
      },
    ]);
  });

  test("searches that Google bills are usage: each query, or before generation 3 any number of them once", () => {
    const searched = (modelVersion: string) => {
      const groundingMetadata = { webSearchQueries: ["a", "", "b"] };
      const body = { ...candidate({ groundingMetadata }), modelVersion, usageMetadata: { promptTokenCount: 1 } };
      const { usage } = gemini.decodeResponse(body);
      expect(gemini.relay.meterResponse(body).usage).toEqual(usage);
      return usage?.usage.webSearches;
    };
    expect(searched("gemini-3-pro")).toBe(2);
    expect(searched("gemini-2.5-flash")).toBe(1);
    expect(gemini.decodeResponse(candidate({})).usage).toBeNull();
  });

  test("what is none is the provider's fault", () => {
    for (const body of [{}, { candidates: {} }, { candidates: [1] }, candidate(partsOf({ text: 1 })), { error: {} }])
      expect(() => gemini.decodeResponse(body)).toThrow("not one of the Gemini API");
  });
});
