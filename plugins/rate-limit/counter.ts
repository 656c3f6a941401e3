/** What is counted for one limit of one scope. */
export interface Counter {
  /** Milliseconds until `count` fits, 0 if it does now, infinite if it never will. `amount` is what the limit allows now. */
  waitMs(count: number, amount: number, nowMs: number): number;
  /** Right after `waitMs` said 0, with no turn of the event loop between. */
  take(count: number): End;
  /** Lets the time up to now pass, so that `state` is of now. Changes nothing that a claim would meet. */
  advance(nowMs: number): void;
  /** Counted, and taken by calls that still run; `resetMs` until all is free again, `null` where nobody knows. */
  state(): { readonly used: number; readonly held: number; readonly resetMs: number | null };
  /** As good as new: to forget it changes nothing. */
  idle(nowMs: number): boolean;
}

/** Ends what was taken, once. `actual` is what it came to, 0 to take it all back. */
export type End = (actual: number, nowMs: number) => void;
