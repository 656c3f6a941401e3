import type { Usage } from "../chat/usage.ts";
import type { Awaitable } from "../plugin/plugin.ts";

/** What re-rating must know of a call that used something. */
export interface RatedCall {
  readonly seq: number;
  readonly callId: string;
  readonly createdMs: number;
  readonly finishedMs: number;
  readonly accountId: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly usage: Usage;
  readonly serviceTier: string | null;
  /** With the adjustments so far; `null`: not known, as the target had no price. */
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  /** Nobody is charged for it by whatever price. */
  readonly isFree: boolean;
}
export interface Reprice {
  readonly seq: number;
  readonly costNano: number;
  readonly chargeNano: number;
  readonly priceVersion: string;
}
/** A change of a call's cost and charge after its end. */
export interface Adjustment {
  /** `null`: not told to whoever asks. */
  readonly costDeltaNano: number | null;
  readonly chargeDeltaNano: number;
  readonly priceVersion: string;
  readonly reason: string;
  readonly author: string;
  readonly createdMs: number;
}
export interface AdjustmentRange {
  /** Admitted in `[from, to)`. */
  readonly from: number;
  readonly to: number;
  /** As asked, as `instance/model`, or as the provider names it. */
  readonly model?: string;
  /** `next` of the answer before. */
  readonly after?: string;
  readonly limit: number;
}

export interface AdjustmentRepository {
  /**
   * Calls that used something, in the order of their admission. Not those whose whole hold was charged because their
   * process died: that is no rating.
   */
  ratedCalls(range: AdjustmentRange): Awaitable<{
    readonly calls: readonly RatedCall[];
    readonly next: string | null;
    /** Calls of the range from before this may be gone for their age, and keep their rating; `null`: none is gone. */
    readonly goneBeforeMs: number | null;
  }>;
  /**
   * One transaction: what each call differs by from its new rating, as entries of the ledger, in the rollups and in the
   * budgets that counted it. A call that is right already gets none.
   */
  write(reprices: readonly Reprice[], note: { readonly reason: string; readonly author: string }): Awaitable<void>;
}
