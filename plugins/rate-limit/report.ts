import { GatewayError, type Limit, limitText, type LimitUse, quantityText, subjectText } from "llm-proxy/plugin";
import type { Counter } from "./counter.ts";

/** One claim on one counter. */
export interface Want {
  readonly limit: Limit;
  readonly counter: Counter;
  /** Requests, tokens, slots or nano-USD. */
  readonly needed: number;
}

/** What a client reads when its claim does not fit. `waitMs`: until it would, infinite when it never does. */
export function refusal(wants: readonly Want[], refused: Want, waitMs: number, epochMs: number): GatewayError {
  const { limit, counter, needed } = refused;
  const { used, held, resetMs } = counter.state();
  const never = waitMs === Infinity;
  const retryAfterSeconds = never ? 60 : Math.max(1, Math.ceil(waitMs / 1_000));
  const allowed = `${limitText(limit)} ${subjectText(limit.scope)}`;
  const message = never
    ? `This call needs ${quantityText(limit.measure, needed)}, and the limit is ${allowed}: it can never pass.`
    : `The limit of ${allowed} is reached. Try again in ${retryAfterSeconds} s.`;
  return new GatewayError("rate-limited", message, {
    retryAfterSeconds,
    ...(never && { shouldRetry: false }),
    limit: {
      scope: limit.scope,
      measure: limit.measure,
      ...(limit.measure !== "concurrency" && { per: limit.per ?? "minute" }),
      limit: limit.amount,
      used,
      held,
      needed,
      resetsAt: resetMs === null ? null : Math.ceil(epochMs + resetMs),
    },
    use: useOf(wants),
  });
}

/** Where the counters stand now. */
export const useOf = (wants: readonly Pick<Want, "limit" | "counter">[]): readonly LimitUse[] =>
  wants.map(({ limit, counter }) => {
    const { used, held, resetMs } = counter.state();
    return { limit, used, held, resetMs };
  });
