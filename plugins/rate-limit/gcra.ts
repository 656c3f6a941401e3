import type { Counter, End } from "./counter.ts";

/** Taken by a call that still runs. Shares form a list in the order in which they were taken. */
interface Share {
  /** The least level since it was taken is this and the slices of all older shares: so much is left to be given back. */
  slice: number;
  older: Share | null;
  younger: Share | null;
}

/**
 * The generic cell rate algorithm (ITU-T I.371) for one limit of so many a period, in its leaky-bucket form: what is
 * taken raises the level, time drains it evenly, and at most one period's amount fits.
 *
 * Guaranteed: a period's amount at once, and in any time of `s` periods at most `amount × (1 + s)`; so in any sliding
 * period never more than twice the amount, and that only after a period of rest. When a share turns out smaller than it
 * was taken, the level becomes exactly what it would be had the smaller one been taken from the start.
 *
 * The level is in units of one part in `periodMs` of a request or token, so that `amount` a period is `amount` a
 * millisecond: integers only, no drift, as long as `amount × periodMs` is below 2^53. Above it (a limit in nano-USD, or
 * more than a hundred million tokens a day) a step is off by one part in 2^53 of the amount.
 */
export class RateBucket implements Counter {
  readonly #periodMs: number;
  #amount: number;
  #atMs: number;
  #level = 0;
  /** Taken by shares that have not ended, in requests or tokens. */
  #held = 0;
  #youngest: Share | null = null;
  /** Of all slices, at most the level. */
  #sum = 0;

  constructor(amount: number, nowMs: number, periodMs = 60_000) {
    this.#amount = amount;
    this.#atMs = nowMs;
    this.#periodMs = periodMs;
  }

  waitMs(count: number, amount: number, nowMs: number): number {
    this.advance(nowMs);
    this.#amount = amount;
    if (count > amount) return Infinity;
    const over = this.#level + (count - amount) * this.#periodMs;
    return over <= 0 ? 0 : Math.ceil(over / amount);
  }

  take(count: number): End {
    this.#level += count * this.#periodMs;
    this.#held += count;
    const share: Share = { slice: this.#level - this.#sum, older: this.#youngest, younger: null };
    if (this.#youngest) this.#youngest.younger = share;
    this.#youngest = share;
    this.#sum = this.#level;
    return (actual, nowMs) => this.#end(share, count, actual, nowMs);
  }

  state(): ReturnType<Counter["state"]> {
    const counted = Math.ceil(this.#level / this.#periodMs);
    const held = Math.min(this.#held, counted);
    const resetMs = this.#amount > 0 ? Math.ceil(this.#level / this.#amount) : 0;
    return { used: counted - held, held, resetMs };
  }

  idle(nowMs: number): boolean {
    this.advance(nowMs);
    return this.#youngest === null && this.#level === 0;
  }

  #end(share: Share, taken: number, actual: number, nowMs: number): void {
    this.advance(nowMs);
    this.#held -= taken;
    const less = (taken - actual) * this.#periodMs;
    // What drained away while the share was open cannot be given back: others may have been let in for it.
    if (less > 0) this.#level = Math.max(0, this.#level - this.#cut(share, less));
    else this.#level -= less;
    this.#unlink(share);
  }

  /** The clock never steps; should one do, a step back drains nothing at that moment, and nobody waits for it. */
  advance(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#level = Math.max(0, this.#level - elapsedMs * this.#amount);
    if (this.#sum > this.#level) this.#cut(this.#youngest, this.#sum - this.#level);
  }

  /** Takes up to `most` from the slice of the share and of older ones. Returns how much there was. */
  #cut(from: Share | null, most: number): number {
    let left = most;
    for (let share = from; share && left > 0; share = share.older) {
      const cut = Math.min(share.slice, left);
      share.slice -= cut;
      left -= cut;
    }
    this.#sum -= most - left;
    return most - left;
  }

  #unlink({ slice, older, younger }: Share): void {
    if (older) older.younger = younger;
    if (younger) {
      younger.older = older;
      younger.slice += slice;
    } else {
      this.#youngest = older;
      this.#sum -= slice;
    }
  }
}
