/** What the storage says of itself, for pages, metrics and `doctor`. */

export interface DatabaseLoad {
  /** Works that wait for the next commit. */
  readonly commitsWaiting: number;
  /** Final records that wait for a storage that fails. */
  readonly finalsWaiting: number;
  /** Held on all budgets together; a call that several budgets count is held on each. */
  readonly heldNano: number;
  /** Calls that were deleted for their age, ever. */
  readonly goneCalls: number;
  /** Calls that this process ended as `interrupted`: those of dead processes, and of its own those that nobody worked on. */
  readonly sweptCalls: number;
  readonly strayCalls: number;
}

export interface Retention {
  /** From a call's admission; `null`: for ever. */
  readonly keepMs: number | null;
  /** When the oldest call that is kept was admitted; `null`: there is none. */
  readonly oldestMs: number | null;
  /** Calls admitted before this may be gone: of that time there are sums by hour and the ledger; `null`: none is gone. */
  readonly goneBeforeMs: number | null;
  readonly goneCalls: number;
  /** When the last one was deleted. */
  readonly lastMs: number | null;
}

export interface Proof {
  readonly name: string;
  readonly ok: boolean;
  /** The figures compared, and what to do when they differ. */
  readonly detail: string;
}
