import { type TProperties, Type as t } from "@sinclair/typebox";
import { closed, milliseconds } from "./schema-parts.ts";

export const AttemptsSchema = closed(
  {
    max: t.Integer({
      minimum: 1,
      maximum: 20,
      default: 4,
      description: "Requests sent for one call, retries and fallbacks together; 1: the first target, once.",
    }),
    totalMs: milliseconds(
      600_000,
      "From the arrival of a call to the first byte of its answer, over all attempts; one that still waits is then cut.",
    ),
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
    afterContentFilter: t.Boolean({
      default: false,
      description: "Ask the next target of the model what one's content filter refused.",
    }),
  },
  "How often a call that fails before its first byte is tried.",
);

const breaker = {
  enabled: t.Boolean({ default: true, description: "`false`: every target is asked, however it does." }),
  consecutive: t.Integer({ minimum: 1, default: 10, description: "So many failures in a row open it." }),
  errorShare: t.Number({
    minimum: 0.01,
    maximum: 1,
    default: 0.5,
    description: "So does this share of failures, 1 for all of them, of at least `minCalls` within `windowMs`.",
  }),
  minCalls: t.Integer({ minimum: 1, default: 20, description: "With fewer calls the share says nothing." }),
  windowMs: milliseconds(10_000, "How far back the share looks."),
  probeMs: milliseconds(1_000, "An open one lets one call through this often, and closes when that goes well."),
};

const bulkhead = {
  maxWaiting: t.Integer({
    minimum: 1,
    default: 2_000,
    description: "Requests to one provider whose answer has not begun; a stream that flows does not count.",
  }),
  maxQueued: t.Integer({
    minimum: 0,
    default: 500,
    description: "Calls that wait for one of those to end; those beyond fall back or get 503 at once.",
  }),
  queueMs: milliseconds(2_000, "How long they wait; then they fall back or get 503."),
};

/** The same for providers by name, each as far as it is said. */
const providers = <P extends TProperties>(properties: P, example: string) =>
  t.Record(t.String(), t.Partial(t.Object(withoutDefaults(properties)), { additionalProperties: false }), {
    default: {},
    description: `The same for one provider: \`${example}\`.`,
  });

/** What a provider does not say is as for all, not as by default. */
function withoutDefaults<P extends TProperties>(properties: P): P {
  const entries = Object.entries(properties).map(([name, { default: _, ...schema }]) => [name, schema]);
  // The same names, and the same types of values.
  return Object.fromEntries(entries) as P;
}

export const BreakerSchema = closed(
  { ...breaker, providers: providers(breaker, "openai: { consecutive: 30 }") },
  "When a target (a provider's model) that fails is left alone for a while: its calls fall back or get 503.",
);

export const BulkheadSchema = closed(
  { ...bulkhead, providers: providers(bulkhead, "local: { maxWaiting: 8 }") },
  "What one provider that hangs may take of the process.",
);
