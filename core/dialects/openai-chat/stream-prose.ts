import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { keep, kept } from "./kept.ts";
import { decodeDetail } from "./reasoning.ts";
import type { CandidateState } from "./stream-candidate.ts";

export interface Prose {
  readonly kind: "text" | "reasoning" | "refusal";
  readonly index: number;
}

/** What the open block of reasoning has told beside its text. */
export interface ReasoningState {
  readonly signature: string | null;
  /** The fields its text came in. */
  readonly fields: readonly string[];
  readonly detail: JsonObject;
}
export const noReasoning: ReasoningState = { signature: null, fields: [], detail: {} };

/** One thing that a delta says. */
export type Piece =
  | { readonly kind: "text"; readonly text: string; readonly logprobs?: Json }
  | { readonly kind: "refusal"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string; readonly field: string | null }
  | { readonly kind: "signature"; readonly signature: string | null; readonly detail: JsonObject }
  | { readonly kind: "encrypted"; readonly encrypted: string; readonly detail: JsonObject };

/** Reasoning, content and refusal of a delta, in that order. */
export function proseDeltas(delta: JsonObject, logprobs: Json | undefined): readonly Piece[] {
  const { content, refusal } = delta;
  const pieces: Piece[] = [];
  addReasoning(delta, pieces);
  if (isText(content)) pieces.push({ kind: "text", text: content, ...(isNothing(logprobs) ? {} : { logprobs }) });
  if (isJsonArray(content)) pieces.push(...content.filter(isJsonObject).flatMap(contentPart));
  if (isText(refusal)) pieces.push({ kind: "refusal", text: refusal });
  return pieces;
}

/** Adds a piece to its block: opens one when none of its kind is open, and closes one of another kind first. */
export function say(state: CandidateState, piece: Piece, events: ChatEvent[]): CandidateState {
  if (piece.kind === "encrypted") return sayEncrypted(state, piece, events);
  const kind = piece.kind === "signature" ? "reasoning" : piece.kind;
  const opened = state.prose?.kind === kind ? state : open(closeProse(state, events), kind, events);
  const at = { candidate: state.candidate, index: opened.prose?.index ?? 0 };
  switch (piece.kind) {
    case "text":
      events.push({
        type: "text-delta",
        ...at,
        text: piece.text,
        ...(piece.logprobs === undefined ? {} : { logprobs: piece.logprobs }),
      });
      return opened;
    case "refusal":
      events.push({ type: "refusal-delta", ...at, text: piece.text });
      return opened;
    case "reasoning":
      events.push({ type: "reasoning-delta", ...at, text: piece.text });
      return { ...opened, reasoning: withField(opened.reasoning, piece.field) };
    case "signature":
      return {
        ...opened,
        reasoning: {
          ...opened.reasoning,
          signature: piece.signature ?? opened.reasoning.signature,
          detail: { ...opened.reasoning.detail, ...piece.detail },
        },
      };
  }
}

export function closeProse(state: CandidateState, events: ChatEvent[]): CandidateState {
  if (state.prose === null) return state;
  const { kind, index } = state.prose;
  const at = { candidate: state.candidate, index };
  if (kind === "text") {
    const { citations } = state;
    events.push({ type: "text-end", ...at, ...(citations.length === 0 ? {} : { citations }) });
    return { ...state, prose: null, citations: [] };
  }
  if (kind === "refusal") {
    events.push({ type: "refusal-end", ...at });
    return { ...state, prose: null };
  }
  const { signature, fields, detail } = state.reasoning;
  const isDefault = fields.length === 1 && fields[0] === "reasoning_content";
  const isDetailed = Object.keys(detail).length > 0;
  events.push({
    type: "reasoning-end",
    ...at,
    ...(signature === null ? {} : { signature }),
    ...keep({ ...(isDetailed ? { detail } : {}), ...(isDefault ? {} : { in: fields }) }),
  });
  return { ...state, prose: null, reasoning: noReasoning };
}

function open(state: CandidateState, kind: Prose["kind"], events: ChatEvent[]): CandidateState {
  const index = state.nextIndex;
  events.push({ type: `${kind}-start`, candidate: state.candidate, index });
  return { ...state, nextIndex: index + 1, prose: { kind, index } };
}

/** A block of its own: encrypted reasoning has no text. */
function sayEncrypted(
  state: CandidateState,
  piece: Piece & { kind: "encrypted" },
  events: ChatEvent[],
): CandidateState {
  const opened = open(closeProse(state, events), "reasoning", events);
  const at = { candidate: state.candidate, index: state.nextIndex };
  const { encrypted, detail } = piece;
  events.push({ type: "reasoning-end", ...at, encrypted, ...keep({ detail, in: [] }) });
  return { ...opened, prose: null };
}

/** The text comes in a flat field or in the details, often in both; signatures and encrypted blocks only in the details. */
function addReasoning(delta: JsonObject, pieces: Piece[]): void {
  const { reasoning_content: reasoned, reasoning, reasoning_details: details } = delta;
  const flat = isText(reasoned) ? reasoned : isText(reasoning) ? reasoning : null;
  if (flat !== null)
    pieces.push({ kind: "reasoning", text: flat, field: isText(reasoned) ? "reasoning_content" : "reasoning" });
  if (!isJsonArray(details)) return;
  for (const entry of details.filter(isJsonObject)) {
    const { text, signature, encrypted, ...part } = decodeDetail(entry);
    const { detail } = kept(part);
    const more = isJsonObject(detail) ? detail : {};
    if (encrypted !== undefined) {
      pieces.push({ kind: "encrypted", encrypted, detail: more });
      continue;
    }
    if (text !== "" && flat === null) pieces.push({ kind: "reasoning", text, field: null });
    if (text !== "" || signature !== undefined)
      pieces.push({ kind: "signature", signature: signature ?? null, detail: more });
  }
}

/** Mistral sends parts of `content` while it thinks. */
function contentPart(part: JsonObject): readonly Piece[] {
  if (part["type"] === "text") return isText(part["text"]) ? [{ kind: "text", text: part["text"] }] : [];
  if (part["type"] !== "thinking" || !isJsonArray(part["thinking"])) return [];
  const text = part["thinking"]
    .map((item: Json) => (isJsonObject(item) && isText(item["text"]) ? item["text"] : ""))
    .join("");
  return text === "" ? [] : [{ kind: "reasoning", text, field: "content" }];
}

const isNothing = (value: Json | undefined): value is null | undefined => value === undefined || value === null;
const isText = (value: Json | undefined): value is string => typeof value === "string" && value !== "";

function withField(reasoning: ReasoningState, field: string | null): ReasoningState {
  if (field === null || reasoning.fields.includes(field)) return reasoning;
  return { ...reasoning, fields: [...reasoning.fields, field] };
}
