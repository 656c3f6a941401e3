import type { MatchLogic, ModelInfo } from "@pydantic/genai-prices";
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Json } from "llm-proxy/plugin";
import { bundledModel, bundledVendors } from "./bundled-book.ts";
import { periodsOf } from "./bundled-prices.ts";
import { longestModelName, namesIn } from "./model-match.ts";
import type { Period } from "./price-period.ts";

/** An entry of the data that differs from what was known, as it is stored. */
export type ChangedEntry = {
  readonly vendor: string;
  readonly id: string;
  /** Lower case, its id among them. Patterns of the data are not taken over: they would run on every call. */
  readonly names: readonly string[];
  readonly contextWindow: number | null;
  readonly prices: Json;
};
/** What one look at the data has changed. */
export type Snapshot = {
  readonly fromMs: number;
  readonly version: string;
  readonly entries: readonly ChangedEntry[];
};

interface Difference {
  readonly entries: readonly ChangedEntry[];
  /** Entries whose prices moved further than anybody should believe unseen: `vendor/id`. */
  readonly held: readonly string[];
}

/** A tenth or ten times the price is more likely a mistake in the data than a new price. */
const mostTimes = 10;

/**
 * What the data says otherwise than the bundled book and the snapshots before. `text` is JSON in the format of the bundled
 * data: a list of providers. Throws `Error` that says what is wrong with it; then none of it is used. Vendor by vendor, each in
 * a turn of its own: calls are served meanwhile.
 */
export async function differenceOf(text: string, before: readonly Snapshot[]): Promise<Difference> {
  const providers: unknown = JSON.parse(text);
  if (!Array.isArray(providers)) throw new Error("not a list of providers");
  const known = new Map<string, ChangedEntry>();
  for (const entry of before.flatMap((snapshot) => snapshot.entries)) known.set(`${entry.vendor}/${entry.id}`, entry);
  const entries: ChangedEntry[] = [];
  const held: string[] = [];
  let familiar = 0;
  for (const provider of providers) {
    await nextTurn();
    const { id: vendor, models } = objectOf(provider, "a provider");
    if (typeof vendor !== "string" || !Array.isArray(models)) throw new Error("a provider without id or models");
    if (bundledVendors.includes(vendor)) familiar += 1;
    for (const model of models) {
      const entry = entryOf(vendor, objectOf(model, `a model of ${vendor}`));
      const key = `${vendor}/${entry.id}`;
      const earlier = known.get(key);
      const bundled = bundledModel(vendor, entry.id);
      const old = earlier?.prices ?? bundled?.prices;
      if (old !== undefined && isSame(old, entry.prices)) continue;
      if (old !== undefined && !isBelievable(periodsIn(old), periodsIn(entry.prices))) held.push(key);
      else entries.push(entry);
    }
  }
  // Another list, or half of one, would not change many prices, but it is not what the operator meant.
  if (familiar < bundledVendors.length / 2) throw new Error("it names hardly any of the vendors that are known");
  return { entries, held };
}

export const versionOf = (entries: readonly ChangedEntry[]): string =>
  `refreshed:${createHash("sha256").update(canonical(entries)).digest("hex").slice(0, 12)}`;

/** The prices as the book uses them. Throws for a price that is no decimal ≥ 0. */
// Checked by `entryOf` before it is stored.
export const periodsIn = (prices: Json | ModelInfo["prices"]): readonly Period[] =>
  periodsOf(prices as ModelInfo["prices"]);

function entryOf(vendor: string, model: Readonly<Record<string, unknown>>): ChangedEntry {
  const { id, match, prices, context_window: window } = model;
  if (typeof id !== "string" || id === "" || id.length > longestModelName)
    throw new Error(`a model of ${vendor} without a name`);
  const place = `${vendor}/${id}`;
  try {
    // Refuses whatever is no price; a shape that it does not know would be a new format of the data.
    checkShape(prices);
    periodsIn(prices as Json);
    const spelled = namesIn(objectOf(match, "match") as MatchLogic);
    const names = [id, ...spelled].filter((name) => name.length <= longestModelName).map((name) => name.toLowerCase());
    const contextWindow = typeof window === "number" && Number.isSafeInteger(window) && window > 0 ? window : null;
    return { vendor, id, names: [...new Set(names)], contextWindow, prices: JSON.parse(JSON.stringify(prices)) };
  } catch (error) {
    throw new Error(`${place}: ${error instanceof Error ? error.message : "unknown fault"}`, { cause: error });
  }
}

/** Prices, or a list of `{prices, constraint?}`. */
function checkShape(prices: unknown): void {
  const sets = Array.isArray(prices) ? prices.map((one) => objectOf(one, "a conditional price")) : [{ prices }];
  for (const set of sets) {
    const constraint = "constraint" in set ? set["constraint"] : undefined;
    if (constraint !== undefined && constraint !== null) {
      const { type } = objectOf(constraint, "a constraint");
      if (type !== "start_date" && type !== "time_of_date") throw new Error(`a constraint of type ${String(type)}`);
    }
    for (const [key, price] of Object.entries(objectOf(set["prices"], "prices"))) {
      if (typeof price === "number") continue;
      const { base, tiers } = objectOf(price, key);
      if (typeof base !== "number" || !Array.isArray(tiers)) throw new Error(`${key} is no price`);
      for (const tier of tiers) {
        const { start, price: its } = objectOf(tier, key);
        if (typeof start !== "number" || typeof its !== "number") throw new Error(`a tier of ${key} is no price`);
      }
    }
  }
}

function isBelievable(before: readonly Period[], after: readonly Period[]): boolean {
  const dearest = (periods: readonly Period[], side: "input" | "output") =>
    Math.max(0, ...periods.map(({ sheet }) => Number(sheet?.dearest[side]?.value ?? 0n)));
  return (["input", "output"] as const).every((side) => {
    const [old, now] = [dearest(before, side), dearest(after, side)];
    return old === now || (old > 0 && now > 0 && now <= old * mostTimes && now * mostTimes >= old);
  });
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  // Checked here; its fields stay unknown.
  return value as Readonly<Record<string, unknown>>;
}

/** Most are the same to the letter, which is found out soonest. */
const isSame = (left: unknown, right: unknown): boolean =>
  JSON.stringify(left) === JSON.stringify(right) || canonical(left) === canonical(right);

/** Equal texts for equal data, whatever the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}

/** What was stored by `refreshing`; anything else is as nothing. */
export function snapshotsIn(stored: Json | null): readonly Snapshot[] {
  if (typeof stored !== "object" || stored === null || !("snapshots" in stored)) return [];
  // Only ever written from snapshots.
  return stored.snapshots as unknown as readonly Snapshot[];
}
