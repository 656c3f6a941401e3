import type { Usage } from "../chat/usage.ts";
import type { RatedTerms } from "../plugin/plugin.ts";
import type { CallWhy } from "./call-why.ts";

/** What a page shows of one call beyond its columns. */
export interface CallNotes {
  readonly warnings?: readonly string[];
  readonly lines?: readonly {
    readonly item: string;
    readonly quantity: number;
    readonly price: string;
    readonly tier?: string;
  }[];
  /** How the charge came of the cost, where they differ. */
  readonly terms?: RatedTerms;
  /** The tier that served the call, where it is not the standard one, or that one is priced apart. */
  readonly serviceTier?: string;
  /** Parts of the usage that have no column, all of them where one is not 0. */
  readonly counts?: Pick<
    Usage,
    | "inputAudioTokens"
    | "cacheReadAudioTokens"
    | "outputAudioTokens"
    | "inputImageTokens"
    | "outputImageTokens"
    | "webSearches"
    | "fileSearches"
    | "images"
    | "seconds"
    | "characters"
  >;
  /** Message the client got. */
  readonly error?: string;
  /** The provider's usage was not credible and was corrected. */
  readonly anomalous?: boolean;
  /** The charge is above what was held for it: the bound was too low. */
  readonly overHold?: boolean;
  /** The id of the client's call that it copies. */
  readonly shadowOf?: string;
  /** Nobody is charged for it, now or by another price. */
  readonly isFree?: true;
  /**
   * References of the budgets that counted the call although, by the clock, it started before they were made: they were
   * there when it was admitted. Nobody else knows: either the request was arriving when they were made, or the clock was
   * set back after that.
   */
  readonly ahead?: readonly number[];
  readonly why?: CallWhy;
}
