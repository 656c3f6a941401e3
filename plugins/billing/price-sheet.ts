import type { MostUnits } from "llm-proxy/plugin";
import { type Decimal, decimals, formatDecimal } from "./decimal.ts";
import { isFast } from "./service-tier.ts";

/** The classes that every token of a call falls into, each into exactly one. */
export const inputClasses = [
  "input",
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "inputAudio",
  "cacheReadAudio",
  "inputImage",
] as const;
export const outputClasses = ["output", "reasoning", "outputAudio", "outputImage"] as const;
export type TokenClass = (typeof inputClasses)[number] | (typeof outputClasses)[number];
/** What is no token and bounded by nothing in the request. */
export const units = ["image", "second", "character"] as const;
/** Bounded by what the request asks for. */
const searches = ["webSearch", "fileSearch"] as const;
/** What is paid beside tokens: the call itself, searches that the provider ran for it, and other units. */
export const pieces = ["request", ...searches, ...units] as const;
export type Piece = (typeof pieces)[number];
/** Given in USD for one; all others are for a million. */
export const isPricedEach = (item: Item): boolean =>
  item === "request" || item === "webSearch" || item === "fileSearch" || item === "image" || item === "second";
/** What can have a price. */
export type Item = TokenClass | Piece;

/** USD per million of the item. */
export interface Price {
  readonly value: Decimal;
  /** The same in nano-USD, for arithmetic without big integers; NaN for a price that is no whole number of them. */
  readonly nano: number;
  /** The same, for people. */
  readonly text: string;
}
export const priceOf = (value: Decimal): Price => ({ ...amountOf(value), text: formatDecimal(value) });

const amountOf = (value: Decimal): Pick<Price, "value" | "nano"> => ({
  value,
  nano: value % perNano === 0n ? Number(value / perNano) : Number.NaN,
});
const perNano = 10n ** BigInt(decimals - 9);

/** A price that depends on how long the whole input is; the tier it falls in prices all tokens, not those above. */
export interface Tariff {
  readonly base: Price;
  /** Ascending. `above`: input tokens that must be exceeded. */
  readonly tiers: readonly { readonly above: number; readonly price: Price }[];
}
export const flat = (value: Decimal): Tariff => ({ base: priceOf(value), tiers: [] });

export type Tariffs = Readonly<Partial<Record<Item, Tariff>>>;

/** What one model costs at one time. */
export interface PriceSheet {
  /** The prices as they were given, before the classes without one got the general one. */
  readonly given: Tariffs;
  /** `null`: tokens of this class have no price. */
  readonly tariffs: Readonly<Record<TokenClass, Tariff | null>>;
  /** Whether reasoning is priced apart; otherwise it is output like any other. */
  readonly reasoningApart: boolean;
  /** Those that have a price. */
  readonly pieces: readonly (readonly [Piece, Tariff])[];
  /** Sheets of the service tiers that have prices of their own, which have no tiers themselves. */
  readonly serviceTiers: ReadonlyMap<string, PriceSheet>;
  readonly dearest: Dearest;
  /** Without the tiers that are served only to those who ask for them. */
  readonly dearestUnasked: Dearest;
}
/** The highest price of any class on a side, in several tiers. `null`: none on that side has a price. */
export interface Dearest {
  readonly input: Price | null;
  /** Where nothing is written to a cache that is kept for an hour, the dearest class that there is. */
  readonly shortInput: Price | null;
  readonly output: Price | null;
  readonly webSearch: Price | null;
  readonly fileSearch: Price | null;
  /** The call itself, and the most of each unit that it can use. */
  readonly fixed: readonly Most[];
  /** All of `fixed` together, for one call. */
  readonly fixedTotal: Pick<Price, "value" | "nano">;
}
export interface Most {
  readonly item: Piece;
  readonly quantity: number;
  readonly price: Price;
}

/**
 * Fills the classes without a price of their own from the general one. A service tier leaves what is paid by the piece to
 * the standard sheet. `most`: what one call can use of each unit with a price. `null`: tokens have no price at all.
 */
export function completeSheet(
  given: Tariffs,
  tiers: ReadonlyMap<string, Tariffs> = noTiers,
  most: MostUnits = {},
): PriceSheet | null {
  const input = given.input ?? null;
  const output = given.output ?? null;
  const cacheWrite = given.cacheWrite ?? input;
  const tariffs: Record<TokenClass, Tariff | null> = {
    input,
    cacheRead: given.cacheRead ?? input,
    cacheWrite,
    cacheWrite1h: given.cacheWrite1h ?? cacheWrite,
    inputAudio: given.inputAudio ?? input,
    cacheReadAudio: given.cacheReadAudio ?? given.cacheRead ?? given.inputAudio ?? input,
    inputImage: given.inputImage ?? input,
    output,
    reasoning: given.reasoning ?? output,
    outputAudio: given.outputAudio ?? output,
    outputImage: given.outputImage ?? output,
  };
  const priced = pieces.flatMap((item) => (given[item] ? [[item, given[item]] as const] : []));
  const serviceTiers = new Map<string, PriceSheet>();
  for (const [name, its] of tiers) {
    const sheet = completeSheet({ ...Object.fromEntries(priced), ...its }, noTiers, most);
    if (sheet !== null) serviceTiers.set(name, sheet);
  }
  let dearest: Dearest = {
    input: dearestOf(inputClasses.map((name) => tariffs[name])),
    shortInput: dearestOf(inputClasses.flatMap((name) => (name === "cacheWrite1h" ? [] : [tariffs[name]]))),
    output: dearestOf(outputClasses.map((name) => tariffs[name])),
    webSearch: dearestOf([given.webSearch ?? null]),
    fileSearch: dearestOf([given.fileSearch ?? null]),
    ...together(priced.flatMap(([item, tariff]) => mostOf(item, tariff, most))),
  };
  let dearestUnasked = dearest;
  for (const [name, sheet] of serviceTiers) {
    dearest = dearerSides(dearest, sheet.dearest);
    if (!isFast(name)) dearestUnasked = dearerSides(dearestUnasked, sheet.dearest);
  }
  if (dearest.input === null && dearest.output === null) return null;
  return {
    given,
    tariffs,
    reasoningApart: given.reasoning !== undefined,
    pieces: priced,
    serviceTiers,
    dearest,
    dearestUnasked,
  };
}

function mostOf(item: Piece, tariff: Tariff, most: MostUnits): readonly Most[] {
  const price = dearestOf([tariff]);
  const quantity = item === "request" ? 1 : isSearch(item) ? 0 : (most[item] ?? 0);
  return price === null || quantity === 0 ? [] : [{ item, quantity, price }];
}

const isSearch = (item: Piece): item is (typeof searches)[number] => searches.some((search) => search === item);

const together = (fixed: readonly Most[]): Pick<Dearest, "fixed" | "fixedTotal"> => ({
  fixed,
  fixedTotal: amountOf(fixed.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * price.value, 0n)),
});

const noTiers: ReadonlyMap<string, Tariffs> = new Map();

export function priceAt(tariff: Tariff, inputTokens: number): Price {
  let price = tariff.base;
  for (const tier of tariff.tiers) if (inputTokens > tier.above) price = tier.price;
  return price;
}

export const dearerSides = (left: Dearest, right: Dearest): Dearest => ({
  input: dearer(left.input, right.input),
  shortInput: dearer(left.shortInput, right.shortInput),
  output: dearer(left.output, right.output),
  webSearch: dearer(left.webSearch, right.webSearch),
  fileSearch: dearer(left.fileSearch, right.fileSearch),
  ...together(dearerOfEach([...left.fixed, ...right.fixed])),
});

function dearerOfEach(all: readonly Most[]): readonly Most[] {
  const found = new Map<Piece, Most>();
  for (const each of all) {
    const known = found.get(each.item);
    found.set(each.item, {
      item: each.item,
      quantity: Math.max(each.quantity, known?.quantity ?? 0),
      price: dearer(known?.price ?? null, each.price) ?? each.price,
    });
  }
  return [...found.values()];
}

function dearer(left: Price | null, right: Price | null): Price | null {
  if (left === null) return right;
  if (right === null) return left;
  return right.value > left.value ? right : left;
}

function dearestOf(tariffs: readonly (Tariff | null)[]): Price | null {
  const prices = tariffs.flatMap((tariff) =>
    tariff === null ? [] : [tariff.base, ...tariff.tiers.map((tier) => tier.price)],
  );
  return prices.reduce<Price | null>(dearer, null);
}
