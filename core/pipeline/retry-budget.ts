/**
 * What all calls together may repeat, so that a provider in trouble does not get several times its load. A call pays in
 * a share of a retry, a retry takes one out. With few calls there is always one a second.
 */
export interface RetryBudget {
  /** A call is about to be sent. */
  called(): void;
  /** `false`: the call must do without. */
  take(): boolean;
  /** Since the start. */
  readonly taken: number;
  readonly denied: number;
}

/** So that the first failure after a start is no dead end. */
const atStart = 10;
/** Saved up in good times; more would be a burst just when the provider can take it least. */
const most = 100;
const alwaysEveryMs = 1_000;

/** @param shareNow asked each time, because a reload changes it. */
export function retryBudget(shareNow: () => number, now: () => number): RetryBudget {
  let left = shareNow() > 0 ? atStart : 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const budget = {
    taken: 0,
    denied: 0,
    called() {
      if (left < most) left += shareNow();
    },
    take() {
      const nowMs = now();
      if (left >= 1) left -= 1;
      else if (shareNow() === 0 || nowMs - lastMs < alwaysEveryMs) {
        budget.denied += 1;
        return false;
      }
      lastMs = nowMs;
      budget.taken += 1;
      return true;
    },
  };
  return budget;
}
