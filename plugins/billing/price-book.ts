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
import { always, type Dated, type Timeline, timelineOf } from "./timeline.ts";

/** Far more than the targets of any installation; a bound, because the model's name may come from a client. */
const rememberedTargets = 10_000;

export interface PriceBook {
  /** `null`: nothing is known of the target. */
  find(target: Target): Listing | null;
  models(vendor: string): readonly ModelFacts[];
  adopt(entries: readonly BookEntry[]): void;
  /** Takes over what looks at the price data have found, oldest first. */
  refresh(snapshots: readonly Snapshot[]): void;
  /** The same list for the same instances, as long as nothing changes. */
  listings(instances: Instances): readonly PriceListing[];
}
type Instances = readonly Pick<Target, "provider" | "vendor">[];
export interface Listing {
  readonly prices: Timeline<Priced>;
  readonly facts: ModelFacts;
}
export interface Priced {
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
    modelsOf.clear();
  }
  const modelsOf = new Map<string, readonly ModelFacts[]>();

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
    const latest = entries.findLast(({ ready }) => ready !== null)?.ready ?? null;
    const lacks =
      latest?.lacks ?? row?.lacks ?? (bundled === null ? [] : lackedBy(bundled.vendor, target.model, bundled.id));
    const most = (latest ?? row)?.most ?? null;
    const facts: ModelFacts = {
      model: target.model,
      contextWindow:
        latest?.contextWindow ?? row?.contextWindow ?? found.at(-1)?.contextWindow ?? bundled?.contextWindow ?? null,
      maxOutputTokens:
        latest?.maxOutputTokens ??
        row?.maxOutputTokens ??
        (bundled === null ? null : maxOutputTokensOf(bundled.vendor, target.model, bundled.id)),
      ...(lacks.length > 0 && { lacks }),
      ...(most && { most }),
    };
    const below =
      row !== null
        ? pricedBy(row)
        : target.vendor === "echo"
          ? freeOfCharge
          : { version: bundledVersion, periods: bundled?.periods ?? [] };
    const dated = entries.map((entry): Dated<Priced> => ({
      fromMs: entry.effectiveMs,
      claimant: entry.target,
      rank: rankOf(entry.target),
      value: entry.ready && pricedBy(entry.ready),
    }));
    const claims = [...found.map(claimOf), ...dated];
    return { prices: claims.length === 0 ? always(below) : timelineOf(below, claims), facts };
  }

  function models(vendor: string): readonly ModelFacts[] {
    const known = modelsOf.get(vendor);
    if (known !== undefined) return known;
    // An instance is named after its vendor unless the operator says otherwise, so its own rows apply here as well.
    const facts = bundledNames(vendor).flatMap((model) => find({ provider: vendor, vendor, model })?.facts ?? []);
    if (facts.length > 0) modelsOf.set(vendor, facts);
    return facts;
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

/** Below whatever was set through the API, whose rank is the length of a target. */
const claimOf = ({ fromMs, rank, version, periods }: Refreshed & { readonly rank: number }): Dated<Priced> => ({
  fromMs,
  claimant: `refreshed ${rank}`,
  rank,
  value: { version, periods },
});

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
