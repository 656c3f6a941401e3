import type { JsonObject } from "../../chat/json.ts";
import type { ErrorBody } from "../dialect.ts";
import { encodeError } from "../openai-chat/error.ts";

/**
 * Of a stream that has said nothing yet. The reference has the fields side by side; the service itself sends them in
 * `error`, and clients look in either place.
 */
export const encodeStreamError = (error: ErrorBody): string => {
  const { type, ...fields } = errorEvent(error);
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 0, ...fields })}\n\n`;
};

/** Without its `sequence_number`. */
export function errorEvent(error: ErrorBody): JsonObject & { readonly type: string } {
  const { type, code, message, param } = errorFields(error);
  const fields = { code: code ?? null, message: message ?? "", param: param ?? null };
  return { type: "error", ...fields, error: { type: type ?? null, ...fields } };
}

/** `error` of a failed answer. Clients act on some of OpenAI's codes and know no others. */
export function failure(error: ErrorBody): JsonObject {
  const { code, message } = errorFields(error);
  const known = typeof code === "string" && codes.has(code) ? code : "server_error";
  return { code: known, message: message ?? "" };
}

const codes: ReadonlySet<string> = new Set([
  "rate_limit_exceeded",
  "insufficient_quota",
  "context_length_exceeded",
  "server_is_overloaded",
  "invalid_prompt",
]);

function errorFields(error: ErrorBody): JsonObject {
  const { error: fields } = encodeError(error);
  // It is what `encodeError` makes.
  return fields as JsonObject;
}
