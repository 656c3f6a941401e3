import type { Json, JsonObject } from "./json.ts";

/** A chat call in no vendor's words. Dialects decode to it and encode from it; nothing in it names a protocol. */
export interface ChatRequest {
  /** As the client asked; the target's own model name is chosen later. */
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | null;
  /** `null`: not said; the provider's own default holds. */
  readonly parallelToolCalls: boolean | null;
  /** Cap on the output of one candidate, reasoning included; `null`: not said. */
  readonly maxOutputTokens: number | null;
  /** How many answers are asked for, ≥ 1. */
  readonly candidates: number;
  readonly stream: boolean;
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly frequencyPenalty: number | null;
  readonly presencePenalty: number | null;
  readonly seed: number | null;
  readonly stop: readonly string[];
  readonly format: OutputFormat;
  readonly reasoning: Reasoning | null;
  /** How many alternatives to report for each token; `null`: no log probabilities. */
  readonly logprobs: number | null;
  /** The client's own id of its end user, passed on for abuse detection. */
  readonly user: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly serviceTier: string | null;
  /**
   * Fields of the client's dialect that have no canonical name, kept for a target that speaks the same dialect. Here and
   * in every other `extensions`: an object per dialect, under the dialect's name, so that no other dialect writes it out.
   */
  readonly extensions: JsonObject;
}

interface Extensible {
  /** As `ChatRequest.extensions`. */
  readonly extensions?: JsonObject;
}

export interface Message extends Extensible {
  /** `developer` is kept apart from `system`, because some targets rank them. `tool` carries tool results. */
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly name?: string;
  readonly parts: readonly Part[];
}

export type Part = TextPart | MediaPart | ReasoningPart | ToolCallPart | ToolResultPart | RefusalPart | OtherPart;

interface Cacheable extends Extensible {
  /** The client marked the prompt up to here for the provider's cache. */
  readonly cache?: { readonly ttl: "5m" | "1h" };
}
export interface TextPart extends Cacheable {
  readonly type: "text";
  readonly text: string;
  readonly citations?: readonly Json[];
  /** A thought signature that a vendor put on this text. */
  readonly signature?: string;
}
/** An image, audio clip or document: inline, by address, or by the vendor's file id. */
export interface MediaPart extends Cacheable {
  readonly type: "media";
  readonly kind: "image" | "audio" | "file";
  /** IANA media type, e.g. `image/png`; `null` when the client did not say. */
  readonly mediaType: string | null;
  readonly source:
    | { readonly by: "data"; readonly base64: string }
    | { readonly by: "url"; readonly url: string }
    | { readonly by: "id"; readonly id: string };
  readonly name?: string;
  /** How closely to look at an image: `low`, `high`, `auto`. */
  readonly detail?: string;
}
export interface ReasoningPart extends Extensible {
  readonly type: "reasoning";
  readonly text: string;
  /** Proof of origin that the vendor wants back unchanged on the next turn. */
  readonly signature?: string;
  /** Encrypted reasoning; `text` is empty then. */
  readonly encrypted?: string;
}
export interface ToolCallPart extends Cacheable {
  readonly type: "tool-call";
  readonly id: string;
  readonly name: string;
  /** JSON text for a function, free text for a custom tool; never parsed here. */
  readonly input: string;
  readonly custom?: boolean;
  readonly signature?: string;
}
export interface ToolResultPart extends Cacheable {
  readonly type: "tool-result";
  readonly id: string;
  readonly parts: readonly (TextPart | MediaPart | OtherPart)[];
  readonly isError: boolean;
}
export interface RefusalPart {
  readonly type: "refusal";
  readonly text: string;
}
/** Content that only the client's dialect has a word for, whole, in its `extensions`; only a target of that dialect can take it. */
export interface OtherPart {
  readonly type: "other";
  readonly extensions: JsonObject;
}

export type Tool =
  | ({
      readonly type: "function";
      readonly name: string;
      readonly description: string | null;
      /** JSON Schema of the arguments. */
      readonly parameters: JsonObject | null;
      readonly strict: boolean | null;
    } & Extensible)
  /** Takes free text, perhaps held to a grammar. */
  | ({
      readonly type: "custom";
      readonly name: string;
      readonly description: string | null;
      readonly format: JsonObject | null;
    } & Extensible)
  /** Run by the provider itself; only a target of the same dialect can take it. */
  | { readonly type: "server"; readonly definition: JsonObject };

export type ToolChoice =
  | { readonly type: "auto" | "none" | "required" }
  | { readonly type: "tool"; readonly name: string; readonly custom?: boolean };

export type OutputFormat =
  | { readonly type: "text" }
  | { readonly type: "json" }
  | {
      readonly type: "json-schema";
      readonly name: string;
      readonly description: string | null;
      readonly schema: JsonObject;
      readonly strict: boolean | null;
    };

export interface Reasoning {
  /** `none`, `minimal`, `low`, `medium`, `high`, …: a vendor's own word is kept. */
  readonly effort: string | null;
  readonly budgetTokens: number | null;
}
