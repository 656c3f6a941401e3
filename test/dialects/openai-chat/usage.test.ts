import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { noUsage, type Usage } from "../../../core/chat/usage.ts";
import { decodeUsage, encodeUsage } from "../../../core/dialects/openai-chat/usage.ts";

const reads = (usage: Json, expected: Partial<Usage>, anomalous = false) =>
  expect(decodeUsage(usage)).toMatchObject({ usage: { ...noUsage, ...expected }, anomalous });

describe("vendors' words for the same thing", () => {
  const plain = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
  const base = { inputTokens: 100, outputTokens: 20 };
  test("OpenAI", () => {
    reads(
      {
        ...plain,
        prompt_tokens_details: {
          cached_tokens: 40,
          cache_write_tokens: 50,
          audio_tokens: 5,
          cached_tokens_details: { audio_tokens: 3 },
        },
        completion_tokens_details: { reasoning_tokens: 7, audio_tokens: 2, accepted_prediction_tokens: 1 },
      },
      {
        ...base,
        cacheReadTokens: 40,
        cacheWriteTokens: 50,
        inputAudioTokens: 5,
        cacheReadAudioTokens: 3,
        reasoningTokens: 7,
        outputAudioTokens: 2,
      },
    );
  });
  test("images, and searches that are paid for by the piece", () => {
    reads(
      { ...plain, prompt_tokens_details: { image_tokens: 30 }, completion_tokens_details: { image_tokens: 9 } },
      { ...base, inputImageTokens: 30, outputImageTokens: 9 },
    );
    reads({ ...plain, server_tool_use: { web_search_requests: 3 } }, { ...base, webSearches: 3 });
    reads({ ...plain, num_search_queries: 2 }, { ...base, webSearches: 2 });
    for (const none of [{ server_tool_use: null }, { num_search_queries: 0 }])
      expect(decodeUsage({ ...plain, ...none })?.usage).not.toHaveProperty("webSearches");
  });
  const cached: [vendor: string, fields: JsonObject][] = [
    ["DeepSeek", { prompt_cache_hit_tokens: 40, prompt_cache_miss_tokens: 60 }],
    ["Databricks", { cache_read_input_tokens: 40, cache_creation_input_tokens: 0 }],
    ["Mistral", { num_cached_tokens: 40 }],
    ["Moonshot", { cached_tokens: 40, prompt_tokens_details: { cached_tokens: 0 } }],
  ];
  for (const [vendor, fields] of cached) {
    test(`${vendor}'s cache`, () => reads({ ...plain, ...fields }, { ...base, cacheReadTokens: 40 }));
  }
  test("Vercel's cache writes", () =>
    reads({ ...plain, cache_creation_input_tokens: 30 }, { ...base, cacheWriteTokens: 30 }));
  test("a cache outside of the prompt is in it where the total says so, and no output", () => {
    const read = { prompt_tokens_details: { cached_tokens: 1_000 } };
    reads({ ...plain, ...read, total_tokens: 1_120 }, { ...base, inputTokens: 1_100, cacheReadTokens: 1_000 });
    const written = { cache_read_input_tokens: 1_000, cache_creation_input_tokens: 500, total_tokens: 1_620 };
    const counted = { inputTokens: 1_600, cacheReadTokens: 1_000, cacheWriteTokens: 500 };
    reads({ ...plain, ...written }, { ...base, ...counted });
    const thought = { completion_tokens_details: { reasoning_tokens: 7 }, total_tokens: 1_627 };
    reads({ ...plain, ...written, ...thought }, { ...base, ...counted, outputTokens: 27, reasoningTokens: 7 });
    // By Portkey's issue 1211.
    reads(
      { prompt_tokens: 368, completion_tokens: 19, total_tokens: 10_923, cache_read_input_tokens: 10_536 },
      { inputTokens: 10_904, outputTokens: 19, cacheReadTokens: 10_536 },
    );
  });
  test("xAI counts reasoning outside of the completion", () => {
    const usage = {
      prompt_tokens: 12,
      completion_tokens: 2,
      total_tokens: 334,
      completion_tokens_details: { reasoning_tokens: 320 },
    };
    reads(usage, { inputTokens: 12, outputTokens: 322, reasoningTokens: 320 });
  });
  test("reasoning outside of the completion, of which no total tells", () =>
    reads(
      { prompt_tokens: 12, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 320 } },
      { inputTokens: 12, outputTokens: 322, reasoningTokens: 320 },
    ));
  test("vLLM's details are null when it has none", () =>
    reads({ ...plain, prompt_tokens_details: null, completion_tokens_details: null }, base));
  test("embeddings have no completion", () => reads({ prompt_tokens: 8, total_tokens: 8 }, { inputTokens: 8 }));
  test("the tier, from the usage or from beside it", () => {
    expect(decodeUsage({ ...plain, service_tier: "priority" }, "default")?.serviceTier).toBe("priority");
    expect(decodeUsage(plain, "flex")?.serviceTier).toBe("flex");
    expect(decodeUsage(plain, null)).not.toHaveProperty("serviceTier");
  });
});

test("no report and a report of zero are two things", () => {
  for (const none of [undefined, null, {}, [], "12", 7, true, { cost: 1 }]) expect(decodeUsage(none)).toBeNull();
  reads({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, {});
});

describe("numbers that cannot be true are corrected and marked", () => {
  const of = (prompt: Json, completion: Json, more: JsonObject = {}) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    ...more,
  });
  const cases: [name: string, usage: JsonObject, expected: Partial<Usage>][] = [
    ["negative", of(-5, -1), {}],
    ["a fraction", of(1.2, 0.5), { inputTokens: 2, outputTokens: 1 }],
    ["text", of("12", "x"), { inputTokens: 12 }],
    ["null", of(null, null), {}],
    ["a list and an object", of([1], { a: 1 }), {}],
    ["beyond all bounds", of(1e308, 1), { inputTokens: Number.MAX_SAFE_INTEGER, outputTokens: 1 }],
    [
      "more cached than sent",
      of(10, 1, { prompt_tokens_details: { cached_tokens: 11 } }),
      { inputTokens: 10, outputTokens: 1, cacheReadTokens: 10 },
    ],
    [
      "cache parts above their sum",
      of(10, 1, { prompt_tokens_details: { cached_tokens: 6, cache_write_tokens: 6 } }),
      { inputTokens: 10, outputTokens: 1, cacheReadTokens: 6, cacheWriteTokens: 4 },
    ],
    // Vercel's of gemini-3-pro-preview, 2 and 12 USD a million: its `market_cost` is that of 284 tokens of output.
    [
      "more reasoning than output",
      of(9, 52, { completion_tokens_details: { reasoning_tokens: 232 }, total_tokens: 61 }),
      { inputTokens: 9, outputTokens: 284, reasoningTokens: 232 },
    ],
    // https://github.com/mozilla-ai/any-llm/issues/1290: what is missing are the thoughts.
    ["a total above the sum", of(20, 198, { total_tokens: 623 }), { inputTokens: 20, outputTokens: 603 }],
    [
      "a total above the sum, of which not all is told to be reasoning",
      of(20, 198, { total_tokens: 623, completion_tokens_details: { reasoning_tokens: 400 } }),
      { inputTokens: 20, outputTokens: 603, reasoningTokens: 400 },
    ],
    ["a total below the sum", of(10, 5, { total_tokens: 9 }), { inputTokens: 10, outputTokens: 5 }],
    [
      "null inside",
      of(10, 5, { prompt_tokens_details: { cached_tokens: null } }),
      { inputTokens: 10, outputTokens: 5 },
    ],
    ["details as a list", of(10, 5, { prompt_tokens_details: [] }), { inputTokens: 10, outputTokens: 5 }],
    ["no input beside a total", of(null, 5, { total_tokens: 12 }), { inputTokens: 7, outputTokens: 5 }],
    ["no input, of embeddings", { prompt_tokens: null, total_tokens: 12 }, { inputTokens: 12 }],
    ["a total alone", { total_tokens: 9 }, { inputTokens: 9 }],
  ];
  for (const [name, usage, expected] of cases) test(name, () => reads(usage, expected, true));
});

test("whatever is reported, every field is an integer from 0 to 2^53 - 1 and no part is above its total", () => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.jsonValue({ maxDepth: 1 }), fc.maxSafeInteger());
  const details = fc.oneof(
    fc.record(
      { cached_tokens: number, cache_write_tokens: number, audio_tokens: number, reasoning_tokens: number },
      { requiredKeys: [] },
    ),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const report = fc.record(
    {
      prompt_tokens: number,
      completion_tokens: number,
      total_tokens: number,
      cached_tokens: number,
      prompt_tokens_details: details,
      completion_tokens_details: details,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(report, (usage) => {
      const read = decodeUsage(usage)?.usage;
      if (read === undefined) return;
      expect(Object.values(read).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
      expect(read.cacheReadTokens + read.cacheWriteTokens).toBeLessThanOrEqual(read.inputTokens);
      expect(read.inputAudioTokens).toBeLessThanOrEqual(read.inputTokens);
      expect(Math.max(read.reasoningTokens, read.outputAudioTokens)).toBeLessThanOrEqual(read.outputTokens);
      expect(read.cacheReadAudioTokens).toBeLessThanOrEqual(Math.min(read.cacheReadTokens, read.inputAudioTokens));
    }),
    { numRuns: 1_000 },
  );
});

test("what is encoded is read again", () => {
  const usage = {
    ...noUsage,
    inputTokens: 100,
    outputTokens: 20,
    cacheReadTokens: 10,
    cacheWriteTokens: 20,
    reasoningTokens: 5,
    inputAudioTokens: 3,
    outputAudioTokens: 4,
  };
  expect(decodeUsage(encodeUsage({ usage, anomalous: false }))).toEqual({ usage, anomalous: false });
});
