import type { JsonObject } from "../../chat/json.ts";
import type { ErrorBody } from "../dialect.ts";
import { encodeError } from "../openai-chat/error.ts";

/**
 * Of a stream that has said nothing yet. The reference has the fields side by side; the service itself sends them in
 * `error`, and clients look in either place.
 */
export const encodeStreamError = (error: ErrorBody): string => {
  const event = errorEvent(error, 0);
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
};

export function errorEvent(error: ErrorBody, sequence: number): JsonObject & { readonly type: string } {
  const { type, code, message, param } = errorFields(error);
  const fields = { code: code ?? null, message: message ?? "", param: param ?? null };
  return { type: "error", sequence_number: sequence, ...fields, error: { type: type ?? null, ...fields } };
}

/** `error` of a failed answer. */
export function failure(error: ErrorBody): JsonObject {
  const { code, message } = errorFields(error);
  return { code: code ?? "server_error", message: message ?? "" };
}

function errorFields(error: ErrorBody): JsonObject {
  const { error: fields } = encodeError(error);
  // It is what `encodeError` makes.
  return fields as JsonObject;
}
