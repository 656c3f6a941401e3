import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import type { VendorError } from "./dialect.ts";

/** The `data` of an event as an object. Throws `upstream-invalid`; `rule` says what the event is not: "is none of a message". */
export function readStreamEvent(data: string, rule: string): JsonObject {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch {
    throw notAnEvent(rule); // The engine's message would quote the answer.
  }
  if (!isJsonObject(event)) throw notAnEvent(rule);
  return event;
}

export const notAnEvent = (rule: string): GatewayError =>
  new GatewayError("upstream-invalid", `The provider's stream has an event that ${rule}.`, { code: "invalid_answer" });

/** What a decoder throws for an error inside a stream. The vendor's words are in `cause`, for the log. */
export const streamFault = (fault: VendorError, code: string | null = fault.code): GatewayError =>
  new GatewayError("upstream-invalid", "The provider broke off its answer with an error.", {
    ...(code === null ? {} : { code }),
    cause: fault,
  });
