import { findProvider, type ModelInfo, type Provider, waitForUpdate } from "@pydantic/genai-prices";
import { periodsOf } from "./bundled-prices.ts";
import { longestModelName, type Matcher, matcherOf, namesIn } from "./model-match.ts";
import type { Period } from "./price-period.ts";

/** Names the data, not the program that came with it; kept equal to package.json by a test. */
export const bundledVersion = "genai-prices@0.1.8";

/** An entry of the bundled data; one entry serves all the names its clauses match. */
export interface BundledModel {
  readonly vendor: string;
  /** The entry's own id, which is not always a name that the vendor knows. */
  readonly id: string;
  readonly contextWindow: number | null;
  readonly periods: readonly Period[];
}
interface Vendor {
  readonly entries: readonly Entry[];
  readonly fallbacks: readonly string[];
}
interface Entry {
  readonly model: BundledModel;
  readonly matches: Matcher;
  /** Spelled out by its clauses, and its id. */
  readonly names: readonly string[];
}

/** Their ids. Nothing is fetched: nobody has asked the package to update its data. */
export const bundledVendors: readonly string[] = ((await waitForUpdate()) ?? []).map(({ id }) => id);

/** At most one for each vendor of the data. */
const vendors = new Map<string, Vendor>();

/** By the vendor's id, never guessed from the model's name. First entry that matches, as the data is written for. */
export function findBundled(vendorId: string, modelName: string): BundledModel | null {
  if (modelName.length > longestModelName) return null;
  const vendor = vendorOf(vendorId);
  if (vendor === null) return null;
  const name = modelName.toLowerCase();
  const dashed = dashDate(name);
  return findNamed(vendor, name) ?? (dashed === name ? null : findNamed(vendor, dashed));
}

/** Every name the data spells out for a vendor and would find again. Slow; the caller keeps the answer. */
export function bundledNames(vendorId: string): readonly string[] {
  const vendor = vendorOf(vendorId);
  if (vendor === null) return [];
  const found = vendor.entries.flatMap(({ names, model }) =>
    names.filter((name) => findBundled(vendorId, name) === model),
  );
  return [...new Set(found)];
}

/** The entries of a vendor as the data has them. */
export const bundledModels = (vendorId: string): readonly ModelInfo[] => {
  const provider = findProvider({ providerId: vendorId });
  return provider?.id === vendorId ? provider.models : [];
};

/** An entry as the data has it; `null`: there is none. */
export const bundledModel = (vendorId: string, id: string): ModelInfo | null =>
  bundledModels(vendorId).find((model) => model.id === id) ?? null;

/** Names as the data compares them, the more likely first. */
export const namesTried = (modelName: string): readonly string[] => {
  const name = modelName.toLowerCase();
  return [...new Set([name, dashDate(name)])];
};

/** A reseller's data may leave the models it passes on to their makers' lists. */
function findNamed(vendor: Vendor, name: string): BundledModel | null {
  for (const candidate of [vendor, ...vendor.fallbacks.map(vendorOf)]) {
    const entry = candidate?.entries.find(({ matches }) => matches(name));
    if (entry !== undefined) return entry.model;
  }
  return null;
}

function vendorOf(id: string): Vendor | null {
  const known = vendors.get(id);
  if (known !== undefined) return known;
  const provider = findProvider({ providerId: id });
  // The package also guesses a provider from part of its name: "my-openai-clone" would get OpenAI's prices.
  if (provider === undefined || provider.id !== id) return null;
  const vendor: Vendor = { entries: entriesOf(provider), fallbacks: provider.fallback_model_providers ?? [] };
  vendors.set(id, vendor);
  return vendor;
}

const entriesOf = (provider: Provider): readonly Entry[] =>
  provider.models.map((model) => ({
    model: {
      vendor: provider.id,
      id: model.id,
      contextWindow: model.context_window ?? null,
      periods: periodsOf(model.prices),
    },
    matches: matcherOf(model.match),
    names: [model.id, ...namesIn(model.match)],
  }));

/** `-20250514` as `-2025-05-14`: vendors write the date of a snapshot either way, the data mostly the second. */
const dashDate = (name: string): string =>
  name.replace(/-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g, "-$1-$2-$3");
