import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReasoningPart } from "../../chat/request.ts";
import { isEmpty, without } from "../extensions.ts";
import { keep, kept } from "./kept.ts";

/*
 * A reasoning item has `summary` (what the vendor tells of its thoughts), `content` (the thoughts as they are, with vendors
 * that show them) and `encrypted_content`, the one place that clients send back as they got it. Answers of other vendors
 * have their signatures and encrypted thoughts there too, behind a word that says what they are. No vendor's own has a colon.
 */
const carried = { signature: "signature:", encrypted: "encrypted:", call: "call:", text: "text:" } as const;

/** What a client sent back in a reasoning item for another part of the answer. */
export type Carried =
  | { readonly of: "call"; readonly id: string; readonly signature: string }
  | { readonly of: "text"; readonly signature: string };

/** `null`: an item that stands for itself. */
export function decodeCarried({ encrypted_content: content }: JsonObject): Carried | null {
  if (typeof content !== "string") return null;
  if (content.startsWith(carried.text)) return { of: "text", signature: content.slice(carried.text.length) };
  const [opening, length] = /^call:(\d{1,9}):/.exec(content) ?? [];
  if (opening === undefined || length === undefined) return null;
  const end = opening.length + Number(length);
  return { of: "call", id: content.slice(opening.length, end), signature: content.slice(end) };
}

/** The item that carries the signature of the part before it. `callId`: the part is that call; `null`: a text. */
export const encodeCarried = (signature: string, callId: string | null): JsonObject => ({
  type: "reasoning",
  summary: [],
  encrypted_content:
    callId === null ? `${carried.text}${signature}` : `${carried.call}${callId.length}:${callId}${signature}`,
});

export function decodeReasoning(item: JsonObject): ReasoningPart {
  const { summary, content, encrypted_content: encrypted } = item;
  const summarised = textsOf(summary);
  const text = (summarised.length > 0 ? summarised : textsOf(content)).join(separator);
  if (typeof encrypted === "string" && encrypted.startsWith(carried.signature)) {
    return { type: "reasoning", text, signature: encrypted.slice(carried.signature.length) };
  }
  if (typeof encrypted === "string" && encrypted.startsWith(carried.encrypted)) {
    return { type: "reasoning", text, encrypted: encrypted.slice(carried.encrypted.length) };
  }
  const consumed = new Set(["type"]);
  if (typeof encrypted === "string" || encrypted === null) consumed.add("encrypted_content");
  const isRaw = isJsonArray(content) && content.length > 0;
  if (!isRaw) consumed.add("content");
  if (isPlainSummary(summary) && !(isRaw && summarised.length > 0)) consumed.add("summary");
  const own = without(item, consumed);
  return {
    type: "reasoning",
    text,
    ...(typeof encrypted === "string" && encrypted !== "" ? { encrypted } : {}),
    // Something is kept in any case: it tells this protocol's own thoughts from those of others.
    ...keep(isEmpty(own) ? { summary: summary ?? [] } : own),
  };
}

/** An item of an answer. */
export function encodeReasoning(part: ReasoningPart): JsonObject {
  const isOwn = !isEmpty(kept(part));
  const { signature, encrypted } = part;
  const content =
    encrypted !== undefined
      ? `${isOwn ? "" : carried.encrypted}${encrypted}`
      : signature === undefined
        ? null
        : `${carried.signature}${signature}`;
  return { ...itemOf(part), ...(content === null ? {} : { encrypted_content: content }) };
}

/**
 * An item of a request; `null`: thoughts without the vendor's proof, which it refuses. A client of another protocol may
 * have sent that proof back as the signature of what it could read.
 */
export function encodeReplayed(part: ReasoningPart): JsonObject | null {
  const proof = part.encrypted ?? part.signature;
  const isOwn = !isEmpty(kept(part));
  if (proof === undefined && !isOwn) return null;
  return { ...itemOf(part), ...(proof === undefined ? {} : { encrypted_content: proof }) };
}

/** Paragraphs, as vendors mean them. */
export const separator = "\n\n";

function itemOf(part: ReasoningPart): JsonObject {
  const { summary, content, ...own } = kept(part);
  const { text } = part;
  const summarised = textsOf(summary);
  const isSummarised = summarised.length > 0 && summarised.join(separator) === text;
  const isRaw = summarised.length === 0 && isJsonArray(content) && textsOf(content).join(separator) === text;
  const plain = text === "" ? [] : [{ type: "summary_text", text }];
  return {
    ...own,
    type: "reasoning",
    summary: isSummarised ? (summary ?? plain) : isRaw ? [] : plain,
    ...(isJsonArray(content) && (isRaw || isSummarised) ? { content } : {}),
  };
}

const textsOf = (list: Json | undefined): readonly string[] =>
  isJsonArray(list)
    ? list.flatMap((entry) => (isJsonObject(entry) && typeof entry["text"] === "string" ? [entry["text"]] : []))
    : [];

/** What is written from the text alone. */
function isPlainSummary(summary: Json | undefined): boolean {
  if (!isJsonArray(summary)) return false;
  const [first] = summary;
  if (first === undefined) return true;
  return summary.length === 1 && isJsonObject(first) && Object.keys(first).length === 2 && first["text"] !== "";
}
