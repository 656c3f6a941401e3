import type { ConditionalPrice, ModelInfo, ModelPrice } from "@pydantic/genai-prices";
import { decimalOf } from "./decimal.ts";
import type { Period } from "./price-period.ts";
import { completeSheet, type Item, type PriceSheet, priceOf, type Tariff } from "./price-sheet.ts";

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
const pieceKeys: Readonly<Record<string, Item>> = { requests_kcount: "request", web_searches_kcount: "webSearch" };

export function periodsOf(prices: ModelInfo["prices"]): readonly Period[] {
  if (!Array.isArray(prices)) return [{ when: { type: "always" }, sheet: sheetOf(prices) }];
  return prices.map((conditional) => ({ when: whenOf(conditional.constraint), sheet: sheetOf(conditional.prices) }));
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
