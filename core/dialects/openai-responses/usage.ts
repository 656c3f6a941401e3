import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import { Counts } from "../counts.ts";

/**
 * What a `usage` object says; `null` when it is no object or names no count at all.
 *
 * - `input_tokens` includes what was read from or written to the cache, or `Counts.input` adds it.
 * - `output_tokens` includes reasoning, or `Counts.output` adds it.
 * - A number that cannot be true is brought into range and marked, as `Counts` does; a part is never above its total.
 * - Searches of the web and of files are billed by the piece and are not in it: `output` has them. Pages that are opened
 *   cost nothing (https://platform.openai.com/docs/guides/tools-web-search).
 */
export function decodeUsage(usage: Json | undefined, serviceTier?: Json, output?: Json): ReportedUsage | null {
  if (!isJsonObject(usage)) return null;
  const { input_tokens: input, output_tokens: said, total_tokens: sum } = usage;
  if (input === undefined && said === undefined && sum === undefined) return null;
  const read = new Counts();
  const total = sum === undefined ? null : read.count(sum);
  if (input === undefined || input === null || said === undefined) read.anomalous = true;
  // One that is left out follows from the total.
  const rest = total === null || said === undefined ? total : Math.max(total - read.count(said), 0);
  const asked = read.count(input ?? rest);
  const told = said === undefined && total !== null ? Math.max(total - asked, 0) : read.count(said ?? null);

  const inputDetails = read.details(usage["input_tokens_details"]);
  const outputDetails = read.details(usage["output_tokens_details"]);
  const reasoning = read.largest(outputDetails["reasoning_tokens"]);
  const cacheRead = read.largest(inputDetails["cached_tokens"]);
  const cacheWrite = read.largest(inputDetails["cache_write_tokens"]);
  const inputTokens = read.input({ said: asked, cached: cacheRead + cacheWrite, output: told, reasoning, total });
  const outputTokens = read.output({ input: inputTokens, said: told, reasoning, total });

  const cacheReadTokens = read.clamp(cacheRead, inputTokens);
  const inputAudioTokens = read.clamp(read.largest(inputDetails["audio_tokens"]), inputTokens);
  const tier = usage["service_tier"] ?? serviceTier;
  const webSearches = searchesIn(output);
  const fileSearches = fileSearchesIn(output);
  const images = imagesIn(output);
  return {
    usage: {
      inputTokens,
      outputTokens,
      cacheReadTokens,
      cacheWriteTokens: read.clamp(cacheWrite, inputTokens - cacheReadTokens),
      cacheWrite1hTokens: 0,
      reasoningTokens: read.clamp(reasoning, outputTokens),
      inputAudioTokens,
      cacheReadAudioTokens: 0,
      outputAudioTokens: read.clamp(read.largest(outputDetails["audio_tokens"]), outputTokens),
      ...(webSearches > 0 && { webSearches }),
      ...(fileSearches > 0 && { fileSearches }),
      ...(images > 0 && { images }),
    },
    anomalous: read.anomalous,
    ...(typeof tier === "string" ? { serviceTier: tier } : {}),
  };
}

function searchesIn(output: Json | undefined): number {
  if (!isJsonArray(output)) return 0;
  return output.filter((item: Json) => {
    if (!isJsonObject(item) || item["type"] !== "web_search_call") return false;
    const { action } = item;
    // From before there were actions, every call was a search.
    return !isJsonObject(action) || action["type"] === undefined || action["type"] === "search";
  }).length;
}

/** An item is one call, however many questions it asks (https://platform.openai.com/docs/guides/tools-file-search). */
const fileSearchesIn = (output: Json | undefined): number =>
  isJsonArray(output)
    ? output.filter((item: Json) => isJsonObject(item) && item["type"] === "file_search_call").length
    : 0;

/**
 * What the tool for images made, which may be billed by the piece
 * (https://platform.openai.com/docs/guides/tools-image-generation). A whole answer may still call one `generating`.
 */
const imagesIn = (output: Json | undefined): number =>
  isJsonArray(output)
    ? output.filter(
        (item: Json) =>
          isJsonObject(item) &&
          item["type"] === "image_generation_call" &&
          (item["status"] === "completed" || typeof item["result"] === "string"),
      ).length
    : 0;

export const encodeUsage = ({ usage }: ReportedUsage): JsonObject => ({
  input_tokens: usage.inputTokens,
  input_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens },
  output_tokens: usage.outputTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.inputTokens + usage.outputTokens,
});
