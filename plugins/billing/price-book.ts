import type { ModelFacts, PriceRow, Target } from "llm-proxy/plugin";
import { bundledNames, bundledVersion, findBundled } from "./bundled-book.ts";
import { maxOutputTokensOf } from "./model-facts.ts";
import type { Period } from "./price-period.ts";
import { readPriceRows } from "./price-rows.ts";
import { completeSheet, flat } from "./price-sheet.ts";

/** Far more than the targets of any installation; a bound, because the model's name may come from a client. */
const rememberedTargets = 10_000;

export interface PriceBook {
  /** `null`: nothing is known of the target. */
  find(target: Target): Listing | null;
  models(vendor: string): readonly ModelFacts[];
}
export interface Listing {
  readonly version: string;
  /** Empty: known, but without a price. */
  readonly periods: readonly Period[];
  readonly facts: ModelFacts;
}

/** The operator's rows first, then the bundled data. Throws `Error` naming the row whose price is not a decimal. */
export function openPriceBook(rows: readonly PriceRow[]): PriceBook {
  const own = readPriceRows(rows);
  const remembered = new Map<string, Listing | null>();
  const modelsOf = new Map<string, readonly ModelFacts[]>();

  function find(target: Target): Listing | null {
    const key = `${target.provider}\n${target.vendor}\n${target.model}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const listing = look(target);
    if (remembered.size >= rememberedTargets) remembered.clear();
    remembered.set(key, listing);
    return listing;
  }

  function look(target: Target): Listing | null {
    const row = own.find(`${target.provider}/${target.model}`);
    const bundled = target.vendor === "echo" ? null : findBundled(target.vendor, target.model);
    if (row === null && bundled === null) return target.vendor === "echo" ? freeOfCharge(target.model) : null;
    const facts: ModelFacts = {
      model: target.model,
      contextWindow: row?.contextWindow ?? bundled?.contextWindow ?? null,
      maxOutputTokens:
        row?.maxOutputTokens ?? (bundled === null ? null : maxOutputTokensOf(bundled.vendor, target.model, bundled.id)),
    };
    if (row !== null) return { version: row.version, periods: [{ when: { type: "always" }, sheet: row.sheet }], facts };
    return { version: bundledVersion, periods: bundled?.periods ?? [], facts };
  }

  function models(vendor: string): readonly ModelFacts[] {
    const known = modelsOf.get(vendor);
    if (known !== undefined) return known;
    // An instance is named after its vendor unless the operator says otherwise, so its own rows apply here as well.
    const facts = bundledNames(vendor).flatMap((model) => find({ provider: vendor, vendor, model })?.facts ?? []);
    if (facts.length > 0) modelsOf.set(vendor, facts);
    return facts;
  }

  return { find, models };
}

const zero = completeSheet({ input: flat(0n), output: flat(0n) });
/** What the built-in `echo` answers costs nothing, and is priced so that budgets and reports work with it. */
const freeOfCharge = (model: string): Listing => ({
  version: "built-in",
  periods: [{ when: { type: "always" }, sheet: zero }],
  facts: { model, contextWindow: null, maxOutputTokens: null },
});
