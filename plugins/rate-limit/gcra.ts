import type { Counter, End } from "./counter.ts";

/** The least level since a share was taken. Those that would say the same are merged, `into` the oldest. */
interface Low {
  level: number;
  into: Low | null;
}

/** In units of a 60,000th of a request or token, `amount` a minute is `amount` a millisecond: integers only, no drift. */
const unit = 60_000;

/**
 * The generic cell rate algorithm (ITU-T I.371) for one limit of so many a minute, in its leaky-bucket form: what is
 * taken raises the level, time drains it evenly, and at most one minute's amount fits.
 *
 * Guaranteed: a minute's amount at once, and in any time of `s` seconds at most `amount × (1 + s/60)`; so in any
 * sliding minute never more than twice the amount, and that only after a minute of rest. A share may later turn out
 * smaller; then the level becomes what it would be had the smaller one been taken from the start, never less.
 */
export class RateBucket implements Counter {
  #amount: number;
  #atMs: number;
  #level = 0;
  /** Taken by shares that have not ended, in requests or tokens. */
  #held = 0;
  #open = 0;
  /** Of open shares, oldest first. Older shares have seen at least as low a level, so the levels rise. */
  readonly #lows: Low[] = [];

  constructor(amount: number, nowMs: number) {
    this.#amount = amount;
    this.#atMs = nowMs;
  }

  waitMs(count: number, amount: number, nowMs: number): number {
    this.#advance(nowMs);
    this.#amount = amount;
    if (count > amount) return Infinity;
    const over = this.#level + (count - amount) * unit;
    return over <= 0 ? 0 : Math.ceil(over / amount);
  }

  take(count: number): End {
    this.#level += count * unit;
    this.#held += count;
    this.#open += 1;
    const low: Low = { level: this.#level, into: null };
    this.#lows.push(low);
    return (actual, nowMs) => this.#end(count, actual, low, nowMs);
  }

  state(): ReturnType<Counter["state"]> {
    const counted = Math.ceil(this.#level / unit);
    const held = Math.min(this.#held, counted);
    const resetMs = this.#amount > 0 ? Math.ceil(this.#level / this.#amount) : 0;
    return { used: counted - held, held, resetMs };
  }

  idle(nowMs: number): boolean {
    this.#advance(nowMs);
    return this.#open === 0 && this.#level === 0;
  }

  #end(taken: number, actual: number, low: Low, nowMs: number): void {
    this.#advance(nowMs);
    this.#held -= taken;
    this.#open -= 1;
    // What drained away while the share was open cannot be given back: others may have been let in for it.
    this.#level += Math.max((actual - taken) * unit, -rootOf(low).level);
    if (this.#open === 0) this.#lows.length = 0;
  }

  /** A clock that steps back drains nothing at that moment, and goes on from there: nobody waits for the step. */
  #advance(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#level = Math.max(0, this.#level - elapsedMs * this.#amount);
    this.#noteLow();
  }

  #noteLow(): void {
    const lows = this.#lows;
    let last = lows.at(-1);
    if (!last || last.level <= this.#level) return;
    for (let older = lows.at(-2); older && older.level >= this.#level; older = lows.at(-2)) {
      lows.pop();
      last.into = older;
      last = older;
    }
    last.level = this.#level;
  }
}

function rootOf(low: Low): Low {
  let root = low;
  while (root.into) root = root.into;
  return root;
}
