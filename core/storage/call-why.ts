import type { ErrorDetails } from "../chat/error.ts";
import type { LimitScope, Measure, Period } from "../chat/limit.ts";

/**
 * Why a call went as it did: what is recorded of it beside its row, so that `explain` need not guess. It stands in every
 * row, so lists take the place of names, and what says nothing is left out.
 */
export interface CallWhy {
  /** Whole microseconds spent in hooks of plugins, by `kind/name`. */
  readonly hooksUs?: Readonly<Record<string, number>>;
  /** What each budget held, and what was free on it after that, in nano-USD. */
  readonly holds?: readonly HeldOn[];
  /** Each limit that counted the call, and what was left of it with the call counted in. */
  readonly limits?: readonly CountedBy[];
  /** In tokens: the expected input, the most input, and the most output of all candidates; `null`: nothing bounded it. */
  readonly estimate?: readonly [expectedInput: number, mostInput: number, mostOutput: number | null];
  /**
   * Of a route of several targets: `instance/model` in the order in which they were to be asked, and what the strategy
   * of the alias went by, where it goes by figures; `null`: none is known of it.
   */
  readonly route?: readonly (readonly [target: string, score?: number | null])[];
  /** Targets, or aliases, that were not for the call: the code of the reason, and in words. */
  readonly skipped?: readonly (readonly [target: string, code: string, words: string])[];
  /** Targets that were not asked, and the code of the reason. */
  readonly passed?: readonly (readonly [target: string, code: string])[];
  /** Of each attempt in order: when it was sent and how long its answer took to begin, or to fail, in ms; then its fault. */
  readonly tries?: readonly TriedAt[];
  /** Of a call that was refused. */
  readonly refused?: RefusedBy;
}

/** `balance` of an account: its credit, by the account's id; else the budget with this id. */
export type HeldOn = readonly [id: string, nano: number, leftNano: number, kind?: "balance"];

/** An `id` of `null` is the caller's own key or account, or that of everything, `global`. `left` is in the limit's unit; `null`: its plugin does not tell. */
export type CountedBy = readonly [
  kind: LimitScope["kind"],
  id: string | null,
  measure: Measure,
  per: Period | null,
  amount: number,
  left: number | null,
];

export type TriedAt = readonly [sentMs: number, tookMs: number | null, fault?: string];

/** Where a call ended that was refused or found no target. */
export type Stage =
  "authentication" | "request" | "route" | "overload" | "limits" | "budgets" | "admission" | "targets";

export interface RefusedBy {
  readonly stage: Stage;
  readonly code: string | null;
  /** The limit or budget that refused, as its error's `details` tell of it. */
  readonly limit?: NonNullable<ErrorDetails["limit"]>;
}
