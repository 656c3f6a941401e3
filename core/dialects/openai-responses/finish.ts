import type { Finish } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";

/** `hasCalls`: the answer asks the client to run a tool. */
export function decodeFinish(response: JsonObject, hasCalls: boolean): Finish {
  const raw = finishWord(response);
  const reason = raw === null ? "other" : (reasons.get(raw) ?? "other");
  return { reason: reason === "stop" && hasCalls ? "tool-calls" : reason, raw };
}

/** Why an answer is incomplete, else its status: the protocol's nearest to a finish reason. */
export function finishWord({ status, incomplete_details: details }: JsonObject): string | null {
  const reason = isJsonObject(details) ? word(details["reason"]) : null;
  return reason ?? word(status);
}

/** `status`, `incomplete_details` and `error` of an answer that ended so. */
export function encodeFinish(finish: Finish): JsonObject {
  switch (finish.reason) {
    case "length":
      return { status: "incomplete", error: null, incomplete_details: { reason: "max_output_tokens" } };
    case "content-filter":
      return { status: "incomplete", error: null, incomplete_details: { reason: "content_filter" } };
    case "error":
      return {
        status: "failed",
        error: { code: "server_error", message: "The provider broke off its answer with an error." },
        incomplete_details: null,
      };
    case "stop":
    case "tool-calls":
    case "other":
      return { status: "completed", error: null, incomplete_details: null };
  }
}

const reasons: ReadonlyMap<string, Finish["reason"]> = new Map([
  ["completed", "stop"],
  ["complete", "stop"], // As some servers word it.
  ["max_output_tokens", "length"],
  ["max_tokens", "length"],
  ["content_filter", "content-filter"],
  ["failed", "error"],
]);

const word = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
