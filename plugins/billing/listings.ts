import type { PriceListing, PriceRow, PriceSet, Target } from "llm-proxy/plugin";
import { bundledModels, bundledVendors, bundledVersion } from "./bundled-book.ts";
import { conditionsOf, textsOf } from "./bundled-prices.ts";
import { namesIn } from "./model-match.ts";
import { formatDecimal } from "./decimal.ts";
import { maxOutputTokensOf } from "./model-facts.ts";
import type { ChangedEntry } from "./price-data.ts";
import type { Period } from "./price-period.ts";
import type { OwnPrices } from "./price-rows.ts";
import { type Item, isPricedEach, type PriceSheet } from "./price-sheet.ts";

/** The rows of the file, in its order. */
export const configListings = (rows: readonly PriceRow[], own: OwnPrices): readonly PriceListing[] =>
  rows.map(({ target, contextWindow, maxOutputTokens, lacks, most, ...prices }) => ({
    target,
    source: "config",
    version: own.exactly(target)?.version ?? "",
    effectiveMs: null,
    prices,
    contextWindow: contextWindow ?? null,
    maxOutputTokens: maxOutputTokens ?? null,
    ...(lacks && { lacks }),
    ...(most && { most }),
    names: [],
  }));

/** An entry of the price data that was found later than the bundled ones. */
export interface Refreshed extends ChangedEntry {
  readonly fromMs: number;
  readonly version: string;
  readonly periods: readonly Period[];
}

/** What looks at the price data have found, under the names that the bundled entries have. */
export const newsListings = (
  news: readonly Refreshed[],
  instances: readonly Pick<Target, "provider" | "vendor">[],
): readonly PriceListing[] =>
  news.flatMap((entry) => {
    const renamed = instances.filter(({ provider, vendor }) => vendor === entry.vendor && provider !== vendor);
    return [entry.vendor, ...renamed.map(({ provider }) => provider)].flatMap((provider) =>
      entry.periods.flatMap(({ when, sheet }): readonly PriceListing[] => {
        if (sheet === null) return [];
        const { effectiveMs, ...times } = whenOf(when);
        return [
          {
            target: `${provider}/${entry.id}`,
            source: "bundled",
            version: entry.version,
            ...times,
            effectiveMs: Math.max(effectiveMs ?? 0, entry.fromMs),
            prices: givenIn(sheet),
            contextWindow: entry.contextWindow,
            maxOutputTokens: maxOutputTokensOf(entry.vendor, entry.id, entry.id),
            names: entry.names.filter((name) => name !== entry.id),
          },
        ];
      }),
    );
  });

/**
 * Every entry of the bundled data, a row a period, under its vendor's name, and under that of each instance which calls
 * the vendor by another.
 */
export function bundledListings(instances: readonly Pick<Target, "provider" | "vendor">[]): readonly PriceListing[] {
  const renamed = instances.filter(({ provider, vendor }) => provider !== vendor);
  const all = [...bundledVendors.map((vendor) => ({ provider: vendor, vendor })), ...renamed];
  return all.flatMap(({ provider, vendor }) =>
    bundledModels(vendor).flatMap(({ id, context_window: contextWindow = null, match, prices }) => {
      const names = [...new Set(namesIn(match))].filter((name) => name !== id);
      const maxOutputTokens = maxOutputTokensOf(vendor, id, id);
      return conditionsOf(prices).flatMap(({ when, prices: its }): readonly PriceListing[] => {
        const texts = textsOf(its);
        if (texts === null) return [];
        return [
          {
            target: `${provider}/${id}`,
            source: "bundled",
            version: bundledVersion,
            ...whenOf(when),
            prices: texts,
            contextWindow,
            maxOutputTokens,
            names,
          },
        ];
      });
    }),
  );
}

const whenOf = (when: Period["when"]): Pick<PriceListing, "effectiveMs" | "daily"> =>
  when.type === "daily"
    ? { effectiveMs: null, daily: { startMs: when.startMs, endMs: when.endMs } }
    : { effectiveMs: when.type === "from" ? when.fromMs : null };

/** The prices as a row of `prices:` would say them, without what they fall back on. */
function givenIn({ given }: PriceSheet): PriceListing["prices"] {
  const prices: Partial<Record<Item, string>> = {};
  const tiers = new Map<number, Partial<Record<Item, string>>>();
  // Its keys are items only.
  for (const item of Object.keys(given) as Item[]) {
    const tariff = given[item];
    if (tariff === undefined) continue;
    const each = (value: bigint) => formatDecimal(isPricedEach(item) ? value / 1_000_000n : value);
    prices[item] = each(tariff.base.value);
    for (const { above, price } of tariff.tiers) tiers.set(above, { ...tiers.get(above), [item]: each(price.value) });
  }
  const contextTiers: PriceSet["contextTiers"] = [...tiers]
    .toSorted(([left], [right]) => left - right)
    .map(([above, its]) => ({ above, ...its }));
  return { ...prices, ...(contextTiers.length > 0 && { contextTiers }) };
}
