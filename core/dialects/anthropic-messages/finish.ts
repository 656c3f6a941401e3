import type { Json } from "../../chat/json.ts";
import type { Finish } from "../../chat/event.ts";

/** `endsInCall` decides between stop and tool calls: compatible vendors end a call with `end_turn`. */
export function decodeFinish(raw: Json | undefined, sequence: Json | undefined, endsInCall: boolean): Finish {
  const word = typeof raw === "string" ? raw : null;
  const reason = word === null ? "other" : (reasons.get(word) ?? "other");
  return {
    reason: word === "end_turn" && endsInCall ? "tool-calls" : reason,
    raw: word,
    ...(typeof sequence === "string" ? { stopSequence: sequence } : {}),
  };
}

/** The vendor's own word where it is one of this dialect for the same reason; `pause_turn` has no other. */
export function encodeFinish({ reason, raw, stopSequence }: Finish): string {
  if (raw !== null && reasons.get(raw) === reason) return raw;
  switch (reason) {
    case "length":
      return "max_tokens";
    case "tool-calls":
      return "tool_use";
    case "content-filter":
      return "refusal";
    case "stop":
      return stopSequence === undefined ? "end_turn" : "stop_sequence";
    case "error":
    case "other":
      return "end_turn";
  }
}

/** https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons */
const reasons: ReadonlyMap<string, Finish["reason"]> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_use", "tool-calls"],
  ["refusal", "content-filter"],
  ["pause_turn", "other"],
  ["compaction", "other"],
]);
