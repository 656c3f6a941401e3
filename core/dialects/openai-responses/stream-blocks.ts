import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, type Json, type JsonObject } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";
import { decodeAnnotations } from "./annotations.ts";

/** `summary` and `raw` are reasoning: what is told of the thoughts, and the thoughts as they are. */
export type Kind = "text" | "refusal" | "summary" | "raw" | "tool-input";

export interface Block {
  readonly kind: Kind;
  /** `content_index` in a message; 0 in items that are one block. */
  readonly place: number;
  readonly index: number;
  /** UTF-16 units said so far. */
  readonly length: number;
  /** Which part of the thoughts was said last. */
  readonly part: number;
  readonly annotations: readonly JsonObject[];
  readonly done: boolean;
}

/** `null`: a part that only this dialect has a word for. */
export function kindOf(type: Json | undefined): Kind | null {
  return type === "output_text" || type === "text"
    ? "text"
    : type === "refusal"
      ? "refusal"
      : type === "reasoning_text"
        ? "raw"
        : null;
}

/** What an event of deltas adds to, and which of its fields counts the parts. */
export function deltaOf(type: string): { readonly kind: Kind; readonly partField: string } {
  switch (type) {
    case "response.output_text.delta":
      return textDelta;
    case "response.refusal.delta":
      return { kind: "refusal", partField: "content_index" };
    case "response.reasoning_summary_text.delta":
      return { kind: "summary", partField: "summary_index" };
    case "response.reasoning_text.delta":
      return { kind: "raw", partField: "content_index" };
    default:
      return { kind: "tool-input", partField: "content_index" };
  }
}

const textDelta = { kind: "text", partField: "content_index" } as const;

/** `says`: an empty part with what is known from the start. */
export function openBlock(index: number, kind: Kind, place: number, says: Part, events: ChatEvent[]): Block {
  events.push(startOf(index, says));
  return { kind, place, index, length: 0, part: 0, annotations: [], done: false };
}

export function lengthen(
  block: Block,
  piece: string,
  part: number,
  logprobs: Json | undefined,
  events: ChatEvent[],
): Block {
  const at = { candidate: 0, index: block.index };
  if (block.kind === "text") {
    const told = isJsonArray(logprobs) && logprobs.length > 0 ? { logprobs: { content: logprobs, refusal: null } } : {};
    events.push({ type: "text-delta", ...at, text: piece, ...told });
  } else events.push({ type: deltaTypes[block.kind], ...at, text: piece });
  return { ...block, length: block.length + piece.length, part };
}

/** `part`: the block in full; what of its text was not said yet is said now. `null`: it is not known. */
export function closeBlock(block: Block, part: Part | null, events: ChatEvent[]): void {
  const known = part !== null && kindsOf[part.type]?.includes(block.kind) ? part : null;
  const missing = known === null ? "" : textOf(known).slice(block.length);
  if (missing !== "") lengthen(block, missing, block.part, undefined, events);
  events.push(endOf(block.index, known ?? emptyPart(block.kind), block.annotations));
}

/** All events of a part that was not announced. Returns the index of the next block. */
export function sayWhole(index: number, part: Part, events: ChatEvent[]): number {
  const at = { candidate: 0, index };
  if (part.type === "media") events.push({ type: "media", ...at, part });
  else if (part.type === "other") events.push({ type: "other", ...at, extensions: part.extensions });
  else {
    const kind = kindsOf[part.type]?.[0];
    if (kind === undefined) return index;
    closeBlock(openBlock(index, kind, 0, part, events), part, events);
  }
  return index + 1;
}

function startOf(index: number, part: Part): ChatEvent {
  const { extensions } = part;
  const at = { candidate: 0, index, ...(extensions === undefined ? {} : { extensions }) };
  if (part.type === "tool-call") {
    const { id, name, custom } = part;
    return { type: "tool-input-start", ...at, id, name, ...(custom ? { custom } : {}) };
  }
  const type = part.type === "refusal" || part.type === "reasoning" ? part.type : "text";
  return { type: `${type}-start`, ...at };
}

function endOf(index: number, part: Part, annotations: readonly JsonObject[]): ChatEvent {
  const { extensions } = part;
  const at = { candidate: 0, index, ...(extensions === undefined ? {} : { extensions }) };
  switch (part.type) {
    case "reasoning": {
      const { signature, encrypted } = part;
      return {
        type: "reasoning-end",
        ...at,
        ...(signature === undefined ? {} : { signature }),
        ...(encrypted === undefined ? {} : { encrypted }),
      };
    }
    case "refusal":
      return { type: "refusal-end", ...at };
    case "tool-call":
      return { type: "tool-input-end", ...at };
    default: {
      const citations = (part.type === "text" ? part.citations : undefined) ?? decodeAnnotations(annotations);
      return { type: "text-end", ...at, ...(citations.length === 0 ? {} : { citations }) };
    }
  }
}

const emptyPart = (kind: Kind): Part =>
  kind === "tool-input"
    ? { type: "tool-call", id: "", name: "", input: "" }
    : { type: kind === "summary" || kind === "raw" ? "reasoning" : kind, text: "" };

const textOf = (part: Part): string => (part.type === "tool-call" ? part.input : "text" in part ? part.text : "");

const kindsOf: Readonly<Record<Part["type"], readonly Kind[] | undefined>> = {
  text: ["text"],
  refusal: ["refusal"],
  reasoning: ["summary", "raw"],
  "tool-call": ["tool-input"],
  media: undefined,
  other: undefined,
  "tool-result": undefined,
};

const deltaTypes = {
  refusal: "refusal-delta",
  summary: "reasoning-delta",
  raw: "reasoning-delta",
  "tool-input": "tool-input-delta",
} as const;
