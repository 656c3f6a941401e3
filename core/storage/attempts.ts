import type { Awaitable } from "../plugin/plugin.ts";
import type { Quantiles } from "./latency.ts";

/**
 * How an attempt ended. `limited`: 429. `refused`: the request was not taken for what was asked. `left`: the client went
 * away. `failed` is everything else that is no good answer, a refusal of our key too.
 */
export const attemptOutcomes = ["ok", "failed", "limited", "refused", "left"] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

export interface AttemptSums extends Readonly<Record<AttemptOutcome, number>> {
  /** Of good calls that had no other attempt; `null`: there is none. */
  readonly firstByteMs: Quantiles | null;
}

/** How far back: an hour by the minute, a day by the hour, a week by four hours. */
export type AttemptsOver = "hour" | "day" | "week";

export interface AttemptQuery {
  readonly provider: string;
  /** As the provider names it; absent: all. */
  readonly model?: string;
  readonly over: AttemptsOver;
  readonly nowMs: number;
}
export interface AttemptReport {
  readonly stepMs: number;
  /** Oldest first, those without an attempt too. */
  readonly steps: readonly (AttemptSums & { readonly startMs: number })[];
  /** The busiest, busiest first. */
  readonly models: readonly (AttemptSums & { readonly model: string })[];
  /** There are more models than that. */
  readonly moreModels: boolean;
  readonly total: AttemptSums;
  /** There were so many calls that only those from then on were looked at; `null`: all were. */
  readonly sinceMs: number | null;
}

export interface AttemptReports {
  report(query: AttemptQuery): Awaitable<AttemptReport>;
  /** Of the last day, up to the hour that is running. */
  lastDay(providers: readonly string[], nowMs: number): Awaitable<ReadonlyMap<string, AttemptSums>>;
}
