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

/** What `doctor` looks at; scripts may rely on these. */
export type ProofCode =
  | "file-damaged"
  | "reference-lost"
  | "call-twice"
  | "call-missing"
  | "ledger-sum"
  | "ledger-entry"
  | "deleted-sum"
  | "rollup-sum"
  | "call-unindexed"
  | "balance-sum"
  | "answer-broken"
  | "audit-broken"
  | "window-negative"
  | "held-sum"
  | "spent-sum";

export interface Proof {
  readonly code: ProofCode;
  /** What must hold. */
  readonly name: string;
  readonly ok: boolean;
  /** The figures compared, or how many things are wrong; may be empty. */
  readonly detail: string;
  /** `null`: all is well. */
  readonly hint: RepairHint | null;
}
export interface RepairHint {
  readonly means: string;
  readonly action: string;
  /** For a shell. */
  readonly command: string;
}
