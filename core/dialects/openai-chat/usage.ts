import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage, Usage } from "../../chat/usage.ts";
import { Counts } from "../counts.ts";

/**
 * What an OpenAI-style `usage` object says; `null` when it is no object or names no count at all.
 *
 * - `prompt_tokens` includes what was read from or written to the cache, whatever the vendor calls those, or `Counts.input`
 *   adds it.
 * - `completion_tokens` includes reasoning, or `Counts.output` adds it: xAI's, Vercel's of Gemini.
 * - A number that cannot be true is brought into range and marked, as `Counts` does; a part is never above its total.
 */
export function decodeUsage(usage: Json | undefined, serviceTier?: Json): ReportedUsage | null {
  if (!isJsonObject(usage)) return null;
  if (!namesCount(usage)) return null;
  const read = new Counts();

  const total = usage["total_tokens"] === undefined ? null : read.count(usage["total_tokens"]);
  const { prompt, completion } = totals(read, usage["prompt_tokens"], usage["completion_tokens"], total);

  const promptDetails = read.details(usage["prompt_tokens_details"]);
  const completionDetails = read.details(usage["completion_tokens_details"]);
  const reasoning = read.largest(completionDetails["reasoning_tokens"], usage["reasoning_tokens"]);
  const cacheRead = read.largest(
    promptDetails["cached_tokens"],
    usage["prompt_cache_hit_tokens"], // DeepSeek
    usage["cache_read_input_tokens"], // Databricks
    usage["num_cached_tokens"], // Mistral
    usage["cached_tokens"], // Moonshot, Together
  );
  const cacheWrite = read.largest(
    promptDetails["cache_write_tokens"], // OpenAI, OpenRouter
    usage["cache_creation_input_tokens"], // Databricks, Vercel
  );
  const cached = cacheRead + cacheWrite;
  const inputTokens = read.input({ said: prompt, cached, output: completion, reasoning, total });
  const outputTokens = read.output({ input: inputTokens, said: completion, reasoning, total });
  const cacheReadTokens = read.clamp(cacheRead, inputTokens);
  const cacheWriteTokens = read.clamp(cacheWrite, inputTokens - cacheReadTokens);
  const inputAudioTokens = read.clamp(read.largest(promptDetails["audio_tokens"]), inputTokens);
  const inputImageTokens = read.clamp(read.largest(promptDetails["image_tokens"]), inputTokens);
  const outputImageTokens = read.clamp(read.largest(completionDetails["image_tokens"]), outputTokens);
  const webSearches = read.largest(
    read.details(usage["server_tool_use"])["web_search_requests"], // OpenRouter
    usage["num_search_queries"], // Perplexity
  );
  const cachedDetails = read.details(promptDetails["cached_tokens_details"]);
  const counted: { -readonly [Field in keyof Usage]: Usage[Field] } = {
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite1hTokens: 0,
    reasoningTokens: read.clamp(reasoning, outputTokens),
    inputAudioTokens,
    cacheReadAudioTokens: read.clamp(
      read.largest(cachedDetails["audio_tokens"]),
      Math.min(cacheReadTokens, inputAudioTokens),
    ),
    outputAudioTokens: read.clamp(read.largest(completionDetails["audio_tokens"]), outputTokens),
  };
  if (inputImageTokens > 0) counted.inputImageTokens = inputImageTokens;
  if (outputImageTokens > 0) counted.outputImageTokens = outputImageTokens;
  if (webSearches > 0) counted.webSearches = webSearches;
  const { anomalous } = read;
  const tier = usage["service_tier"] ?? serviceTier;
  return typeof tier === "string" ? { usage: counted, anomalous, serviceTier: tier } : { usage: counted, anomalous };
}

/** A report in the middle of a stream that does not know the output yet (Databricks): useless if the stream is cut. */
export const isInterimUsage = (usage: JsonObject): boolean =>
  usage["completion_tokens"] === null && usage["total_tokens"] === null;

/** The fields in the order OpenAI sends them. Fields that `Usage` does not know are 0 or absent. */
export const encodeUsage = ({ usage }: ReportedUsage): JsonObject => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  prompt_tokens_details: {
    cached_tokens: usage.cacheReadTokens,
    ...(usage.cacheWriteTokens > 0 ? { cache_write_tokens: usage.cacheWriteTokens } : {}),
    audio_tokens: usage.inputAudioTokens,
  },
  completion_tokens_details: {
    reasoning_tokens: usage.reasoningTokens,
    audio_tokens: usage.outputAudioTokens,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
});

const namesCount = (usage: JsonObject): boolean =>
  usage["prompt_tokens"] !== undefined ||
  usage["completion_tokens"] !== undefined ||
  usage["total_tokens"] !== undefined;

/** A total that the vendor left out follows from the others: embeddings have no `completion_tokens`. */
function totals(read: Counts, said: Json | undefined, completion: Json | undefined, total: number | null) {
  const prompt = said ?? undefined;
  if (said === null) read.anomalous = true;
  if (prompt === undefined && completion !== undefined && total !== null) {
    const output = read.count(completion);
    if (output > 0 && total <= output) read.anomalous = true;
    return { prompt: Math.max(total - output, 0), completion: output };
  }
  const input = prompt === undefined && total !== null ? total : read.count(prompt);
  if (prompt === undefined) read.anomalous = true;
  if (completion === undefined && total !== null) return { prompt: input, completion: Math.max(total - input, 0) };
  return { prompt: input, completion: read.count(completion) };
}

/** The tier that served the call, in an answer of either of OpenAI's protocols; nothing where they have no word for it. */
export function tierField(usage: ReportedUsage | null): JsonObject {
  const tier = usage?.serviceTier === "standard" ? "default" : usage?.serviceTier;
  return tier !== undefined && tiers.has(tier) ? { service_tier: tier } : {};
}

const tiers: ReadonlySet<string> = new Set(["default", "flex", "priority"]);
