import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../core/chat/json.ts";
import { framesOf, type Recording } from "./wire.ts";
import type { ExpectedUsage } from "./wire-usage.ts";

/** The tokens of `v_usage` that a recording must lead to, read from the vendor's own fields; `null`: it reports none. */
export const reportedUsage = {
  "openai-responses"(recording: Recording): ExpectedUsage | null {
    const usage = eventsOf(recording)
      .map((event) => object(recording.response.sse === undefined ? event : event["response"])["usage"])
      .findLast(isJsonObject);
    if (usage === undefined) return null;
    const input = count(usage["input_tokens"]);
    const details = object(usage["input_tokens_details"]);
    return {
      input_tokens: input,
      output_tokens: count(usage["output_tokens"]),
      cache_read_tokens: Math.min(count(details["cached_tokens"]), input),
      cache_write_tokens: count(details["cache_write_tokens"]),
      reasoning_tokens: count(object(usage["output_tokens_details"])["reasoning_tokens"]),
    };
  },
  /** Every chunk has a report, and the last counts. Thoughts are beside the candidates, results of tools beside the prompt. */
  gemini(recording: Recording): ExpectedUsage | null {
    const usage = eventsOf(recording)
      .map((event) => event["usageMetadata"] ?? event["usage_metadata"])
      .findLast(isJsonObject);
    // Of a prompt that was blocked it may tell no more than the kind of traffic.
    if (usage?.["promptTokenCount"] === undefined) return null;
    const thoughts = count(usage["thoughtsTokenCount"]);
    return {
      input_tokens: count(usage["promptTokenCount"]) + count(usage["toolUsePromptTokenCount"]),
      output_tokens: count(usage["candidatesTokenCount"]) + thoughts,
      cache_read_tokens: count(usage["cachedContentTokenCount"]),
      cache_write_tokens: 0,
      reasoning_tokens: thoughts,
    };
  },
} as const;

/** The whole answer, or each event of it. */
function eventsOf({ response }: Recording): readonly JsonObject[] {
  // What was parsed from JSON is JSON.
  const found = response.sse === undefined ? response.body : framesOf(response.sse).map(({ data }) => data);
  return (isJsonArray(found) ? found : [found as Json]).filter(isJsonObject);
}

const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
const count = (value: Json | undefined): number => (typeof value === "number" ? value : 0);
