import { expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import { noUsage, type Usage } from "../../../core/chat/usage.ts";
import { decodeUsage } from "../../../core/dialects/openai-responses/usage.ts";

const cases: readonly [of: string, usage: JsonObject, expected: Partial<Usage>, anomalous: boolean][] = [
  [
    "reasoning within the output",
    { output_tokens: 20, total_tokens: 30, output_tokens_details: { reasoning_tokens: 15 } },
    { outputTokens: 20, reasoningTokens: 15 },
    false,
  ],
  [
    "reasoning beside the output, by the total",
    { output_tokens: 20, total_tokens: 45, output_tokens_details: { reasoning_tokens: 15 } },
    { outputTokens: 35, reasoningTokens: 15 },
    false,
  ],
  [
    "more reasoning than output",
    { output_tokens: 20, total_tokens: 30, output_tokens_details: { reasoning_tokens: 25 } },
    { outputTokens: 45, reasoningTokens: 25 },
    true,
  ],
  ["a total above the sum", { output_tokens: 20, total_tokens: 1_030 }, { outputTokens: 1_020 }, true],
  ["no input", { input_tokens: null, output_tokens: 20, total_tokens: 30 }, { outputTokens: 20 }, true],
  [
    "a cache beside the input, by the total",
    { output_tokens: 20, total_tokens: 1_530, input_tokens_details: { cached_tokens: 1_000, cache_write_tokens: 500 } },
    { inputTokens: 1_510, cacheReadTokens: 1_000, cacheWriteTokens: 500, outputTokens: 20 },
    false,
  ],
  ["a total below the sum", { output_tokens: 20, total_tokens: 12 }, { outputTokens: 20 }, true],
];
test.each(cases)("%s", (_, usage, expected, anomalous) => {
  const read = decodeUsage({ input_tokens: 10, ...usage });
  expect(read).toMatchObject({ usage: { ...noUsage, inputTokens: 10, ...expected }, anomalous });
});
