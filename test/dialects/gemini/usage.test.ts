import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { decodeUsage, usageFields } from "../../../core/dialects/gemini/usage.ts";

const usageOf = (metadata: JsonObject) => decodeUsage(metadata);

describe("usageMetadata", () => {
  test("the prompt has the cache in it, tools are added, and thoughts are output", () => {
    expect(
      usageOf({
        promptTokenCount: 100,
        cachedContentTokenCount: 60,
        toolUsePromptTokenCount: 50,
        candidatesTokenCount: 7,
        thoughtsTokenCount: 20,
        totalTokenCount: 177,
        promptTokensDetails: [
          { modality: "AUDIO", tokenCount: 30 },
          { modality: "TEXT", tokenCount: 70 },
        ],
        toolUsePromptTokensDetails: [{ modality: 4, tokenCount: 5 }],
        cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 10 }],
        candidatesTokensDetails: [
          { modality: "AUDIO", tokenCount: 4 },
          { modality: "IMAGE", tokenCount: 2 },
        ],
      }),
    ).toEqual({
      usage: {
        inputTokens: 150,
        outputTokens: 27,
        cacheReadTokens: 60,
        cacheWriteTokens: 0,
        cacheWrite1hTokens: 0,
        reasoningTokens: 20,
        inputAudioTokens: 35,
        cacheReadAudioTokens: 10,
        outputAudioTokens: 4,
        outputImageTokens: 2,
      },
      anomalous: false,
    });
  });

  test("none is none; one count is enough", () => {
    for (const metadata of [undefined, null, [], "1", {}, { trafficType: "ON_DEMAND" }] as readonly (
      Json | undefined
    )[])
      expect(decodeUsage(metadata)).toBeNull();
    expect(usageOf({ promptTokenCount: 3 })).toMatchObject({
      usage: { inputTokens: 3, outputTokens: 0 },
      anomalous: false,
    });
    // What a vendor leaves out follows from the total.
    expect(usageOf({ promptTokenCount: 3, thoughtsTokenCount: 2, totalTokenCount: 9 })).toMatchObject({
      usage: { inputTokens: 3, outputTokens: 6, reasoningTokens: 2 },
      anomalous: false,
    });
  });

  test("what cannot be is brought into range, and marked", () => {
    for (const [metadata, expected] of [
      [{ promptTokenCount: -3 }, { inputTokens: 0 }],
      [
        { promptTokenCount: "12", candidatesTokenCount: 1.5 },
        { inputTokens: 12, outputTokens: 2 },
      ],
      [
        { promptTokenCount: 3, cachedContentTokenCount: 9 },
        { inputTokens: 3, cacheReadTokens: 3 },
      ],
      [
        { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 5 },
        { inputTokens: 3, outputTokens: 1 },
      ],
      [{ promptTokenCount: 1, promptTokensDetails: [{ modality: "AUDIO", tokenCount: 4 }] }, { inputAudioTokens: 1 }],
    ] as const)
      expect(usageOf(metadata)).toMatchObject({ usage: expected, anomalous: true });
  });

  test("the tier, in the Gemini API's words or Vertex's", () => {
    const tierOf = (more: JsonObject) => usageOf({ promptTokenCount: 1, ...more })?.serviceTier;
    expect(tierOf({ serviceTier: "priority", trafficType: "ON_DEMAND" })).toBe("priority");
    expect(tierOf({ trafficType: "ON_DEMAND" })).toBe("standard");
    expect(tierOf({ trafficType: "ON_DEMAND_FLEX" })).toBe("flex");
    expect(tierOf({ trafficType: "PROVISIONED_THROUGHPUT" })).toBeUndefined();
    expect(tierOf({})).toBeUndefined();
  });

  test("any usage that can be, told and read again, is the same", () => {
    const counts = fc.nat(100_000);
    fc.assert(
      fc.property(
        counts,
        counts,
        counts,
        counts,
        counts,
        counts,
        counts,
        (input, output, cached, thoughts, audio, cachedAudio, audioOut) => {
          const inputAudioTokens = Math.min(audio, input);
          const cacheReadTokens = Math.min(cached, input);
          const reasoningTokens = Math.min(thoughts, output);
          const usage = {
            inputTokens: input,
            outputTokens: output,
            cacheReadTokens,
            cacheWriteTokens: 0,
            cacheWrite1hTokens: 0,
            reasoningTokens,
            inputAudioTokens,
            cacheReadAudioTokens: Math.min(cachedAudio, cacheReadTokens, inputAudioTokens),
            outputAudioTokens: Math.min(audioOut, output - reasoningTokens),
          };
          const { usageMetadata } = usageFields({ usage, anomalous: false }, undefined);
          expect(decodeUsage(usageMetadata)).toEqual({ usage, anomalous: false });
        },
      ),
    );
  });
});

describe("errors", () => {
  const encode = (kind: "rate-limited" | "upstream-refused" | "invalid-request", details: object, status: number) =>
    gemini.encodeError({ kind, status, message: "No.", requestId: "call-1", details });

  test("have a word of google.rpc.Code, the reason, the call, and when to come again", () => {
    const limit = { scope: { kind: "key", id: "k" }, limit: 5, used: 5, held: 0, needed: 1, resetsAt: 9 };
    expect(encode("rate-limited", { code: "requests_per_minute", retryAfterSeconds: 12, limit }, 429)).toEqual({
      error: {
        code: 429,
        message: "No.",
        status: "RESOURCE_EXHAUSTED",
        details: [
          {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            reason: "REQUESTS_PER_MINUTE",
            domain: "llm-proxy",
            metadata: { request_id: "call-1" },
          },
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "12s" },
          { "@type": "type.googleapis.com/llm_proxy.Limit", ...limit },
        ],
      },
    });
    expect(encode("invalid-request", { param: "contents" }, 400)).toMatchObject({
      error: {
        status: "INVALID_ARGUMENT",
        details: [{}, { fieldViolations: [{ field: "contents", description: "No." }] }],
      },
    });
  });

  test("are read with their reason and the field at fault", () => {
    const error = (more: JsonObject) => ({ error: { code: 400, message: "m", status: "INVALID_ARGUMENT", ...more } });
    const details = [{ "@type": "x", fieldViolations: [{ field: "contents[0]" }] }, { reason: "API_KEY_INVALID" }];
    expect(gemini.decodeError([error({ details })])).toEqual({
      message: "m",
      type: "INVALID_ARGUMENT",
      code: "API_KEY_INVALID",
      param: "contents[0]",
    });
    expect(gemini.decodeError(error({ details: [null, 1, { reason: 2 }] }))).toMatchObject({ code: null, param: null });
    expect(gemini.decodeError({ error: { code: "own", message: "m" } })).toMatchObject({ code: "own" });
  });

  test("a vendor's own word stands where it is Google's", () => {
    expect(encode("upstream-refused", { type: "FAILED_PRECONDITION" }, 400)).toMatchObject({
      error: { status: "FAILED_PRECONDITION" },
    });
    expect(encode("upstream-refused", { type: "invalid_request_error" }, 400)).toMatchObject({
      error: { status: "INVALID_ARGUMENT" },
    });
    expect(encode("upstream-refused", { type: "rate_limit_error" }, 429)).toMatchObject({
      error: { status: "RESOURCE_EXHAUSTED" },
    });
  });
});
