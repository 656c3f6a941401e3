import type { Scope } from "../../chat/error.ts";
import type { LimitScope, Measure, Period } from "../../chat/limit.ts";
import type { Usage } from "../../chat/usage.ts";
import type { RatedTerms, RatingLine } from "../../plugin/plugin.ts";
import type { Stage } from "../../storage/call-why.ts";
import type { BudgetWindow } from "../../storage/budget.ts";
import type { CallStatus } from "../../storage/database.ts";

/**
 * Why a call went as it did, or would go. `null` where nobody recorded it; `unknown` says which fields, and why. Times
 * are epoch ms, money nano-USD.
 */
export interface Explanation {
  /** `null`: the call was not made. */
  readonly callId: string | null;
  readonly kind: "recorded" | "dry-run";
  readonly asked: Asked;
  readonly principal: ExplainedPrincipal;
  readonly outcome: ExplainedOutcome;
  readonly estimate: ExplainedEstimate | null;
  /** Each that counted the call. */
  readonly limits: readonly ExplainedLimit[] | null;
  readonly budgets: readonly ExplainedBudget[] | null;
  /** How many more there are of both, which are not for whoever asks to see. */
  readonly limitsAbove: number;
  readonly budgetsAbove: number;
  readonly hold: ExplainedHold | null;
  /** In the order in which they were to be asked. */
  readonly targets: readonly ExplainedTarget[] | null;
  /** Hooks that took part before the end, in whole microseconds. */
  readonly plugins: readonly { readonly plugin: string; readonly tookUs: number }[] | null;
  readonly attempts: readonly ExplainedAttempt[];
  readonly warnings: readonly string[];
  /** `null`: it has none, because it has not ended, or was not made. */
  readonly settlement: ExplainedSettlement | null;
  readonly unknown: readonly { readonly field: string; readonly because: string }[];
}

export interface Asked {
  readonly model: string;
  readonly dialect: string;
  readonly operation: string;
  readonly stream: boolean;
  readonly atMs: number;
}
export interface ExplainedPrincipal {
  readonly name: string;
  readonly keyId: string | null;
  readonly accountId: string;
  /** The account and those above it as the call counts on them, nearest first, as far as whoever asks may see. */
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
}
export interface ExplainedOutcome {
  /** `would-pass`, `would-refuse`: of a dry run. */
  readonly status: CallStatus | "would-pass" | "would-refuse";
  readonly httpStatus: number | null;
  /** Where a call ended that was refused. */
  readonly stage: Stage | null;
  readonly kind: string | null;
  readonly code: string | null;
  readonly message: string | null;
  /** The limit or budget that refused, as the error body has it. */
  readonly limit: object | null;
}
export interface ExplainedEstimate {
  readonly expectedInputTokens: number;
  /** What the hold covers. */
  readonly mostInputTokens: number;
  /** Of all candidates together; `null`: nothing bounds it. */
  readonly mostOutputTokens: number | null;
}
export interface ExplainedLimit {
  /** `60 requests a minute` */
  readonly text: string;
  readonly scope: LimitScope;
  readonly measure: Measure;
  /** `null`: calls at once. */
  readonly per: Period | null;
  readonly limit: number;
  /** With the call counted in, in the limit's unit; `null`: its plugin does not tell. */
  readonly left: number | null;
  /** What the call takes of it; only of a dry run. */
  readonly needed?: number;
  readonly enforced?: boolean;
}
export interface ExplainedBudget {
  /** Of the budget; of credit that was paid in advance, its account's. */
  readonly id: string;
  readonly kind: "budget" | "balance";
  /** `null`: it is gone. With the two below as they are now. */
  readonly scope: Scope | null;
  readonly window: BudgetWindow | null;
  readonly limitNano: number | null;
  readonly heldNano: number;
  /** After the hold. */
  readonly leftNano: number;
}
export interface ExplainedHold {
  /** The most that one budget held. */
  readonly heldNano: number;
  /** Whose price it is, `instance/model`. With the lines, `null`: not known, or not told to whoever asks. */
  readonly target: string | null;
  readonly lines: readonly RatingLine[] | null;
  readonly priceVersion: string | null;
}
export interface ExplainedTarget {
  /** `instance/model` */
  readonly target: string;
  /** `chosen`: it answered, or would be asked first; `next`: it would be asked if those before it fail. */
  readonly state: "chosen" | "failed" | "passed-over" | "not-asked" | "next" | "excluded";
  /** Code of the reason, e.g. `breaker_open`. */
  readonly reason: string | null;
  /** The same in words, of those that were not for the call. */
  readonly words: string | null;
  /**
   * What the alias's strategy went by: calls there now (`least-busy`), their latency (`lowest-latency`), nano-USD
   * (`cheapest`), weight or hash. `null`: by nothing, or it is not told to whoever asks.
   */
  readonly score: number | null;
}
export interface ExplainedAttempt {
  readonly provider: string;
  readonly upstreamModel: string;
  readonly upstreamId: string | null;
  readonly status: number | null;
  readonly billed: boolean;
  /** From the start of the call until it was sent; `null`, as the next: not recorded. */
  readonly sentMs: number | null;
  /** Until its answer began, or it failed. */
  readonly tookMs: number | null;
  readonly fault: string | null;
}
export interface ExplainedSettlement {
  /** Who said what was used: `provider`, `drained`, `estimated` or `none`. */
  readonly source: string | null;
  readonly usage: Partial<Usage> | null;
  /** `null`: not known, or not told to whoever asks. */
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly priceVersion: string | null;
  readonly serviceTier: string | null;
  readonly lines: readonly RatingLine[] | null;
  readonly terms: RatedTerms | null;
  /** What the hold gave back, below 0 where the charge was above it; `null`: nothing was held or charged. */
  readonly givenBackNano: number | null;
  readonly overHold: boolean;
  /** What was written to the ledger. */
  readonly entries: readonly {
    readonly kind: "charge" | "adjustment";
    readonly deltaNano: number;
    readonly createdMs: number;
    readonly note: string | null;
  }[];
}
