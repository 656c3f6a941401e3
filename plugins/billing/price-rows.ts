import { createHash } from "node:crypto";
import type { PriceRow } from "llm-proxy/plugin";
import { type Decimal, parseDecimal } from "./decimal.ts";
import { completeSheet, flat, type Item, type PriceSheet, type Tariff } from "./price-sheet.ts";

/** A row of the operator's own prices, ready to use. */
export interface OwnPrice {
  /** `config:` and a digest of the target and its prices: a changed price is another version. */
  readonly version: string;
  readonly sheet: PriceSheet;
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
}
export interface OwnPrices {
  /** By `instance/model`: the exact row, else the one with the longest prefix; of equals, the first in the file. */
  find(target: string): OwnPrice | null;
}

type PricedField = Exclude<keyof PriceRow, "target" | "contextWindow" | "maxOutputTokens">;
const pricedFields: readonly PricedField[] = [
  "input",
  "output",
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "reasoning",
  "inputAudio",
  "outputAudio",
  "request",
];

/** Throws `Error` with the place of the first bad price, e.g. `prices[2].cacheRead: …`. */
export function readPriceRows(rows: readonly PriceRow[]): OwnPrices {
  const exact = new Map<string, OwnPrice>();
  const prefixes: { readonly prefix: string; readonly price: OwnPrice }[] = [];
  for (const [index, row] of rows.entries()) {
    const price = ownPriceOf(row, `prices[${index}]`);
    if (row.target.endsWith("*")) prefixes.push({ prefix: row.target.slice(0, -1), price });
    else if (!exact.has(row.target)) exact.set(row.target, price);
  }
  prefixes.sort((left, right) => right.prefix.length - left.prefix.length);
  return {
    find: (target) => exact.get(target) ?? prefixes.find(({ prefix }) => target.startsWith(prefix))?.price ?? null,
  };
}

function ownPriceOf(row: PriceRow, place: string): OwnPrice {
  const tariffs: Partial<Record<Item, Tariff>> = {};
  for (const field of pricedFields) {
    const text = row[field];
    if (text === undefined) continue;
    const price = readPrice(text, `${place}.${field}`);
    // A call has its price in USD, all else per million.
    tariffs[field] = flat(field === "request" ? price * 1_000_000n : price);
  }
  const sheet = completeSheet(tariffs);
  if (sheet === null) throw new Error(`${place}: neither input nor output has a price`);
  return {
    version: `config:${digest(row.target, tariffs)}`,
    sheet,
    contextWindow: row.contextWindow ?? null,
    maxOutputTokens: row.maxOutputTokens ?? null,
  };
}

function readPrice(text: string, place: string): Decimal {
  try {
    return parseDecimal(text);
  } catch (error) {
    throw new Error(`${place}: ${error instanceof Error ? error.message : "not a decimal"}`, { cause: error });
  }
}

/** Over the values, not their spelling: `0.50` and `0.5` are one price. */
function digest(target: string, tariffs: Readonly<Partial<Record<Item, Tariff>>>): string {
  const prices = pricedFields.map((field) => tariffs[field]?.base.text ?? null);
  return createHash("sha256")
    .update(JSON.stringify([target, ...prices]))
    .digest("hex")
    .slice(0, 12);
}
