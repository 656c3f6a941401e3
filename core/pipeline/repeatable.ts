import { type ErrorDetails, type ErrorKind, GatewayError } from "../chat/error.ts";

/**
 * A failure after which the same target may be asked again: it was never reached, or it said so itself before any of its
 * answer. What was sent and then reset is none of these, because it may have been worked on and will be billed.
 */
export class RepeatableError extends GatewayError {
  /** What the provider asked to wait, at least; `null`: it asked for nothing. */
  readonly afterMs: number | null;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails, afterMs: number | null = null) {
    super(kind, message, details);
    this.afterMs = afterMs;
  }
}

/** It was the key that was refused, and the provider has another one: that is no retry, and there is nothing to wait for. */
export class OtherKeyError extends GatewayError {}

/** The connection broke before the answer began; whether the request was worked on is not known. */
export class AmbiguousError extends GatewayError {}

/** The target will not take this request, now or later; another one, with a longer context or another filter, may. */
export class ElsewhereError extends GatewayError {
  readonly why: "context-window" | "content-filter";

  constructor(why: ElsewhereError["why"], message: string, details: ErrorDetails) {
    super("upstream-refused", message, details);
    this.why = why;
  }
}
