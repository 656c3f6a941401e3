import { createHash } from "node:crypto";
import {
  type Capability,
  type ItemPrices,
  type MostUnits,
  priceFault,
  type PriceRow,
  type PriceSet,
} from "llm-proxy/plugin";
import { type Decimal, parseDecimal } from "./decimal.ts";
import {
  completeSheet,
  type Item,
  isPricedEach,
  priceOf,
  type PriceSheet,
  type Tariff,
  type Tariffs,
  units,
} from "./price-sheet.ts";

/** A row of the operator's own prices, ready to use. */
export interface OwnPrice {
  /** `config:` and a digest of the target and its prices: a changed price is another version. */
  readonly version: string;
  readonly sheet: PriceSheet;
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
  readonly lacks: readonly Capability[] | null;
  readonly most: MostUnits | null;
}
export interface OwnPrices {
  /** By `instance/model`: the exact row, else the one with the longest prefix; of equals, the first in the file. */
  find(target: string): OwnPrice | null;
  /** The row with this very target. */
  exactly(target: string): OwnPrice | null;
}

const pricedItems = [
  "input",
  "output",
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "reasoning",
  "inputAudio",
  "outputAudio",
  "inputImage",
  "outputImage",
  "request",
  "webSearch",
  "fileSearch",
  "image",
  "second",
  "character",
] as const satisfies readonly (keyof ItemPrices)[];
/** Throws `Error` with the place of the first bad price, e.g. `prices[2].cacheRead: …`. */
export function readPriceRows(rows: readonly PriceRow[]): OwnPrices {
  const exact = new Map<string, OwnPrice>();
  const prefixes: { readonly prefix: string; readonly price: OwnPrice }[] = [];
  for (const [index, row] of rows.entries()) {
    const price = ownPriceOf(row, `prices[${index}]`, "config");
    if (row.target.endsWith("*")) prefixes.push({ prefix: row.target.slice(0, -1), price });
    else if (!exact.has(row.target)) exact.set(row.target, price);
  }
  prefixes.sort((left, right) => right.prefix.length - left.prefix.length);
  return {
    exactly: (target) => exact.get(target) ?? prefixes.find(({ prefix }) => `${prefix}*` === target)?.price ?? null,
    find: (target) => exact.get(target) ?? prefixes.find(({ prefix }) => target.startsWith(prefix))?.price ?? null,
  };
}

/** `place`: where the row stands, for the message of a bad price. */
export function ownPriceOf(row: PriceRow, place: string, source: "config" | "database"): OwnPrice {
  const fault = priceFault(row);
  if (fault && !(fault.isBound && source === "database"))
    throw new Error(`${place}${fault.at.map(stepOf).join("")}: ${fault.message}`);
  const tiers = Object.entries(row.serviceTiers ?? {}).map(
    ([name, set]) => [name, tariffsOf(set, `${place}.serviceTiers.${name}`)] as const,
  );
  const tariffs = tariffsOf(row, place);
  const sheet = completeSheet(tariffs, new Map(tiers), row.most);
  if (sheet === null) throw new Error(`${place}: neither input nor output has a price`);
  return {
    version: `${source}:${digest([row.target, textsOf(tariffs), ...tiers.map(([name, its]) => [name, textsOf(its)])])}`,
    sheet,
    contextWindow: row.contextWindow ?? null,
    maxOutputTokens: row.maxOutputTokens ?? null,
    lacks: row.lacks ?? null,
    most: row.most ?? null,
  };
}

const stepOf = (step: string | number): string => (typeof step === "number" ? `[${step}]` : `.${step}`);

function tariffsOf({ contextTiers = [], ...prices }: PriceSet, place: string): Tariffs {
  const tariffs: Partial<Record<Item, Tariff>> = {};
  const ascending = contextTiers
    .map((tier, index) => ({ tier, place: `${place}.contextTiers[${index}]` }))
    .toSorted((left, right) => left.tier.above - right.tier.above);
  for (const item of pricedItems) {
    const base = prices[item];
    const tiers = ascending.flatMap(({ tier, place: at }) => {
      const text = tier[item];
      return text === undefined
        ? []
        : [{ above: tier.above, price: priceOf(readPrice(text, `${at}.${item}`) * unit(item)) }];
    });
    if (base !== undefined) tariffs[item] = { base: priceOf(readPrice(base, `${place}.${item}`) * unit(item)), tiers };
  }
  return tariffs;
}

/** By the piece a price is USD for one, all others are USD per million. */
const unit = (item: Item): bigint => (isPricedEach(item) ? 1_000_000n : 1n);

function readPrice(text: string, place: string): Decimal {
  try {
    return parseDecimal(text);
  } catch (error) {
    throw new Error(`${place}: ${error instanceof Error ? error.message : "not a decimal"}`, { cause: error });
  }
}

/** The values, not their spelling: `0.50` and `0.5` are one price. */
const textsOf = (tariffs: Tariffs) =>
  pricedItems.flatMap((item): unknown[] => {
    const tariff = tariffs[item];
    // Units came later: rows without them keep their digest.
    const isUnit = units.some((one) => one === item);
    if (tariff === undefined) return isUnit ? [] : [null];
    const tiers = tariff.tiers.map(({ above, price }) => [above, price.text]);
    if (isUnit) return [[item, tariff.base.text, ...tiers]];
    return [tiers.length === 0 ? tariff.base.text : [tariff.base.text, ...tiers]];
  });

const digest = (values: unknown): string =>
  createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 12);
