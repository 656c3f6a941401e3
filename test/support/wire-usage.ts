import { framesOf, type Recording } from "./wire.ts";

/** The tokens of `v_usage` that a recording of OpenAI Chat must lead to. */
export interface ExpectedUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
}

/** Read independently of the product, from the vendor's own fields. `null`: the recording reports no usage. */
export function expectedUsage(recording: Recording): ExpectedUsage | null {
  const usage = reported(recording);
  if (!usage) return null;
  const input = count(usage, "prompt_tokens");
  const completion = count(usage, "completion_tokens");
  const total = count(usage, "total_tokens");
  const reasoning = count(usage, "completion_tokens_details", "reasoning_tokens");
  // Some vendors count reasoning beside the completion; the total tells, or that there is more of it.
  const isBeside = reasoning > completion || (reasoning > 0 && total === input + completion + reasoning);
  const output = isBeside ? completion + reasoning : completion;
  const cacheRead =
    count(usage, "prompt_tokens_details", "cached_tokens") ||
    count(usage, "prompt_cache_hit_tokens") ||
    count(usage, "cache_read_input_tokens") ||
    count(usage, "num_cached_tokens");
  const cacheWrite =
    count(usage, "prompt_tokens_details", "cache_write_tokens") || count(usage, "cache_creation_input_tokens");
  return {
    input_tokens: input,
    output_tokens: output,
    // A part is never above its total, whatever the vendor says (xAI reports more cached than prompt tokens).
    cache_read_tokens: Math.min(cacheRead, input),
    cache_write_tokens: Math.min(cacheWrite, input),
    reasoning_tokens: Math.min(reasoning, output),
  };
}

/** The last usage object of a stream (reports are cumulative), or that of the whole answer. */
function reported(recording: Recording): unknown {
  if (recording.response.sse === undefined) return field(recording.response.body, "usage") ?? null;
  return framesOf(recording.response.sse).reduce<unknown>((last, frame) => frame.data?.usage ?? last, null);
}

const count = (usage: unknown, ...path: readonly string[]): number => {
  const value = path.reduce<unknown>(field, usage);
  return typeof value === "number" ? value : 0;
};

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
