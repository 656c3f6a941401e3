import type { Json, JsonObject } from "./json.ts";
import type { ReportedUsage } from "./usage.ts";

/**
 * An answer as it comes. Grammar: one `response-start`; then blocks, each `…-start`, any `…-delta`, `…-end`, and never
 * two open blocks of the same `index` in one candidate; a `candidate-end` for each candidate; one `response-end` last.
 */
export type ChatEvent =
  | { readonly type: "response-start"; readonly id: string; readonly model: string; readonly createdMs: number }
  | ({ readonly type: "text-start" } & At)
  | ({ readonly type: "text-delta"; readonly text: string; readonly logprobs?: Json } & At)
  | ({ readonly type: "text-end"; readonly signature?: string; readonly citations?: readonly Json[] } & At)
  | ({ readonly type: "reasoning-start" } & At)
  | ({ readonly type: "reasoning-delta"; readonly text: string } & At)
  | ({
      readonly type: "reasoning-end";
      readonly signature?: string;
      readonly encrypted?: string;
      readonly extensions?: JsonObject;
    } & At)
  | ({ readonly type: "refusal-start" } & At)
  | ({ readonly type: "refusal-delta"; readonly text: string } & At)
  | ({ readonly type: "refusal-end" } & At)
  | ({ readonly type: "tool-input-start"; readonly id: string; readonly name: string; readonly custom?: boolean } & At)
  | ({ readonly type: "tool-input-delta"; readonly text: string } & At)
  | ({ readonly type: "tool-input-end"; readonly signature?: string } & At)
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

export interface Finish {
  readonly reason: "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other";
  /** The vendor's own word; `null` when it said none. */
  readonly raw: string | null;
  readonly stopSequence?: string;
}

export type ChatStream = AsyncIterable<ChatEvent>;
