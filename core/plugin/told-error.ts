import { type ErrorDetails, GatewayError, statusOf } from "../chat/error.ts";
import { isRefusing, isUse } from "./told-limits.ts";

/**
 * What a plugin threw, as answers and records can be made of it: a GatewayError comes without those of its details that
 * are malformed, and one whose kind is none as a failure that says so. Everything else is handed back as it is.
 */
export function toldError(thrown: unknown): unknown {
  if (!(thrown instanceof GatewayError)) return thrown;
  const { kind, message, details } = thrown;
  if (!Object.hasOwn(statusOf, kind))
    return new TypeError(`it threw a GatewayError of the kind ${String(kind)}, which is none`, {
      cause: thrown,
    });
  const faults = faultyDetails(details);
  if (faults.length === 0) return thrown;
  const { retryAfterSeconds } = details;
  return new GatewayError(kind, message, {
    ...Object.fromEntries(Object.entries(details).filter(([name]) => !faults.includes(name))),
    // A fraction of a second, or a time that has passed, is what an author gets who counts from a clock.
    ...(Number.isFinite(retryAfterSeconds) && { retryAfterSeconds: wholeSeconds(Number(retryAfterSeconds)) }),
  });
}

const wholeSeconds = (seconds: number): number => Math.min(Math.max(Math.ceil(seconds), 1), Number.MAX_SAFE_INTEGER);

const faultyDetails = (details: ErrorDetails): readonly string[] =>
  Object.entries(details).flatMap(([name, value]) => (value === undefined || isSound(name, value) ? [] : [name]));

/** By the names of `ErrorDetails`. */
function isSound(name: string, value: unknown): boolean {
  switch (name) {
    case "code":
      return typeof value === "string";
    case "status":
      return Number.isInteger(value) && Number(value) >= 400 && Number(value) <= 599;
    case "retryAfterSeconds":
      return Number.isSafeInteger(value) && Number(value) >= 1;
    case "allow":
      return Array.isArray(value) && value.every((method) => typeof method === "string");
    case "use":
      return isUse(value);
    case "limit":
      return isRefusing(value) && isJson(value);
    case "vendor":
    case "above":
    case "breaker":
    case "explain":
      return typeof value === "object" && isJson(value);
    default:
      // `cause` is for the log, and nobody reads what is none of the names.
      return true;
  }
}

/** Neither a big integer nor itself is in it. */
function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}
