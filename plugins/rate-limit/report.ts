import { GatewayError, type Limit } from "llm-proxy/plugin";
import type { Counter } from "./counter.ts";

/** One claim on one counter. */
export interface Want {
  readonly limit: Limit;
  readonly counter: Counter;
  /** Requests, tokens or slots. */
  readonly needed: number;
}

/** What a client reads when its claim does not fit. `waitMs`: until it would, infinite when it never does. */
export function refusal({ limit, counter, needed }: Want, waitMs: number, nowMs: number): GatewayError {
  const { used, held, resetMs } = counter.state();
  const never = waitMs === Infinity;
  const retryAfterSeconds = never ? 60 : Math.max(1, Math.ceil(waitMs / 1_000));
  const allowed = `${limit.amount} ${unitOf[limit.measure]} ${subjectOf(limit)}`;
  const message = never
    ? `This call needs ${needed} ${limit.measure}, and the limit is ${allowed}: it can never pass.`
    : `The limit of ${allowed} is reached. Try again in ${retryAfterSeconds} s.`;
  return new GatewayError("rate-limited", message, {
    retryAfterSeconds,
    ...(never && { shouldRetry: false }),
    limit: {
      scope: limit.scope,
      measure: limit.measure,
      limit: limit.amount,
      used,
      held,
      needed,
      resetsAt: resetMs === null ? null : nowMs + resetMs,
    },
  });
}

/** OpenAI's `x-ratelimit-*`; where several limits of a measure apply, of the one with the least left. */
export function headersOf(wants: readonly Want[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const least: Partial<Record<Limit["measure"], number>> = {};
  for (const { limit, counter } of wants) {
    const { used, held, resetMs } = counter.state();
    const remaining = Math.max(0, limit.amount - used - held);
    if (resetMs === null || remaining >= (least[limit.measure] ?? Infinity)) continue;
    least[limit.measure] = remaining;
    headers[`x-ratelimit-limit-${limit.measure}`] = String(limit.amount);
    headers[`x-ratelimit-remaining-${limit.measure}`] = String(remaining);
    headers[`x-ratelimit-reset-${limit.measure}`] = duration(resetMs);
  }
  return headers;
}

const unitOf: Readonly<Record<Limit["measure"], string>> = {
  requests: "requests a minute",
  tokens: "tokens a minute",
  concurrency: "calls at once",
};

const subjectOf = ({ scope }: Limit): string => (scope.kind === "global" ? "for all" : `for this ${scope.kind}`);

/** In OpenAI's notation, `1s` or `1m0s`, rounded up. */
function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
