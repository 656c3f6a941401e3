import {
  type Biller,
  type BillingPolicy,
  type ChargeRow,
  type ChargeTerms,
  definePlugin,
  GatewayError,
  type ModelFacts,
  type RateOptions,
  type Rating,
  t,
  type Target,
  type Usage,
} from "llm-proxy/plugin";
import { decimalOf, formatDecimal } from "./decimal.ts";
import { doubtsOf } from "./doubts.ts";
import { longestModelName } from "./model-match.ts";
import { type Charges, chargesOf, refuseStrayTargets, type Terms, withAccountIds } from "./charges.ts";
import { type Listing, openPriceBook, type PriceBook } from "./price-book.ts";
import { dearestAt, sheetAt } from "./price-period.ts";
import { type Cost, costOf, dearestCostOf, dearestLines } from "./rating.ts";
import { startRefreshing } from "./refreshing.ts";
import { sheetOfTier } from "./service-tier.ts";
import { type Timeline, valueAt, valuesIn } from "./timeline.ts";

const decimal = (description: string) =>
  t.Union([t.Number({ minimum: 0, maximum: 1_000_000 }), t.String({ pattern: "^\\d{1,7}(\\.\\d{1,18})?$" })], {
    description,
  });

/** Rates by the price book: the operator's `prices:` first, then the bundled data. Charges what the terms in `charges` make of that. */
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
        description:
          "What a call is charged whose process died: its expected input (no output, no images, seconds or characters), its whole hold, or nothing.",
      }),
      uncappedOutputTokens: t.Integer({
        minimum: 1,
        default: 16_384,
        description: "Cap on the output tokens of a call under a budget that set no cap itself.",
      }),
      refresh: t.Optional(
        t.Object(
          {
            url: t.String({
              pattern: "^https://",
              description: "Where newer price data is, in the format of the bundled data (genai-prices, `data.json`).",
            }),
            everyHours: t.Integer({ minimum: 1, maximum: 500, default: 24, description: "How often it is looked at." }),
          },
          { additionalProperties: false },
        ),
      ),
      charges: t.Optional(
        t.Array(
          t.Object(
            {
              account: t.Optional(
                t.String({
                  minLength: 1,
                  description:
                    "The account, by id, name at the top or path (`Org/Team`), and all below it; absent: everybody.",
                }),
              ),
              target: t.Optional(
                t.String({
                  pattern: "^[^\\s*]*\\*?$",
                  description: "`instance/model`; `*` at the end matches any rest; absent: everything.",
                }),
              ),
              margin: t.Optional(decimal("Percent on top of the cost.")),
              discount: t.Optional(decimal("Percent off, at most 100.")),
              fee: t.Optional(decimal("USD per call that used something.")),
            },
            { additionalProperties: false },
          ),
          {
            description:
              "What accounts are charged for what providers bill: cost × (1 + margin) × (1 − discount) + fee. The nearest account's row holds, of one account the most specific target's; none: the cost.",
          },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  check({ charges: written = [] }, { providers }) {
    const rows = written.map(rowOf);
    chargesOf(rows);
    refuseStrayTargets(rows, providers);
    return rows.flatMap(({ account }, at) => (account === undefined ? [] : [`charges[${at}].account`]));
  },
  setup({ charges: written = [], refresh, ...policy }, context) {
    const book = openPriceBook(context.prices);
    const rows = written.map(rowOf);
    for (const doubt of doubtsOf(context.prices)) context.logger.warn(doubt, "a price of the file looks like a slip");
    const made = rows.some(({ account }) => account !== undefined)
      ? withAccountIds(rows, context.accounts).then((named) => billerOf(policy, { book, charges: chargesOf(named) }))
      : billerOf(policy, { book, charges: chargesOf(rows) });
    return refresh ? begun() : made;

    async function begun(): Promise<Biller> {
      const biller = await made;
      if (refresh) await startRefreshing(refresh, context, (news) => book.refresh(news));
      return biller;
    }
  },
});

const billerOf = (policy: BillingPolicy, { book, charges }: Books): Biller => ({
  policy,
  rate: (usage, target, atMs, options) => rate({ book, charges }, usage, target, atMs, options ?? {}),
  models: (vendor) => book.models(vendor),
  facts(target, atMs) {
    const listing = book.find(target);
    return listing && valueAt(listing, atMs).facts;
  },
  factsAhead(target, atMs) {
    const listing = book.find(target);
    // Nearly every target has one price.
    if (listing === null || listing.length === 1) return noFacts;
    return valuesIn(listing, atMs, atMs + holdAheadMs).map(({ facts }) => facts);
  },
  adopt(entries) {
    book.adopt(entries);
    charges.adopt(entries);
  },
  prices: (instances) => book.listings(instances),
});

interface ChargeOption extends Omit<ChargeRow, keyof ChargeTerms> {
  readonly margin?: number | string;
  readonly discount?: number | string;
  readonly fee?: number | string;
}

const rowOf = ({ margin, discount, fee, ...row }: ChargeOption): ChargeRow => ({
  ...row,
  ...(margin !== undefined && { margin: textOf(margin) }),
  ...(discount !== undefined && { discount: textOf(discount) }),
  ...(fee !== undefined && { fee: textOf(fee) }),
});

const textOf = (value: number | string): string =>
  typeof value === "number" ? formatDecimal(decimalOf(value)) : value;

interface Books {
  readonly book: PriceBook;
  readonly charges: Charges;
}

/** A call that is held for now is rated when it ends: prices and facts that hold by then are looked at as well. */
const holdAheadMs = 3_600_000;

function rate({ book, charges }: Books, usage: Usage, target: Target, atMs: number, options: RateOptions): Rating {
  const listing = book.find(target);
  if (listing === null) throw unpriced(target.model);
  const terms = charges.find(target, options.accounts ?? nobody);
  if (options.dearest === true) return dearestRating(listing, terms, usage, atMs, options) ?? refuse(target);
  const { version, periods } = valueAt(listing, atMs);
  const standard = sheetAt(periods, atMs);
  if (standard === null) throw unpriced(target.model);
  const ofTier = standard.serviceTiers.size === 0 ? null : sheetOfTier(standard, options.serviceTier);
  const standing = terms === null ? null : valueAt(terms, atMs);
  const { costNano, chargeNano, lines } =
    costOf(usage, ofTier?.sheet ?? standard, ofTier?.tier ?? null, standing) ?? refuse(target);
  const rating = { costNano, chargeNano, priceVersion: version, lines };
  return standing === null ? rating : { ...rating, terms: standing.shown };
}

const nobody: readonly string[] = [];
const noLines: Rating["lines"] = [];
const noFacts: readonly ModelFacts[] = [];

/** `null`: no price. */
function dearestRating(
  prices: Listing,
  terms: Timeline<Terms | null> | null,
  usage: Usage,
  atMs: number,
  { shortCache = false, itemised = false, serviceTier: asked }: RateOptions,
): Rating | null {
  // Nearly every target has one price and no terms, and this is asked several times a call.
  if (prices.length === 1 && terms === null) {
    const { version, periods } = prices[0].value;
    const dearest = dearestAt(periods, atMs, asked);
    const cost = dearest && dearestCostOf(usage, dearest, null, shortCache);
    const lines = itemised && dearest ? dearestLines(usage, dearest, shortCache) : noLines;
    return cost && { costNano: cost.costNano, chargeNano: cost.chargeNano, priceVersion: version, lines };
  }
  let most: Rating | null = null;
  for (const { version, periods } of valuesIn(prices, atMs, atMs + holdAheadMs)) {
    const dearest = dearestAt(periods, atMs, asked);
    if (dearest === null) continue;
    for (const standing of terms === null ? [null] : valuesIn(terms, atMs, atMs + holdAheadMs)) {
      const cost = dearestCostOf(usage, dearest, standing, shortCache);
      if (cost === null) continue;
      const isMost: boolean = most === null || cost.chargeNano > most.chargeNano;
      const lines: Rating["lines"] =
        isMost && itemised ? dearestLines(usage, dearest, shortCache) : (most?.lines ?? noLines);
      most = { ...larger(most, cost), priceVersion: version, lines };
    }
  }
  return most;
}

/** The larger cost and the larger charge, which need not come together. */
const larger = (left: Rating | null, right: Cost): Pick<Cost, "costNano" | "chargeNano"> => ({
  costNano: Math.max(left?.costNano ?? 0, right.costNano),
  chargeNano: Math.max(left?.chargeNano ?? 0, right.chargeNano),
});

function refuse({ model }: Target): never {
  throw unpriced(model);
}

const unpriced = (model: string): GatewayError =>
  new GatewayError("invalid-request", `The model "${model.slice(0, longestModelName)}" has no price.`, {
    code: "unpriced_model",
    param: "model",
  });
