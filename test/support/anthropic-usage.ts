import type { Json, JsonObject } from "../../core/chat/json.ts";

/** The tokens of `Usage` that a recording of Anthropic's Messages must lead to; what is not named is 0. */
interface ExpectedUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly reasoningTokens: number;
}

/** Read independently of the product, from the vendor's own fields, of a whole answer. */
export const answerUsage = (body: JsonObject): ExpectedUsage => expected(object(body["usage"]));

/** The same of a stream's events: what `message_start` says, with what each `message_delta` says laid over it. */
export function streamUsage(events: readonly JsonObject[]): ExpectedUsage {
  const told = events.flatMap((event) => {
    const usage = event["type"] === "message_start" ? object(event["message"])["usage"] : event["usage"];
    return Object.entries(object(usage)).filter(([, value]) => value !== null);
  });
  return expected(Object.fromEntries(told));
}

/** Steps that another model took, or a compaction, are in no total. */
function expected(usage: JsonObject): ExpectedUsage {
  const iterations = Array.isArray(usage["iterations"]) ? usage["iterations"].map(object) : [];
  const all = [usage, ...iterations.filter(({ type }) => type !== "message")];
  const sum = (...path: readonly string[]) => all.reduce((total, counts) => total + count(counts, path), 0);
  const cacheReadTokens = sum("cache_read_input_tokens");
  const cacheWriteTokens = sum("cache_creation_input_tokens");
  return {
    inputTokens: sum("input_tokens") + cacheReadTokens + cacheWriteTokens,
    outputTokens: sum("output_tokens"),
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite1hTokens: sum("cache_creation", "ephemeral_1h_input_tokens"),
    reasoningTokens: sum("output_tokens_details", "thinking_tokens"),
  };
}

function count(usage: JsonObject, path: readonly string[]): number {
  const value = path.reduce<Json | undefined>((at, name) => object(at)[name], usage);
  return typeof value === "number" ? value : 0;
}

const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
