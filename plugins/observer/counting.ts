import type { Buckets } from "llm-proxy/plugin";

/** A sum of safe integers that stays exact beyond 2^53, at the price of one comparison. */
export class ExactSum {
  #low = 0;
  #high = 0n;

  add(integer: number): void {
    const sum = this.#low + integer;
    if (Number.isSafeInteger(sum)) this.#low = sum;
    else {
      this.#high += BigInt(this.#low);
      this.#low = integer;
    }
  }
  read(): number | bigint {
    return this.#high === 0n ? this.#low : this.#high + BigInt(this.#low);
  }
}

/** Durations in whole ms, told in seconds. */
export class Durations implements Buckets {
  readonly bounds: readonly number[];
  readonly counts: number[];
  readonly #boundsMs: readonly number[];
  #sumMs = 0;

  constructor(boundsMs: readonly number[]) {
    this.#boundsMs = boundsMs;
    this.bounds = boundsMs.map((bound) => bound / 1_000);
    this.counts = Array.from({ length: boundsMs.length + 1 }, () => 0);
  }
  get sum(): number {
    return this.#sumMs / 1_000;
  }
  observe(ms: number): void {
    const bounds = this.#boundsMs;
    let at = 0;
    while (at < bounds.length && ms > (bounds[at] ?? 0)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.#sumMs += ms;
  }
}
