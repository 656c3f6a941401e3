import type { ConditionalPrice, ModelInfo, ModelPrice } from "@pydantic/genai-prices";
import type { PriceSet } from "llm-proxy/plugin";
import { decimalOf, formatDecimal } from "./decimal.ts";
import type { Period } from "./price-period.ts";
import { completeSheet, isPricedEach, type Item, type PriceSheet, priceOf, type Tariff } from "./price-sheet.ts";

/** Token classes by the keys of the price data, which are USD per million tokens. */
const tokenKeys: Readonly<Record<string, Item>> = {
  input_mtok: "input",
  cache_read_mtok: "cacheRead",
  cache_write_mtok: "cacheWrite",
  cache_write_1h_mtok: "cacheWrite1h",
  input_audio_mtok: "inputAudio",
  cache_audio_read_mtok: "cacheReadAudio",
  input_image_mtok: "inputImage",
  output_mtok: "output",
  output_reasoning_mtok: "reasoning",
  output_audio_mtok: "outputAudio",
  output_image_mtok: "outputImage",
};
/** USD per thousand. */
const pieceKeys: Readonly<Record<string, Item>> = {
  requests_kcount: "request",
  web_searches_kcount: "webSearch",
  storage_searches_kcount: "fileSearch",
};

export const periodsOf = (prices: ModelInfo["prices"]): readonly Period[] =>
  conditionsOf(prices).map(({ when, prices: its }) => ({ when, sheet: sheetOf(its) }));

/** The prices of an entry, each with when it holds. */
export const conditionsOf = (
  prices: ModelInfo["prices"],
): readonly { readonly when: Period["when"]; readonly prices: ModelPrice }[] =>
  Array.isArray(prices)
    ? prices.map((conditional) => ({ when: whenOf(conditional.constraint), prices: conditional.prices }))
    : [{ when: { type: "always" }, prices }];

/**
 * Prices as a row of `prices:` would say them, without making a sheet of them: a list has thousands. `null`: tokens have
 * none.
 */
export function textsOf(prices: ModelPrice): (Omit<PriceSet, "input" | "output"> & Partial<PriceSet>) | null {
  const texts: Partial<Record<Item, string>> = {};
  const tiers = new Map<number, Partial<Record<Item, string>>>();
  for (const [key, price] of Object.entries(prices)) {
    const item = tokenKeys[key] ?? pieceKeys[key];
    if (item === undefined || price === undefined) continue;
    texts[item] = textOf(item, typeof price === "number" ? price : price.base);
    for (const { start, price: its } of typeof price === "number" ? [] : price.tiers)
      tiers.set(start, { ...tiers.get(start), [item]: textOf(item, its) });
  }
  if (!Object.keys(prices).some((key) => key in tokenKeys)) return null;
  const contextTiers = [...tiers]
    .toSorted(([left], [right]) => left - right)
    .map(([above, its]) => ({ above, ...its }));
  return { ...texts, ...(contextTiers.length > 0 && { contextTiers }) };
}

/** Of what is paid by the piece the data has the price of a thousand. */
function textOf(item: Item, value: number): string {
  if (isPricedEach(item)) return formatDecimal(decimalOf(value) / 1_000n);
  const text = String(value);
  return text.includes("e") ? formatDecimal(decimalOf(value)) : text;
}

function sheetOf(prices: ModelPrice): PriceSheet | null {
  const tariffs: Partial<Record<Item, Tariff>> = {};
  for (const [key, price] of Object.entries(prices)) {
    const item = tokenKeys[key];
    const piece = pieceKeys[key];
    if (price === undefined) continue;
    if (item !== undefined) tariffs[item] = tariffOf(price, 1n);
    if (piece !== undefined) tariffs[piece] = tariffOf(price, 1000n);
  }
  return completeSheet(tariffs);
}

/** `perMillion`: how many of the data's units of quantity make a million. */
function tariffOf(price: NonNullable<ModelPrice[string]>, perMillion: bigint): Tariff {
  const scaled = (value: number) => priceOf(decimalOf(value) * perMillion);
  if (typeof price === "number") return { base: scaled(price), tiers: [] };
  const tiers = price.tiers.map((tier) => ({ above: tier.start, price: scaled(tier.price) }));
  return { base: scaled(price.base), tiers: tiers.toSorted((left, right) => left.above - right.above) };
}

function whenOf(constraint: ConditionalPrice["constraint"]): Period["when"] {
  if (constraint === undefined) return { type: "always" };
  if (constraint.type === "start_date")
    return { type: "from", fromMs: Date.parse(`${constraint.start_date}T00:00:00Z`) };
  return { type: "daily", startMs: timeOfDay(constraint.start_time), endMs: timeOfDay(constraint.end_time) };
}

/** `16:30:00Z` or `16:30:00+08:00` as milliseconds of the UTC day. */
function timeOfDay(time: string): number {
  const dayMs = 86_400_000;
  return (Date.parse(`1970-01-02T${time}`) + dayMs) % dayMs;
}
