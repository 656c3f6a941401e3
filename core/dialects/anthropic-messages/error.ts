import type { ErrorKind } from "../../chat/error.ts";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { ErrorBody } from "../dialect.ts";
import { dialectName } from "./kept.ts";

/** `{"type": "error", "error": {type, message, details}, "request_id"}`; `details` tells a 402 or 429 its limit, and why. */
export function encodeError({ kind, status, message, requestId, details }: ErrorBody): JsonObject {
  const { limit, above, type, code, param, vendor, explain } = details;
  const why = explain && { explain };
  const own = vendor?.dialect === dialectName && isJsonObject(vendor.details) ? vendor.details : {};
  // What another vendor's error says besides, the protocol has no field for.
  const more = {
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
    ...details.breaker,
    ...own,
    ...(code === "not_carried" && param === "thread" ? unthreaded : {}),
  };
  // Limits and the short form are made of JSON values only.
  const told = { ...(limit ?? above ?? more), ...why } as unknown as JsonObject;
  return {
    type: "error",
    error: {
      type: type !== undefined && words.has(type) ? type : wordOf(kind, status),
      message,
      ...(Object.keys(told).length > 0 ? { details: told } : {}),
    },
    request_id: requestId,
  };
}

/** At this Anthropic's SDK goes on without a thread (its tool runner has one by default) and sends the whole history. */
const unthreaded = { error_code: "thread_unsupported_request", unsupported: ["thread"] };

export const encodeStreamError = (error: ErrorBody): string =>
  `event: error\ndata: ${JSON.stringify(encodeError(error))}\n\n`;

/** A vendor's refusal is told by its status; https://platform.claude.com/docs/en/api/errors has the pairs. */
function wordOf(kind: ErrorKind, status: number): string {
  return (kind === "upstream-refused" ? byStatus.get(status) : undefined) ?? byKind[kind];
}

const byKind: Readonly<Record<ErrorKind, string>> = {
  "invalid-request": "invalid_request_error",
  unauthenticated: "authentication_error",
  "insufficient-quota": "billing_error",
  forbidden: "permission_error",
  "not-found": "not_found_error",
  "model-not-found": "not_found_error",
  "method-not-allowed": "invalid_request_error",
  conflict: "invalid_request_error",
  "request-too-large": "request_too_large",
  "unsupported-media-type": "invalid_request_error",
  "rate-limited": "rate_limit_error",
  internal: "api_error",
  "upstream-invalid": "api_error",
  unavailable: "overloaded_error",
  "upstream-timeout": "timeout_error",
  "upstream-refused": "invalid_request_error",
};

const byStatus: ReadonlyMap<number, string> = new Map([
  [404, "not_found_error"],
  [413, "request_too_large"],
  [429, "rate_limit_error"],
]);

const words: ReadonlySet<string> = new Set(Object.values(byKind));
