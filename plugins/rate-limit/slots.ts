import type { Counter, End } from "./counter.ts";

/** Calls at once. How long a call runs is unknown, so who finds no slot is asked to try again in a second. */
export class Slots implements Counter {
  #open = 0;

  waitMs(count: number, amount: number): number {
    return this.#open + count > amount ? 1_000 : 0;
  }

  take(count: number): End {
    this.#open += count;
    return () => void (this.#open -= count);
  }

  advance(): void {}

  state(): ReturnType<Counter["state"]> {
    return { used: 0, held: this.#open, resetMs: null };
  }

  idle(): boolean {
    return this.#open === 0;
  }
}
