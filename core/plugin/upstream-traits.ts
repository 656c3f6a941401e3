import type { ParameterName } from "../chat/parameters.ts";

/** What an upstream takes beside what its dialect says. */
export interface UpstreamTraits {
  /** The upstream refuses `stream_options`; its streams report usage unasked or not at all. */
  readonly refusesStreamOptions?: boolean;
  /** The upstream's name of the cap on output tokens where the dialect has several; default `max_completion_tokens`. */
  readonly maxOutputTokensField?: string;
  /** Settings that the upstream refuses although its dialect has them. What is translated goes without them. */
  readonly refuses?: readonly ParameterName[];
  /** The upstream knows the role `developer` in OpenAI's chat completions; else what is translated says `system`. */
  readonly developerRole?: boolean;
  /** Where it takes what its model thought in earlier turns, in OpenAI's chat completions; default `reasoning_content`. */
  readonly reasoningField?: ReasoningField;
  /** How many stop sequences it takes in OpenAI's chat completions; without a bound where absent. */
  readonly maxStop?: number;
}
/** `none`: it refuses such a field, or has no use for it. */
export type ReasoningField = "reasoning_content" | "reasoning" | "none";
