import type { ErrorDetails, ErrorKind } from "../chat/error.ts";
import type { EmbeddingsRequest, EmbeddingsResponse, TokenCount } from "../chat/embeddings.ts";
import type { ChatEvent } from "../chat/event.ts";
import type { Json, JsonObject } from "../chat/json.ts";
import type { ChatRequest, MediaPart, TextPart } from "../chat/request.ts";
import type { ChatResponse } from "../chat/response.ts";
import type { ReportedUsage } from "../chat/usage.ts";
import type { Member } from "./json-text.ts";
import type { OtherModel } from "./other-models.ts";
import type { ParameterPlaces } from "./parameters.ts";

export type DialectName = "openai-chat" | "openai-responses" | "anthropic-messages" | "gemini";
export const operations = ["chat", "embeddings", "count-tokens", "images", "audio", "moderation", "rerank"] as const;
export type Operation = (typeof operations)[number];

/**
 * A wire protocol: pure codecs between its JSON and the canonical model, and what the relay needs to pass its bytes on
 * without decoding them. A dialect knows no vendor, no URL and no credential.
 */
export interface Dialect {
  readonly name: DialectName;
  /** What the translation must know of targets and clients that speak it. */
  readonly traits: Traits;
  /** What the pipeline must know before sending. `bytes`: length of the body. Throws `invalid-request` naming `param`. */
  readEnvelope(body: JsonObject, bytes: number, path?: InPath): Envelope;
  /** Throws `invalid-request` naming `param` for what the protocol does not allow. */
  decodeRequest(body: JsonObject, path?: InPath): ChatRequest;
  /** The request for a target that speaks this dialect. `model` is the target's. What cannot be said becomes a warning. */
  encodeRequest(request: ChatRequest, model: string): Encoded;
  /** Throws `upstream-invalid` when the body is not an answer of this protocol. */
  decodeResponse(body: JsonObject): ChatResponse;
  /** `asked`: the request it answers, for protocols that repeat its settings. */
  encodeResponse(response: ChatResponse, asked?: ChatRequest): JsonObject;
  /** A fresh decoder for one stream: SSE data in, canonical events out. */
  decodeStream(): StreamDecoder;
  /** A fresh encoder for one stream: canonical events in, SSE text out. `asked` as for `encodeResponse`. */
  encodeStream(options: { readonly includeUsage: boolean; readonly asked?: ChatRequest }): StreamEncoder;
  /** What a provider meant by a non-200 body or an error event; tolerant of every shape vendors use. */
  decodeError(body: Json): VendorError;
  /** The body of an error answer, in this protocol's own shape. */
  encodeError(error: ErrorBody): JsonObject;
  /** The terminal SSE text of a stream that failed after its first byte; no `[DONE]` follows. */
  encodeStreamError(error: ErrorBody): string;
  readonly relay: Relay;
  /** Where a chat request says what an operator may drop or set. */
  readonly parameters: ParameterPlaces;
  /** What it has besides chat. */
  readonly operations: Operations;
}

/** What the path of a request says in dialects whose bodies do not (Gemini). */
export interface InPath {
  readonly model: string;
  readonly stream: boolean;
}

/** The body for a target, and what of the request it does not say, each a short sentence. */
export interface Encoded {
  readonly body: JsonObject;
  readonly warnings: readonly string[];
}

export interface Traits {
  /** Tools that take free text exist; where not, the translation makes them functions with one string. */
  readonly customTools: boolean;
  /** Its clients send signatures and encrypted reasoning back as they got them; where not, the vault keeps them. */
  readonly keepsSignatures: boolean;
  /** A call of a tool has a place for a signature of its own, beside that of the reasoning; absent: it has none. */
  readonly signsCalls?: true;
  /** A part of another dialect's request as it is taken; `null`: not at all. Its type is in lower case, without parameters. */
  readonly takes: (part: MediaPart) => MediaPart | TextPart | null;
  /** Whether an answer has a place for what another dialect's model made. */
  readonly shows: (part: MediaPart) => boolean;
  /** A call is served fast only where its request says so, which `readEnvelope` tells; absent: a provider may do so unasked. */
  readonly fastWhenAsked?: true;
  /** The format of an answer is an object's, and JSON mode is refused unless a message has the word; absent: neither. */
  readonly objectFormats?: true;
  /** A whole answer may have a text in several parts, as its streams have; absent: each part is a text of its own. */
  readonly textInPieces?: true;
  /** What names of tools, and ids of calls in a request, must look like; the translation shortens what does not fit. */
  readonly toolName: RegExp;
  readonly toolCallId: RegExp;
  /** Of the fields that tools, messages and parts keep for a target of this dialect. */
  readonly spelling: Spelling;
  /** Headers of the client that belong to the protocol and go to a target that speaks it too. Lower case. */
  readonly requestHeaders: readonly string[];
  /** Where its SDK looks for the id of an answer, beside `x-request-id`. Lower case. */
  readonly requestIdHeader?: string;
}

export interface Spelling {
  /** They say in other words what is canonical, or ask for nothing: no loss elsewhere. */
  readonly ownWords: ReadonlySet<string>;
  /** Objects that have fields of their own in them. */
  readonly objects: ReadonlySet<string>;
}

export interface Operations {
  readonly embeddings?: OperationCodec<EmbeddingsRequest, EmbeddingsResponse>;
  readonly "count-tokens"?: OperationCodec<ChatRequest, TokenCount>;
}

/** As the methods of the same names in `Dialect`, for an operation that is answered in one piece. */
export interface OperationCodec<Asked, Answered> {
  readEnvelope(body: JsonObject, bytes: number, path?: InPath): Envelope;
  editRequest(source: string, edit: RequestEdit): string;
  decodeRequest(body: JsonObject, path?: InPath): Asked;
  encodeRequest(request: Asked, model: string): Encoded;
  decodeResponse(body: JsonObject): Answered;
  encodeResponse(response: Answered, asked: Asked): JsonObject;
  meterResponse(body: JsonObject): Metered;
}

/** What routing, admission and the relay read from a request. Parsed once, from headers down, never re-serialised. */
export interface Envelope {
  readonly model: string;
  readonly stream: boolean;
  /** The client wants the usage chunk itself (or its dialect always sends usage). */
  readonly includeUsage: boolean;
  /** The caller's cap on the output of one candidate, in tokens; `null` when it set none. */
  readonly maxOutputTokens: number | null;
  /** What of that cap the caller gives to reasoning; providers refuse a cap that is not above it. Absent: not said. */
  readonly reasoningTokens?: number;
  /** Answers asked for, ≥ 1. The output bound is the cap times this. */
  readonly candidates: number;
  /** What `editRequest` says otherwise than the client whatever the edit is, for a warning. Absent: nothing. */
  readonly changed?: string;
  /** Models besides `model` that a target of this dialect is told to run. Absent: none. */
  readonly otherModels?: { readonly dialect: DialectName; readonly models: readonly OtherModel[] };
  /** What a target of this dialect is told to serve the call in, by the name that prices of its own have. Absent: the usual. */
  readonly tier?: { readonly dialect: DialectName; readonly param: string; readonly name: string };
  readonly input: InputMeasure;
}

/** Upper bounds by content kind, from which admission computes the most tokens the input can be. */
export interface InputMeasure {
  /** Bytes of the body without inline media. */
  readonly textBytes: number;
  readonly functionTools: number;
  readonly images: number;
  readonly audioBytes: number;
  /** Something whose size the body does not show: a document, a file id, a stored state, a tool run by the provider. */
  readonly unbounded: boolean;
}

/** How to pass this dialect's bytes from a target that speaks it, changing nothing but what is named here. */
export interface Relay {
  /**
   * Splices values into the client's own JSON text; every other byte stays (big integers, lone surrogates, key order).
   * `source` is a JSON object that `readEnvelope` accepted.
   */
  editRequest(source: string, edit: RequestEdit): string;
  /** Reads usage, finish and fault of a whole answer. */
  meterResponse(body: JsonObject): Metered;
  /** A meter that looks at each SSE frame of one stream. `isSeveral`: more than one candidate was asked for. */
  meterStream(options: { readonly hideUsage: boolean; readonly isSeveral?: boolean }): StreamMeter;
}

export interface RequestEdit {
  /** The target's name of the model; a protocol that has it in the path leaves the body alone. */
  readonly model: string;
  /** Ask the upstream to report usage at the end of the stream. */
  readonly includeUsage: boolean;
  /** Sets the cap on output tokens, under the target's name for it; `null` leaves the request's own. */
  readonly maxOutputTokens: number | null;
  /** The target's name of the cap when the request has none of its own, e.g. `max_completion_tokens`. */
  readonly maxOutputTokensField: string;
  /** Where those of the text to edit stand, as `objectMembers` says; absent: not known. */
  readonly members?: readonly Member[] | undefined;
}

export interface StreamMeter {
  /** Looks at one complete frame. `false`: the client must not see it (the usage chunk that we asked for, not the client). */
  frame(frame: SseFrame): boolean;
  /**
   * Takes in, without an object for each, the frames that stand whole in `bytes` from `from` on, as long as each is like
   * those before it and is shown; tells where they end. Absent: none ever is.
   */
  run?(bytes: Uint8Array, from: number): number;
  result(): Metered;
  /**
   * The event that ends each stream and tells no more of the answer, where it has not come; else nothing. `isCut`: the
   * connection broke. Absent: the event that tells the end of the answer is the last.
   */
  missingEnd?(isCut: boolean): string;
}

export interface SseFrame {
  /** The frame as received, its terminating blank line included. */
  readonly bytes: Uint8Array;
  /** The joined `data:` lines by the WHATWG rules; `null` when the frame has none (a comment, say). */
  readonly data: string | null;
  /** The `event:` field; `null` when absent. */
  readonly event: string | null;
  /** The same bytes to compare with, which needs no decoding. */
  readonly raw: RawText;
}

/** Bytes as Latin-1, one UTF-16 unit a byte: those of `text` from `start` up to `end`. */
export interface RawText {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What the meter saw of an answer so far. */
export interface Metered {
  /** `null`: the provider reported none. The last report wins; reports are never added up. */
  readonly usage: ReportedUsage | null;
  /** Told at the start of a stream that has not told its `usage` yet: all of the input, of the output only the beginning. */
  readonly begun?: ReportedUsage | null;
  /** The vendor's own finish word of the first candidate. */
  readonly finish: string | null;
  /** The provider's id of the answer. */
  readonly upstreamId: string | null;
  /** Bytes of generated content (text, reasoning, tool input) seen, for estimates when usage never came. */
  readonly contentBytes: number;
  /** The answer came to its own end: a finish reason or the terminal event. */
  readonly complete: boolean;
  /** The terminal event has come, which no report of usage follows. Absent: it has not, or the protocol has none. */
  readonly isEnded?: boolean;
  /** An error inside a 200 answer. */
  readonly fault: VendorError | null;
}

export interface StreamDecoder {
  /** `event` is the frame's `event:` field. Throws `upstream-invalid` for data that is not of this protocol. */
  step(data: string, event: string | null): readonly ChatEvent[];
  /** The upstream's stream ended: closes what is open, and says whether the answer was complete. */
  end(): { readonly events: readonly ChatEvent[]; readonly complete: boolean };
}

export interface StreamEncoder {
  /** SSE text, terminated by its blank line; several frames or none. `response-end` brings the protocol's own terminator. */
  step(event: ChatEvent): string;
  /** As `encodeStreamError`, where the protocol's error depends on what was said before. */
  error?(error: ErrorBody): string;
}

/** An error as a vendor worded it. Fields a vendor leaves out are `null`. */
export interface VendorError {
  readonly message: string;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
}

/** An error as the client gets it; dialects only shape it. */
export interface ErrorBody {
  readonly kind: ErrorKind;
  readonly status: number;
  readonly message: string;
  readonly requestId: string;
  readonly details: ErrorDetails;
}
