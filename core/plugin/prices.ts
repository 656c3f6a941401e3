import type { Capability } from "../chat/capability.ts";

export type { Capability } from "../chat/capability.ts";

// What a billing plugin reads and lists; `plugin.ts` exports all of it.

/** What has a price of its own: classes of tokens, in USD per million, and what is paid by the piece. Decimals. */
export interface ItemPrices {
  readonly input: string;
  readonly output: string;
  readonly cacheRead?: string;
  readonly cacheWrite?: string;
  readonly cacheWrite1h?: string;
  readonly reasoning?: string;
  readonly inputAudio?: string;
  readonly outputAudio?: string;
  readonly inputImage?: string;
  readonly outputImage?: string;
  /** USD per call. */
  readonly request?: string;
  /** USD per search of the web. */
  readonly webSearch?: string;
  /** USD per search of files that the provider keeps. */
  readonly fileSearch?: string;
  /** USD per image that the call makes. */
  readonly image?: string;
  /** USD per second of audio or video. */
  readonly second?: string;
  /** USD per million characters. */
  readonly character?: string;
}
export interface PriceSet extends ItemPrices {
  /** In effect for the whole call when its input has more than `above` tokens; an item that is left out keeps its price. */
  readonly contextTiers?: readonly (Partial<ItemPrices> & { readonly above: number })[];
}
/** One row of the file's `prices:`. `target` is `instance/model`, `*` matches any rest. */
export interface PriceRow extends PriceSet {
  readonly target: string;
  /** By the name of the tier that served the call, e.g. `batch`; fees by the piece that it leaves out are the row's. */
  readonly serviceTiers?: Readonly<Record<string, PriceSet>>;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly lacks?: readonly Capability[];
  readonly most?: MostUnits;
}
/** The most of each that one call can use: no text bounds it, so whoever prices it says it, and holds of budgets count it. */
export interface MostUnits {
  readonly image?: number;
  readonly second?: number;
  readonly character?: number;
}

/** What we charge for what a provider bills: cost × (1 + margin) × (1 − discount) + fee. */
export interface ChargeTerms {
  /** Percent on top of the cost; a decimal. */
  readonly margin?: string;
  /** Percent off, at most 100; a decimal. */
  readonly discount?: string;
  /** USD per call that used something; a decimal. */
  readonly fee?: string;
}
export interface RatedTerms extends ChargeTerms {
  /** Tells these terms from earlier and later ones. */
  readonly version: string;
}
/** A row of the options `charges` of the billing instance. */
export interface ChargeRow extends ChargeTerms {
  /** The account and all below it; absent: everybody. */
  readonly account?: string;
  /** `instance/model`, `*` matches any rest; absent: everything. */
  readonly target?: string;
}
/** A price or terms that were set through the API or the dashboard. */
export type BookEntry = {
  readonly id: string;
  readonly effectiveMs: number;
  readonly target: string;
} & (
  | {
      readonly kind: "price";
      /** `null`: from then on the target has no price set here, and that of the file or the bundled book holds. */
      readonly prices: Omit<PriceRow, "target"> | null;
    }
  | {
      readonly kind: "charge";
      /** `null`: everybody. */
      readonly account: string | null;
      /** `null`: from then on the terms of the file hold. */
      readonly terms: ChargeTerms | null;
    }
);
export interface PriceListing {
  readonly target: string;
  readonly source: "bundled" | "config" | "database";
  /** As calls have it in `priceVersion`. */
  readonly version: string;
  /** `null`: always. */
  readonly effectiveMs: number | null;
  /** Milliseconds of the UTC day, half-open; over midnight when the end is before the start. Absent: all day. */
  readonly daily?: { readonly startMs: number; readonly endMs: number };
  /** `null`: an entry that takes the ones before it back. */
  readonly prices:
    | (Omit<PriceSet, "input" | "output"> &
        Partial<Pick<PriceSet, "input" | "output">> & { readonly serviceTiers?: Readonly<Record<string, PriceSet>> })
    | null;
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
  readonly lacks?: readonly Capability[];
  readonly most?: MostUnits;
  /** Other names of the same model, without the instance's. */
  readonly names: readonly string[];
}
export interface ModelFacts {
  readonly model: string;
  /** Tokens; `null` where the book does not know. */
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
  /** What it cannot do, as far as is known. Absent: nothing is known. */
  readonly lacks?: readonly Capability[];
  /** What holds count, where other units than tokens have a price. */
  readonly most?: MostUnits;
}
