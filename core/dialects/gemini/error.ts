import type { ErrorKind } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ErrorBody, VendorError } from "../dialect.ts";
import { decodeError as decodeAnyError } from "../vendor-error.ts";

/** Google's `code` only repeats the status; its details name the reason, and the field at fault. */
export function decodeError(body: Json): VendorError {
  const told = decodeAnyError(body);
  const first = isJsonArray(body) ? body[0] : body;
  const error = isJsonObject(first) ? first["error"] : undefined;
  const listed = isJsonObject(error) ? error["details"] : undefined;
  const details = isJsonArray(listed) ? listed.filter(isJsonObject) : [];
  const reason = details.map((detail) => detail["reason"]).find((word) => typeof word === "string");
  const violations = details.flatMap(({ fieldViolations: list }) => (isJsonArray(list) ? list : []));
  const field = violations.map((violation) => (isJsonObject(violation) ? violation["field"] : null)).find(isName);
  const isStatus = told.code !== null && /^\d{3}$/.test(told.code);
  return { ...told, code: reason ?? (isStatus ? null : told.code), param: field ?? told.param };
}

const isName = (field: Json | undefined): field is string => typeof field === "string" && field !== "";

/**
 * `{"error": {code, message, status, details}}`, with the HTTP status as `code` and a word of `google.rpc.Code`. `details`
 * say the reason, the call, when to try again, and of a 402 or 429 the limit (https://google.aip.dev/193).
 */
export function encodeError({ kind, status, message, requestId, details }: ErrorBody): JsonObject {
  const { code, param, retryAfterSeconds, breaker, explain, limit = details.above } = details;
  return {
    error: {
      code: status,
      message,
      status: details.type !== undefined && isWord(details.type) ? details.type : (byStatus.get(status) ?? words[kind]),
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: (code ?? kind).replace(/[^A-Za-z0-9]+/g, "_").toUpperCase(),
          domain: "llm-proxy",
          metadata: { request_id: requestId },
        },
        ...(param === undefined
          ? []
          : [{ "@type": badRequest, fieldViolations: [{ field: param, description: message }] }]),
        ...(retryAfterSeconds === undefined ? [] : [{ "@type": retryInfo, retryDelay: `${retryAfterSeconds}s` }]),
        ...(breaker === undefined ? [] : [{ "@type": "type.googleapis.com/llm_proxy.Breaker", ...breaker }]),
        // Limits and the short form are made of JSON values only.
        ...(limit === undefined
          ? []
          : [{ "@type": "type.googleapis.com/llm_proxy.Limit", ...(limit as unknown as JsonObject) }]),
        ...(explain === undefined
          ? []
          : [{ "@type": "type.googleapis.com/llm_proxy.Explain", ...(explain as unknown as JsonObject) }]),
      ],
    },
  };
}

export const encodeStreamError = (error: ErrorBody): string => `data: ${JSON.stringify(encodeError(error))}\n\n`;

const badRequest = "type.googleapis.com/google.rpc.BadRequest";
const retryInfo = "type.googleapis.com/google.rpc.RetryInfo";

/** https://cloud.google.com/apis/design/errors: the words by HTTP status; the kind tells where several share one. */
const byStatus: ReadonlyMap<number, string> = new Map([
  [401, "UNAUTHENTICATED"],
  [403, "PERMISSION_DENIED"],
  [404, "NOT_FOUND"],
  [429, "RESOURCE_EXHAUSTED"],
  [500, "INTERNAL"],
  [502, "UNAVAILABLE"],
  [503, "UNAVAILABLE"],
  [504, "DEADLINE_EXCEEDED"],
]);

const words: Readonly<Record<ErrorKind, string>> = {
  "invalid-request": "INVALID_ARGUMENT",
  unauthenticated: "UNAUTHENTICATED",
  "insufficient-quota": "RESOURCE_EXHAUSTED",
  forbidden: "PERMISSION_DENIED",
  "not-found": "NOT_FOUND",
  "model-not-found": "NOT_FOUND",
  "method-not-allowed": "UNIMPLEMENTED",
  conflict: "ABORTED",
  "request-too-large": "INVALID_ARGUMENT",
  "unsupported-media-type": "INVALID_ARGUMENT",
  "rate-limited": "RESOURCE_EXHAUSTED",
  internal: "INTERNAL",
  "upstream-invalid": "UNAVAILABLE",
  unavailable: "UNAVAILABLE",
  "upstream-timeout": "DEADLINE_EXCEEDED",
  "upstream-refused": "INVALID_ARGUMENT",
};

/** Another vendor's type of error is no word of Google's. */
const isWord = (type: string) => /^[A-Z][A-Z_]+$/.test(type);
