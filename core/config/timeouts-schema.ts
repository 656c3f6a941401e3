import { Type as t } from "@sinclair/typebox";
import { closed, maxTimerMs, milliseconds } from "./schema-parts.ts";

const limit = () => t.Optional(t.Integer({ minimum: 1, maximum: maxTimerMs }));
const OverrideSchema = t.Object(
  { connectMs: limit(), firstByteMs: limit(), idleMs: limit(), totalMs: limit() },
  { additionalProperties: false },
);

export const TimeoutsSchema = closed(
  {
    connectMs: milliseconds(10_000, "Wait for a connection to a provider that has not answered lately."),
    firstByteMs: milliseconds(
      600_000,
      "Wait for the first byte of a provider's answer; for all of an answer that is no stream.",
    ),
    idleMs: milliseconds(600_000, "Silence allowed inside a provider's answer."),
    totalMs: t.Optional(
      t.Integer({
        minimum: 1,
        maximum: maxTimerMs,
        description: "From the arrival of a call to the end of its answer. Default: no limit.",
      }),
    ),
    providers: t.Record(t.String(), OverrideSchema, {
      default: {},
      description: "The four above for one provider: `openai: { firstByteMs: 60000 }`.",
    }),
    models: t.Record(t.String(), OverrideSchema, {
      default: {},
      description:
        "The four above for an alias or for targets, `*` at the end for any rest: `openai/o3*: { firstByteMs: 900000 }`. A target's go before its provider's; where an alias has the same one, the shorter holds.",
    }),
    clientMs: t.Integer({
      // Bun's timer goes in steps of 4 s: a single one cuts also those that are not silent.
      minimum: 5_000,
      maximum: 255_000,
      default: 75_000,
      description:
        "Silence allowed to a client with a body on its way, or between two requests on its connection; longer than a balancer keeps one idle.",
    }),
    stallMs: milliseconds(60_000, "A client that takes nothing of a stream for this long has left."),
    unreadyMs: t.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 0,
      description:
        "After SIGTERM `/readyz` says 503 for so long before new connections and calls are refused, so that a balancer can look elsewhere.",
    }),
    drainMs: milliseconds(30_000, "Time that open calls have to end after SIGTERM."),
  },
  "Limits on waiting, in milliseconds.",
);
