import type { JsonObject } from "./json.ts";

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
  /**
   * What the call cannot do without and only a target of the client's own dialect can give: stored state, a tool that the
   * provider runs. Translation refuses the call and names it; everything else that cannot be said becomes a warning.
   */
  readonly nativeOnly: readonly NativeOnly[];
  /** The client's own id of its end user, passed on for abuse detection. */
  readonly user: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly serviceTier: string | null;
  /** The client's own name for prompts that begin alike, by which a provider finds what it has cached. */
  readonly cacheKey?: string;
  /** How much the model is to say: `low`, `medium`, `high`. */
  readonly verbosity?: string;
  /** The answer is to say which words of the request's documents it has its own from. */
  readonly citesDocuments?: true;
  /**
   * Fields of the client's dialect that have no canonical name, kept for a target that speaks the same dialect. Here and
   * in every other `extensions`: an object per dialect, under the dialect's name, so that no other dialect writes it out.
   */
  readonly extensions: JsonObject;
}

export interface NativeOnly {
  /** The field at fault in the client's dialect, e.g. `previous_response_id` or `tools[2]`. */
  readonly param: string;
  /** What it is, to stand in an error: `a stored response`, `the tool web_search`. */
  readonly what: string;
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
  readonly citations?: readonly Citation[];
  /** A thought signature that a vendor put on this text. */
  readonly signature?: string;
}
/** Where a text, or a piece of it, has its words from. `extensions` keep the dialect's own form, whole. */
export interface Citation extends Extensible {
  /** `null`: not a page of the web but a document of the request. */
  readonly url: string | null;
  readonly title: string | null;
  /** The words cited. */
  readonly quote: string | null;
  /**
   * What of the text it supports, as UTF-16 offsets; `null` where the vendor does not say. Below 0: of the texts before it
   * in the answer, which had ended when the vendor said so.
   */
  readonly start: number | null;
  readonly end: number | null;
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
  /**
   * Proof of origin that the vendor wants back unchanged on the next turn. Here and in every other part: opaque, written
   * out as it is. Whose it is, the translation marks and checks, so no codec has to.
   */
  readonly signature?: string;
  /** Reasoning that only its vendor can read, besides or instead of `text`. */
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
export interface RefusalPart extends Extensible {
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
      /** JSON Schema of what it returns. */
      readonly returns?: JsonObject;
      readonly strict: boolean | null;
    } & Cacheable)
  /** Takes free text, perhaps held to a grammar. */
  | ({
      readonly type: "custom";
      readonly name: string;
      readonly description: string | null;
      readonly format: JsonObject | null;
    } & Cacheable)
  /** Run by the provider itself; only a target of the same dialect can take it, so it is among `nativeOnly` too. */
  | { readonly type: "server"; readonly dialect: string; readonly definition: JsonObject };

export type ToolChoice =
  | {
      readonly type: "auto" | "none" | "required";
      /** Only these of the tools, by name; absent: all. */
      readonly allowed?: readonly string[];
    }
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
  /** `none` (off), `minimal`, `low`, `medium`, `high`, …: a vendor's own word is kept. */
  readonly effort: string | null;
  /** 0: off; -1: as much as the model finds right; `null`: not said. */
  readonly budgetTokens: number | null;
  /** Whether the client wants to read it (a summary, the thoughts); `null`: not said. */
  readonly show: boolean | null;
}

/** A request that says nothing but a word. */
export const bareRequest: ChatRequest = {
  model: "",
  messages: [{ role: "user", parts: [{ type: "text", text: "." }] }],
  tools: [],
  toolChoice: null,
  parallelToolCalls: null,
  maxOutputTokens: null,
  candidates: 1,
  stream: false,
  temperature: null,
  topP: null,
  topK: null,
  frequencyPenalty: null,
  presencePenalty: null,
  seed: null,
  stop: [],
  format: { type: "text" },
  reasoning: null,
  logprobs: null,
  nativeOnly: [],
  user: null,
  metadata: {},
  serviceTier: null,
  extensions: {},
};
