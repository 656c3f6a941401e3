/** When one that fails is left alone: a target, or a stored key. */
export interface FailureRules {
  readonly enabled: boolean;
  /** So many failures in a row are too many. */
  readonly consecutive: number;
  /** So is this share of failures, 0 to 1, of at least `minCalls` in `windowMs`. */
  readonly errorShare: number;
  readonly minCalls: number;
  readonly windowMs: number;
  /** One that is left alone gets a single call this often, to see. */
  readonly probeMs: number;
}

/** How one has done lately. */
export interface Failures {
  consecutive: number;
  /** The window in two halves, of which the older one is dropped. */
  halfMs: number;
  counts: [ok: number, failed: number];
  before: [ok: number, failed: number];
}

export const noFailures = (nowMs: number): Failures => ({
  consecutive: 0,
  halfMs: nowMs,
  counts: [0, 0],
  before: [0, 0],
});

/** Counts one more. `none`: there is no failure left to remember. */
export function counted(
  failures: Failures,
  hasFailed: boolean,
  { windowMs, consecutive, minCalls, errorShare }: FailureRules,
  nowMs: number,
): "none" | "few" | "too many" {
  turn(failures, windowMs, nowMs);
  failures.counts[hasFailed ? 1 : 0] += 1;
  failures.consecutive = hasFailed ? failures.consecutive + 1 : 0;
  const failed = failures.counts[1] + failures.before[1];
  const calls = failed + failures.counts[0] + failures.before[0];
  if (failed === 0) return "none";
  const isTooMany = failures.consecutive >= consecutive || (calls >= minCalls && failed >= calls * errorShare);
  return isTooMany ? "too many" : "few";
}

function turn(failures: Failures, windowMs: number, nowMs: number): void {
  const halves = Math.floor((nowMs - failures.halfMs) / (windowMs / 2));
  if (halves <= 0) return;
  failures.before = halves === 1 ? failures.counts : [0, 0];
  failures.counts = [0, 0];
  failures.halfMs += halves * (windowMs / 2);
}
