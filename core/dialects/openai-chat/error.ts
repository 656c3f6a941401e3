import type { ErrorKind } from "../../chat/error.ts";
import type { JsonObject } from "../../chat/json.ts";
import type { ErrorBody } from "../dialect.ts";

/** `{"error": {message, type, code, param, request_id, details}}`; `details` tells a 402 or 429 its limit, a 503 its breaker, and why. */
export function encodeError({ kind, message, requestId, details }: ErrorBody): JsonObject {
  const standard = words[kind];
  const { limit, above, breaker, explain } = details;
  const told = { ...(limit ?? above ?? breaker), ...(explain && { explain }) };
  return {
    error: {
      message,
      type: details.type ?? standard.type,
      code: details.code ?? standard.code,
      param: details.param ?? null,
      request_id: requestId,
      // All three are made of JSON values only.
      details: Object.keys(told).length > 0 ? (told as unknown as JsonObject) : null,
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
