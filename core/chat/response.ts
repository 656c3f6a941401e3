import type { Finish } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Part } from "./request.ts";
import type { ReportedUsage } from "./usage.ts";

/** A whole answer, in no vendor's words: what the events of a stream add up to. */
export interface ChatResponse {
  readonly id: string;
  readonly model: string;
  readonly createdMs: number;
  readonly candidates: readonly Candidate[];
  readonly usage: ReportedUsage | null;
  /** Fields without a canonical name, kept under the dialect's name for a client that speaks the same dialect. */
  readonly extensions: JsonObject;
}

export interface Candidate {
  readonly parts: readonly Part[];
  readonly finish: Finish;
  /** As openai-chat has it, which every vendor's can be told in: `{content: [{token, logprob, bytes, top_logprobs}], refusal}`. */
  readonly logprobs?: Json;
  /** As `ChatResponse.extensions`. */
  readonly extensions?: JsonObject;
}
