import type { JsonObject } from "./json.ts";
import type { ReportedUsage } from "./usage.ts";

/** A call for vectors, in no vendor's words. */
export interface EmbeddingsRequest {
  readonly model: string;
  /** Texts, or texts as lists of token ids. */
  readonly inputs: readonly (string | readonly number[])[];
  /** Length of each vector; `null`: the model's own. */
  readonly dimensions: number | null;
  /** What the vectors are for, in Google's words (`RETRIEVAL_QUERY`, …); `null`: not said. */
  readonly task: string | null;
  readonly user: string | null;
  /** As `ChatRequest.extensions`. */
  readonly extensions: JsonObject;
}

export interface EmbeddingsResponse {
  readonly model: string;
  /** One vector an input, in their order. */
  readonly vectors: readonly (readonly number[])[];
  readonly usage: ReportedUsage | null;
  /** As `ChatRequest.extensions`. */
  readonly extensions: JsonObject;
}

/** The answer to a call that asks how many tokens a chat request has. */
export interface TokenCount {
  readonly inputTokens: number;
  /** As `ChatRequest.extensions`. */
  readonly extensions: JsonObject;
}
