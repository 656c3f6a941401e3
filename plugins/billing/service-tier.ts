import type { PriceSheet } from "./price-sheet.ts";

export interface TierSheet {
  readonly sheet: PriceSheet;
  /** The tier whose own prices these are; `null`: the standard ones. */
  readonly tier: string | null;
}

/**
 * The prices of the service tier that a provider says served the call. `flex` and `batch` stand in for each other, as
 * vendors price them alike. A name of two (`fast-us`) that has no prices has those of its first part, or else of its second:
 * who asked for the one may be served in the other as well. A tier that has none at all has the standard ones.
 */
export function sheetOfTier(sheet: PriceSheet, reported: string | undefined): TierSheet {
  if (reported === undefined || sheet.serviceTiers.size === 0) return { sheet, tier: null };
  const name = tierName(reported);
  for (const tier of [name, standIns.get(name), ...partsOf(name)]) {
    const own = tier === undefined ? undefined : sheet.serviceTiers.get(tier);
    if (tier !== undefined && own !== undefined) return { sheet: own, tier };
  }
  return { sheet, tier: null };
}

const standIns: ReadonlyMap<string, string> = new Map([
  ["flex", "batch"],
  ["batch", "flex"],
]);

/** Whether a tier is had only by those who ask for it. */
export const isFast = (tier: string): boolean => tier === "fast" || tier.startsWith("fast-");

function partsOf(name: string): readonly string[] {
  const dash = name.indexOf("-");
  return dash < 0 ? [] : [name.slice(0, dash), name.slice(dash + 1)];
}

/** Gemini's `trafficType` says ON_DEMAND_FLEX where others say flex. */
const tierName = (reported: string): string => reported.toLowerCase().replace(/^on_demand_/, "");
