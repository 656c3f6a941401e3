import type { Finish } from "../../chat/event.ts";
import type { Json } from "../../chat/json.ts";
import { enumWord } from "./spelling.ts";

/** Gemini ends with STOP also when it calls functions. `raw`: a word, or the number of one. */
export function decodeFinish(raw: Json | undefined, hasCalls: boolean): Finish {
  const word = finishWord(raw);
  const reason = word === null ? "other" : (reasons.get(word) ?? "other");
  return { reason: reason === "stop" && hasCalls ? "tool-calls" : reason, raw: word };
}

export const finishWord = (raw: Json | undefined): string | null => {
  const word = enumWord(raw, numbers);
  return word === unspecified ? null : word;
};

/** The vendor's own word where it is one of ours and still true. `other` is no failure, so it is STOP. */
export function encodeFinish({ reason, raw }: Finish): string {
  if (raw !== null && (reasons.get(raw) ?? "other") === (reason === "tool-calls" ? "stop" : reason) && isWord(raw))
    return raw;
  switch (reason) {
    case "length":
      return "MAX_TOKENS";
    case "content-filter":
      return "SAFETY";
    case "error":
      return "OTHER";
    case "stop":
    case "tool-calls":
    case "other":
      return "STOP";
  }
}

const unspecified = "FINISH_REASON_UNSPECIFIED";
/** By their numbers in the Gemini API, which Vertex shares as far as OTHER. */
const numbers = [
  unspecified,
  "STOP",
  "MAX_TOKENS",
  "SAFETY",
  "RECITATION",
  "OTHER",
  "LANGUAGE",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "MALFORMED_FUNCTION_CALL",
];

const reasons: ReadonlyMap<string, Finish["reason"]> = new Map([
  ["STOP", "stop"],
  ["MAX_TOKENS", "length"],
  ["SAFETY", "content-filter"],
  ["RECITATION", "content-filter"],
  ["LANGUAGE", "content-filter"],
  ["BLOCKLIST", "content-filter"],
  ["PROHIBITED_CONTENT", "content-filter"],
  ["SPII", "content-filter"],
  ["IMAGE_SAFETY", "content-filter"],
  ["IMAGE_PROHIBITED_CONTENT", "content-filter"],
  ["IMAGE_RECITATION", "content-filter"],
  ["MODEL_ARMOR", "content-filter"],
  ["MALFORMED_FUNCTION_CALL", "error"],
  ["UNEXPECTED_TOOL_CALL", "error"],
  ["TOO_MANY_TOOL_CALLS", "error"],
  ["MISSING_THOUGHT_SIGNATURE", "error"],
  ["MALFORMED_RESPONSE", "error"],
]);

/** Google's enums are in capitals; a word of its that came after this was written is passed on too. */
const isWord = (raw: string) => reasons.has(raw) || /^[A-Z][A-Z_]+$/.test(raw);
