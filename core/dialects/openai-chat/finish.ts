import type { Json } from "../../chat/json.ts";
import type { Finish } from "../../chat/event.ts";

/** `hasCalls` decides between stop and tool calls: a forced call ends with `stop` even at OpenAI. */
export function decodeFinish(raw: Json | undefined, hasCalls: boolean): Finish {
  const word = typeof raw === "string" ? raw : null;
  const reason = word === null ? "other" : (reasons.get(word) ?? "other");
  return { reason: reason === "stop" && hasCalls ? "tool-calls" : reason, raw: word };
}

/** One of OpenAI's words, or `error`, which it has none for. `isLegacyCall`: the calls are written as a `function_call`. */
export function encodeFinish(finish: Finish, isLegacyCall: boolean): string {
  switch (finish.reason) {
    case "length":
      return "length";
    case "content-filter":
      return "content_filter";
    case "tool-calls":
      return isLegacyCall ? "function_call" : "tool_calls";
    case "error":
      return "error";
    case "stop":
    case "other":
      return "stop";
  }
}

const reasons: ReadonlyMap<string, Finish["reason"]> = new Map([
  ["stop", "stop"],
  ["", "stop"], // Snowflake
  ["eos", "stop"], // Together
  ["eos_token", "stop"], // Hugging Face
  ["stop_sequence", "stop"],
  ["end_turn", "stop"],
  ["length", "length"],
  ["model_length", "length"], // Mistral
  ["max_tokens", "length"],
  ["tool_calls", "tool-calls"],
  ["function_call", "tool-calls"],
  ["content_filter", "content-filter"],
  ["error", "error"],
  ["insufficient_system_resource", "error"], // DeepSeek
]);
