import type { ErrorKind } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ErrorBody, VendorError } from "../dialect.ts";

/**
 * Reads `{error: {message, type, code, param}}` (OpenAI and most), `{error: "…"}` (Ollama), `{code, error: "…"}` (xAI),
 * `{message}` (Cohere, Mistral), `{detail}` (FastAPI servers; a string, an object or a list), and arrays of any of these
 * (Google). What is none of them has a general message.
 */
export function decodeError(body: Json): VendorError {
  if (typeof body === "string") return vendorError({ message: body });
  if (isJsonArray(body)) return body.length > 0 ? decodeError(body[0] ?? null) : vendorError({});
  if (!isJsonObject(body)) return vendorError({});
  const { error, detail } = body;
  if (isJsonObject(error)) return vendorError(error);
  if (typeof error === "string") return vendorError({ ...body, message: error });
  if (isJsonArray(error) && error.length > 0) return decodeError(error[0] ?? null);
  if (body["message"] !== undefined) return vendorError(body);
  if (typeof detail === "string") return vendorError({ ...body, message: detail });
  if (isJsonObject(detail) || isJsonArray(detail)) return decodeError(detail);
  if (typeof body["msg"] === "string") return vendorError({ ...body, message: body["msg"] });
  return vendorError(body);
}

/** `{"error": {message, type, code, param, request_id, details}}`; `details` tells a 402 or 429 its limit. */
export function encodeError({ kind, message, requestId, details }: ErrorBody): JsonObject {
  const standard = words[kind];
  const { limit } = details;
  return {
    error: {
      message,
      type: details.type ?? standard.type,
      code: details.code ?? standard.code,
      param: details.param ?? null,
      request_id: requestId,
      // Limits are made of JSON values only.
      details: limit === undefined ? null : (limit as unknown as JsonObject),
    },
  };
}

export const encodeStreamError = (error: ErrorBody): string => `data: ${JSON.stringify(encodeError(error))}\n\n`;

const words: Readonly<Record<ErrorKind, { readonly type: string; readonly code: string | null }>> = {
  "invalid-request": { type: "invalid_request_error", code: null },
  unauthenticated: { type: "invalid_request_error", code: "invalid_api_key" },
  "insufficient-quota": { type: "insufficient_quota", code: "insufficient_quota" },
  forbidden: { type: "invalid_request_error", code: "permission_denied" },
  "not-found": { type: "invalid_request_error", code: "not_found" },
  "model-not-found": { type: "invalid_request_error", code: "model_not_found" },
  "method-not-allowed": { type: "invalid_request_error", code: "method_not_allowed" },
  conflict: { type: "invalid_request_error", code: "conflict" },
  "request-too-large": { type: "invalid_request_error", code: "request_too_large" },
  "unsupported-media-type": { type: "invalid_request_error", code: "unsupported_media_type" },
  "rate-limited": { type: "rate_limit_error", code: "rate_limit_exceeded" },
  internal: { type: "server_error", code: "internal_error" },
  "upstream-invalid": { type: "server_error", code: "upstream_error" },
  unavailable: { type: "server_error", code: "service_unavailable" },
  "upstream-timeout": { type: "server_error", code: "upstream_timeout" },
  "upstream-refused": { type: "invalid_request_error", code: null },
};

function vendorError(fields: JsonObject): VendorError {
  return {
    message: word(fields["message"]) ?? word(fields["msg"]) ?? "The provider reported an error without a message.",
    type: word(fields["type"]) ?? word(fields["status"]),
    code: word(fields["code"]),
    param: word(fields["param"]),
  };
}

/** Codes are numbers with some vendors (OpenRouter: 401). */
function word(value: Json | undefined): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}
