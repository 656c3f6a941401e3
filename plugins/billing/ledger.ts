import {
  type Biller,
  definePlugin,
  GatewayError,
  type RateOptions,
  type Rating,
  t,
  type Target,
  type Usage,
} from "llm-proxy/plugin";
import { longestModelName } from "./model-match.ts";
import { openPriceBook, type PriceBook } from "./price-book.ts";
import { dearestAt, type Period, sheetAt } from "./price-period.ts";
import { type Cost, costOf, dearestCostOf } from "./rating.ts";
import { sheetOfTier } from "./service-tier.ts";

/** Rates by the price book: the operator's `prices:` first, then the bundled data. Charges what the provider bills. */
export default definePlugin({
  kind: "billing",
  name: "ledger",
  api: 1,
  description: "Prices every call exactly, from the operator's own prices and a bundled price book.",
  config: t.Object(
    {
      unpriced: t.Union([t.Literal("refuse"), t.Literal("allow")], {
        default: "refuse",
        description:
          "Calls to a model without a price: refuse them, or let them pass with an unknown cost; under a budget they are refused either way.",
      }),
      interrupted: t.Union([t.Literal("input"), t.Literal("full"), t.Literal("release")], {
        default: "input",
        description: "What a call is charged whose process died: its expected input, its whole hold, or nothing.",
      }),
      uncappedOutputTokens: t.Integer({
        minimum: 1,
        default: 16_384,
        description: "Cap on the output tokens of a call under a budget that set no cap itself.",
      }),
    },
    { additionalProperties: false },
  ),
  setup: (policy, { prices }): Biller => {
    const book = openPriceBook(prices);
    return {
      policy,
      rate: (usage, target, atMs, options) => rate(book, usage, target, atMs, options ?? {}),
      models: (vendor) => book.models(vendor),
      facts: (target) => book.find(target)?.facts ?? null,
    };
  },
});

function rate(book: PriceBook, usage: Usage, target: Target, atMs: number, options: RateOptions): Rating {
  const listing = book.find(target);
  const cost = listing === null ? null : costIn(listing.periods, usage, atMs, options);
  if (listing === null || cost === null) throw unpriced(target.model);
  return { costNano: cost.costNano, chargeNano: cost.costNano, priceVersion: listing.version, lines: cost.lines };
}

function costIn(periods: readonly Period[], usage: Usage, atMs: number, options: RateOptions): Cost | null {
  if (options.dearest === true) {
    const dearest = dearestAt(periods, atMs);
    return dearest && dearestCostOf(usage, dearest);
  }
  const standard = sheetAt(periods, atMs);
  if (standard === null) return null;
  const { sheet, tier } = sheetOfTier(standard, options.serviceTier);
  return costOf(usage, sheet, tier);
}

const unpriced = (model: string): GatewayError =>
  new GatewayError("invalid-request", `The model "${model.slice(0, longestModelName)}" has no price.`, {
    code: "unpriced_model",
    param: "model",
  });
