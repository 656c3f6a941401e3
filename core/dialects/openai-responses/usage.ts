import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import { Counts } from "../counts.ts";

/**
 * What a `usage` object says; `null` when it is no object or names no count at all.
 *
 * - `input_tokens` includes what was read from or written to the cache.
 * - `output_tokens` includes reasoning, unless `total_tokens` is the sum of all three; then it is added.
 * - A number that cannot be true is brought into range and marked, as `Counts` does; a part is never above its total.
 */
export function decodeUsage(usage: Json | undefined, serviceTier?: Json): ReportedUsage | null {
  if (!isJsonObject(usage)) return null;
  const { input_tokens: input, output_tokens: output, total_tokens: sum } = usage;
  if (input === undefined && output === undefined && sum === undefined) return null;
  const read = new Counts();
  const total = sum === undefined ? null : read.count(sum);
  // One that is left out follows from the total.
  const inputTokens = input === undefined && total !== null && output === undefined ? total : read.count(input ?? null);
  const told = output === undefined && total !== null ? Math.max(total - inputTokens, 0) : read.count(output ?? null);
  if (input === undefined || output === undefined) read.anomalous = true;

  const inputDetails = read.details(usage["input_tokens_details"]);
  const outputDetails = read.details(usage["output_tokens_details"]);
  const reasoning = read.largest(outputDetails["reasoning_tokens"]);
  const isOutside = reasoning > 0 && total === inputTokens + told + reasoning;
  if (total !== null && !isOutside && total !== inputTokens + told) read.anomalous = true;
  const outputTokens = isOutside ? read.clamp(told + reasoning, Number.MAX_SAFE_INTEGER) : told;

  const cacheReadTokens = read.clamp(read.largest(inputDetails["cached_tokens"]), inputTokens);
  const inputAudioTokens = read.clamp(read.largest(inputDetails["audio_tokens"]), inputTokens);
  const tier = usage["service_tier"] ?? serviceTier;
  return {
    usage: {
      inputTokens,
      outputTokens,
      cacheReadTokens,
      cacheWriteTokens: read.clamp(read.largest(inputDetails["cache_write_tokens"]), inputTokens - cacheReadTokens),
      cacheWrite1hTokens: 0,
      reasoningTokens: read.clamp(reasoning, outputTokens),
      inputAudioTokens,
      cacheReadAudioTokens: 0,
      outputAudioTokens: read.clamp(read.largest(outputDetails["audio_tokens"]), outputTokens),
    },
    anomalous: read.anomalous,
    ...(typeof tier === "string" ? { serviceTier: tier } : {}),
  };
}

export const encodeUsage = ({ usage }: ReportedUsage): JsonObject => ({
  input_tokens: usage.inputTokens,
  input_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens },
  output_tokens: usage.outputTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.inputTokens + usage.outputTokens,
});
