import type { Json, JsonObject } from "./json.ts";
import type { Citation, MediaPart } from "./request.ts";
import type { ReportedUsage } from "./usage.ts";

/**
 * An answer as it comes. Grammar: one `response-start`; then blocks, each `…-start`, any `…-delta`, `…-end`, or one event
 * that is the whole block (`media`, `other`), and never two open blocks of the same `index` in one candidate; a
 * `candidate-end` for each candidate; one `response-end` last. Blocks may overlap in time: parallel tool calls do.
 */
export type ChatEvent =
  | {
      readonly type: "response-start";
      readonly id: string;
      readonly model: string;
      readonly createdMs: number;
      /** What the vendor said of the answer before it began, for its own dialect alone; `response-end` has the last word. */
      readonly extensions?: JsonObject;
    }
  | ({ readonly type: "text-start" } & Start)
  /** `logprobs` as in `Candidate`, of the tokens of this delta. */
  | ({ readonly type: "text-delta"; readonly text: string; readonly logprobs?: Json } & At)
  | ({
      readonly type: "text-end";
      readonly signature?: string;
      readonly citations?: readonly Citation[];
      readonly extensions?: JsonObject;
    } & At)
  | ({ readonly type: "reasoning-start" } & Start)
  | ({ readonly type: "reasoning-delta"; readonly text: string } & At)
  | ({
      readonly type: "reasoning-end";
      readonly signature?: string;
      readonly encrypted?: string;
      readonly extensions?: JsonObject;
    } & At)
  | ({ readonly type: "refusal-start" } & Start)
  | ({ readonly type: "refusal-delta"; readonly text: string } & At)
  | ({ readonly type: "refusal-end"; readonly extensions?: JsonObject } & At)
  | ({
      readonly type: "tool-input-start";
      readonly id: string;
      readonly name: string;
      readonly custom?: boolean;
    } & Start)
  | ({ readonly type: "tool-input-delta"; readonly text: string } & At)
  | ({ readonly type: "tool-input-end"; readonly signature?: string; readonly extensions?: JsonObject } & At)
  /** An image, audio clip or file that the model made, whole. */
  | ({ readonly type: "media"; readonly part: MediaPart } & At)
  /** A block that only the provider's dialect has a word for, as `OtherPart`. */
  | ({ readonly type: "other"; readonly extensions: JsonObject } & At)
  | {
      readonly type: "candidate-end";
      readonly candidate: number;
      readonly finish: Finish;
      readonly extensions?: JsonObject;
    }
  | { readonly type: "response-end"; readonly usage: ReportedUsage | null; readonly extensions?: JsonObject };

interface At {
  /** Which of the asked-for answers, from 0. */
  readonly candidate: number;
  /** Which block of that answer, from 0, dense. */
  readonly index: number;
}

interface Start extends At {
  /** What the vendor said of the block before it began, for its own dialect alone; the `…-end` has the last word. */
  readonly extensions?: JsonObject;
}

export interface Finish {
  readonly reason: "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other";
  /** The vendor's own word; `null` when it said none. */
  readonly raw: string | null;
  readonly stopSequence?: string;
}

export type ChatStream = AsyncIterable<ChatEvent>;
