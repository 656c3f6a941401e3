import { Type as t } from "@sinclair/typebox";
import { closed, milliseconds } from "./schema-parts.ts";

export const AttemptsSchema = closed(
  {
    max: t.Integer({
      minimum: 1,
      maximum: 20,
      default: 4,
      description: "Requests sent for one call, retries and fallbacks together; 1: the first target, once.",
    }),
    totalMs: milliseconds(120_000, "No further attempt begins this long after the call came."),
    backoffMs: milliseconds(
      250,
      "The same target is asked again after a random wait of up to this, then twice as much, and so on.",
    ),
    maxWaitMs: milliseconds(
      5_000,
      "Longest wait between two attempts; a provider whose `Retry-After` is longer is not asked again.",
    ),
    retryShare: t.Number({
      minimum: 0,
      maximum: 1,
      default: 0.2,
      description: "Retries of the same target for each call, over all calls; one a second is always allowed. 0: none.",
    }),
    afterReset: t.Boolean({
      default: false,
      description:
        "Ask the same target again when the connection broke after the request was sent, though it may be billed twice.",
    }),
  },
  "How often a call that fails before its first byte is tried.",
);
