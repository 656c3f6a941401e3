import type { BookEntry, ModelFacts, PriceListing, PriceRow, Target } from "llm-proxy/plugin";
import { type BundledModel, bundledNames, bundledVersion, findBundled, namesTried } from "./bundled-book.ts";
import { lackedBy, maxOutputTokensOf } from "./model-facts.ts";
import { bundledListings, configListings, newsListings, type Refreshed } from "./listings.ts";
import { longestModelName } from "./model-match.ts";
import { periodsIn, type Snapshot } from "./price-data.ts";
import type { Period } from "./price-period.ts";
import { type OwnPrice, ownPriceOf, readPriceRows } from "./price-rows.ts";
import { completeSheet, flat } from "./price-sheet.ts";
import { meansTarget, rankOf } from "./target-pattern.ts";
import { type Dated, joined, type Timeline, timelineOf } from "./timeline.ts";

/** Far more than the targets of any installation; a bound, because the model's name may come from a client. */
const rememberedTargets = 10_000;

export interface PriceBook {
  /** `null`: nothing is known of the target. */
  find(target: Target): Listing | null;
  models(vendor: string): PricedModels;
  adopt(entries: readonly BookEntry[]): void;
  /** Takes over what looks at the price data have found, oldest first. */
  refresh(snapshots: readonly Snapshot[]): void;
  /** The same list for the same instances, as long as nothing changes. */
  listings(instances: Instances): readonly PriceListing[];
}
type Instances = readonly Pick<Target, "provider" | "vendor">[];
type PricedModels = readonly Pick<ModelFacts, "model">[];
/** Of one target: what it costs and what is known of it go together. */
export type Listing = Timeline<Listed>;
interface Listed extends Priced {
  readonly facts: ModelFacts;
}
interface Priced {
  readonly version: string;
  /** Empty: known, but without a price. */
  readonly periods: readonly Period[];
}
type PriceEntry = BookEntry & { readonly kind: "price"; readonly ready: OwnPrice | null };

/**
 * What was set through the API and the dashboard first, from its time on; then the rows of the file; then the bundled
 * data. Throws `Error` naming the row whose price is not a decimal.
 */
export function openPriceBook(rows: readonly PriceRow[]): PriceBook {
  const own = readPriceRows(rows);
  let set: readonly PriceEntry[] = [];
  let news: readonly Refreshed[] = [];
  /** The last list that was asked for. */
  let listed: { readonly instances: Instances; readonly rows: readonly PriceListing[] } | null = null;
  const remembered = new Map<string, Listing | null>();
  /** A call asks several times about a target that core keeps: no name need be put together for that. */
  let ofTarget = new WeakMap<Target, Listing | null>();
  function forget() {
    remembered.clear();
    ofTarget = new WeakMap();
  }
  const modelsOf = new Map<string, PricedModels>();

  function find(target: Target): Listing | null {
    const found = ofTarget.get(target);
    if (found !== undefined) return found;
    const listing = named(target);
    ofTarget.set(target, listing);
    return listing;
  }

  function named(target: Target): Listing | null {
    const key = `${target.provider}\n${target.vendor}\n${target.model}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const listing = look(target);
    if (remembered.size >= rememberedTargets) remembered.clear();
    remembered.set(key, listing);
    return listing;
  }

  function look(target: Target): Listing | null {
    const name = `${target.provider}/${target.model}`;
    const row = own.find(name);
    const bundled = target.vendor === "echo" ? null : findBundled(target.vendor, target.model);
    const entries = set.filter((entry) => meansTarget(entry.target, name));
    const found = row === null ? newsOf(news, target, bundled) : [];
    const isKnown = row !== null || bundled !== null || target.vendor === "echo";
    if (!isKnown && entries.length === 0 && found.length === 0) return null;
    const below =
      row !== null
        ? pricedBy(row)
        : target.vendor === "echo"
          ? freeOfCharge
          : { version: bundledVersion, periods: bundled?.periods ?? [] };
    const ofEntries = timelineOf<OwnPrice | null>(null, entries.map(claimOf));
    const ofNews = timelineOf<Refreshed | null>(null, found.map(newsClaimOf));
    return joined(ofEntries, ofNews, (entry, refreshed) => {
      const { version, periods } = entry ? pricedBy(entry) : (refreshed ?? below);
      return { version, periods, facts: factsOf(target.model, { entry, row, refreshed, bundled }) };
    });
  }

  function models(vendor: string): PricedModels {
    const known = modelsOf.get(vendor);
    if (known !== undefined) return known;
    const found = bundledNames(vendor).map((model) => ({ model }));
    if (found.length > 0) modelsOf.set(vendor, found);
    return found;
  }

  return {
    find,
    models,
    adopt(entries) {
      set = entries.flatMap((entry) =>
        entry.kind === "price"
          ? [{ ...entry, ready: entry.prices && readyOf(entry.target, entry.prices, entry.id) }]
          : [],
      );
      forget();
    },
    refresh(snapshots) {
      news = snapshots.flatMap(({ fromMs, version, entries }) =>
        entries.map((entry) => ({ ...entry, fromMs, version, periods: periodsIn(entry.prices) })),
      );
      forget();
      listed = null;
    },
    listings(instances) {
      if (listed?.instances !== instances) {
        const found = [...configListings(rows, own), ...newsListings(news, instances), ...bundledListings(instances)];
        listed = { instances, rows: found };
      }
      return listed.rows;
    },
  };
}

/** Those of the target's own entry, and before them those of an entry that spells out its name. */
function newsOf(news: readonly Refreshed[], target: Target, bundled: BundledModel | null) {
  if (news.length === 0 || target.model.length > longestModelName) return [];
  const names = namesTried(target.model);
  const vendor = bundled?.vendor ?? target.vendor;
  return news.flatMap((entry) => {
    if (entry.vendor !== vendor) return [];
    const spelled = names.some((name) => entry.names.includes(name));
    return spelled || entry.id === bundled?.id ? [{ ...entry, rank: spelled ? 1 : 0 }] : [];
  });
}

const newsClaimOf = (entry: Refreshed & { readonly rank: number }): Dated<Refreshed> => ({
  fromMs: entry.fromMs,
  claimant: `refreshed ${entry.rank}`,
  rank: entry.rank,
  value: entry,
});

const claimOf = ({ effectiveMs, target, ready }: PriceEntry): Dated<OwnPrice> => ({
  fromMs: effectiveMs,
  claimant: target,
  rank: rankOf(target),
  value: ready,
});

interface Sources {
  readonly entry: OwnPrice | null;
  readonly row: OwnPrice | null;
  readonly refreshed: Refreshed | null;
  readonly bundled: BundledModel | null;
}

/** What the entry that holds leaves out is what the file says, then newer price data, then what comes with us. */
function factsOf(model: string, { entry, row, refreshed, bundled }: Sources): ModelFacts {
  const lacks = entry?.lacks ?? row?.lacks ?? (bundled ? lackedBy(bundled.vendor, model, bundled.id) : []);
  // Not of what lies below: it bounds units that only the price itself may count.
  const most = (entry ?? row)?.most ?? null;
  return {
    model,
    contextWindow:
      entry?.contextWindow ?? row?.contextWindow ?? refreshed?.contextWindow ?? bundled?.contextWindow ?? null,
    maxOutputTokens:
      entry?.maxOutputTokens ??
      row?.maxOutputTokens ??
      (bundled ? maxOutputTokensOf(bundled.vendor, model, bundled.id) : null),
    ...(lacks.length > 0 && { lacks }),
    ...(most && { most }),
  };
}

const readyOf = (target: string, prices: Omit<PriceRow, "target">, id: string): OwnPrice => ({
  ...ownPriceOf({ target, ...prices }, "prices", "database"),
  // The entry's own id, under which it is listed.
  version: `database:${id}`,
});

const pricedBy = ({ version, sheet }: OwnPrice): Priced => ({
  version,
  periods: [{ when: { type: "always" }, sheet }],
});

const zero = completeSheet({ input: flat(0n), output: flat(0n) });
/** What the built-in `echo` answers costs nothing, and is priced so that budgets and reports work with it. */
const freeOfCharge: Priced = { version: "built-in", periods: [{ when: { type: "always" }, sheet: zero }] };
