import { statusOf } from "llm-proxy/plugin";
import type { CallRecord, MetricSeries } from "llm-proxy/plugin";
import { Durations, ExactSum } from "./counting.ts";

const durationBoundsMs = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000];
const firstByteBoundsMs = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

type Labels = MetricSeries["labels"];

/** Calls that ended alike. */
export interface Outcome {
  value: number;
  readonly dialect: string;
  readonly operation: string;
  readonly status: string;
  readonly error: string | null;
  /** The first digit of the HTTP status. */
  readonly http: number;
  readonly labels: Labels;
}

/** All that is counted of one model of one provider. Labels are made once, so that a call only increments. */
export class ModelCounts {
  readonly labels: Labels;
  readonly outcomes: Outcome[] = [];
  inputTokens = 0;
  outputTokens = 0;
  cacheReadTokens = 0;
  cacheWriteTokens = 0;
  cacheWrite1hTokens = 0;
  reasoningTokens = 0;
  readonly cost = new ExactSum();
  readonly charge = new ExactSum();
  unpriced = 0;
  readonly duration = new Durations(durationBoundsMs);
  readonly firstByte = new Durations(firstByteBoundsMs);

  constructor(provider: string, model: string) {
    this.labels = { provider, model };
  }

  countOutcome({ dialect, operation, status, errorKind, httpStatus }: CallRecord): void {
    const error = kindOf(errorKind);
    const http = Math.trunc(httpStatus / 100);
    // A model has a handful of outcomes, nearly always the first: looking through them is cheaper than making a key.
    for (const one of this.outcomes)
      if (
        one.status === status &&
        one.error === error &&
        one.http === http &&
        one.dialect === dialect &&
        one.operation === operation
      ) {
        one.value += 1;
        return;
      }
    const labels = { dialect, operation, ...this.labels, status, error: error ?? "", http: `${http}xx` };
    this.outcomes.push({ dialect, operation, status, error, http, value: 1, labels });
  }

  countUse({ usage, costNano, chargeNano, durationMs, firstByteMs }: CallRecord): void {
    if (usage) {
      this.inputTokens += usage.inputTokens;
      this.outputTokens += usage.outputTokens;
      this.cacheReadTokens += usage.cacheReadTokens;
      this.cacheWriteTokens += usage.cacheWriteTokens;
      this.cacheWrite1hTokens += usage.cacheWrite1hTokens;
      this.reasoningTokens += usage.reasoningTokens;
    }
    if (costNano === null) this.unpriced += 1;
    else this.cost.add(costNano);
    if (chargeNano !== null) this.charge.add(chargeNano);
    this.duration.observe(durationMs);
    if (firstByteMs !== null) this.firstByte.observe(firstByteMs);
  }
}

/** An error of a plugin in plain JavaScript may call itself anything. */
export const kindOf = (kind: string | null): string | null =>
  kind === null || Object.hasOwn(statusOf, kind) ? kind : "other";
