import type { Capability } from "../chat/capability.ts";
import type { Awaitable, BookEntry, PriceListing } from "../plugin/plugin.ts";

/** Who set an entry, and when. */
export type BookEntryRow = BookEntry & { readonly author: string; readonly createdMs: number };
/** `BookEntry` without what the repository gives it. */
export type NewBookEntry = DistributedOmit<BookEntry, "effectiveMs"> & {
  /** `null`: from now on. */
  readonly effectiveMs: number | null;
  readonly author: string;
};
type DistributedOmit<T, Left extends PropertyKey> = T extends unknown ? Omit<T, Left> : never;

export interface UnpricedRow {
  readonly provider: string;
  readonly model: string;
  /** How many calls asked for it. */
  readonly asked: number;
  readonly lastMs: number;
}
/** Prices and terms that were set through the API or the dashboard, and what has no price. */
export interface BookRepository {
  /** All of them, oldest first. From memory. */
  entries(): readonly BookEntryRow[];
  /** Never for the past: throws `invalid-request` for an earlier time than now. */
  add(entry: NewBookEntry): Awaitable<BookEntryRow>;
  /** Only what is not in effect yet goes. `unknown`: no such entry. */
  remove(id: string): Awaitable<"removed" | "effective" | "unknown">;
  /** One call more asked for a target that has no price. */
  countUnpriced(provider: string, model: string): Awaitable<void>;
  /** The last 1,000 targets that were asked for, newest first. */
  unpriced(): Awaitable<readonly UnpricedRow[]>;
}

// ── as the API and the pages show it ──────────────────────────────────────────────────────────────────────────────────

/** A price of the book; `id`, `author` and `createdMs` of those that were set through the API or the dashboard. */
export interface ListedPrice extends PriceListing {
  readonly id: string | null;
  readonly author: string | null;
  readonly createdMs: number | null;
}
export type TermsRow = BookEntryRow & { readonly kind: "charge" };
/** `later`: its time has not come. `past`: another for the same account and target took its place. */
export type StandingTerms = TermsRow & { readonly state: "later" | "current" | "past" };
export interface UnpricedModel extends Omit<UnpricedRow, "lastMs"> {
  /** `null`: nobody has asked, but the file, a provider or the book names it. */
  readonly lastMs: number | null;
  readonly listed: boolean;
}

/** A name of the file for one model or several. */
export interface AliasLine {
  readonly kind: "alias";
  readonly id: string;
  /** As the file names it. */
  readonly strategy: string;
  /** As the file has them, which may be aliases again. */
  readonly targets: readonly {
    readonly target: string;
    readonly weight?: number;
    /** Which calls it is there for. */
    readonly when?: object;
    /** `percent`: for whom it goes first; it is there for nobody else. */
    readonly canary?: { readonly percent: number; readonly by: "caller" | "conversation" };
    readonly drop?: readonly string[];
    readonly defaults?: object;
  }[];
  /** A second target that gets copies of its calls. */
  readonly shadow?: {
    readonly target: string;
    readonly percent: number;
    readonly maxInFlight: number;
    readonly account: string | null;
    readonly drop?: readonly string[];
    readonly defaults?: object;
  };
  /** The models that it may end at, as `instance/model`. */
  readonly reaches: readonly string[];
}
/** What can be called by name. */
export type ModelLine =
  | AliasLine
  | {
      readonly kind: "model";
      /** `instance/model`. */
      readonly id: string;
      readonly provider: string;
      readonly model: string;
      readonly vendor: string;
      readonly contextWindow: number | null;
      readonly maxOutputTokens: number | null;
      /** What it is known not to do. */
      readonly lacks: readonly Capability[];
      /** Those in force; `null`: none. */
      readonly prices: PriceListing["prices"];
      readonly source: PriceListing["source"] | null;
      readonly priceVersion: string | null;
    };
