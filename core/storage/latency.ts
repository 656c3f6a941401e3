/** Upper bounds of buckets, so a little above the true figure; `null`: beyond the last one. */
export interface Quantiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}
/** Of calls with status `ok`; `null`: there is none. */
export interface Latency {
  readonly durationMs: Quantiles | null;
  /** Until the first byte. */
  readonly ttftMs: Quantiles | null;
}
