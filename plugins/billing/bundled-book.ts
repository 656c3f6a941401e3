import type { findProvider, ModelInfo, Provider } from "@pydantic/genai-prices";
import { createRequire } from "node:module";
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

/** The ids of all vendors of the data, so that it is not loaded for the others; kept equal to it by a test. */
export const bundledVendors: readonly string[] = `
  anthropic arcee avian aws azure baseten cerebras cloudflare cohere cursor deepseek doubleword fireworks
  github-copilot google groq huggingface_cerebras huggingface_fireworks-ai huggingface_groq
  huggingface_hyperbolic huggingface_nebius huggingface_novita huggingface_nscale huggingface_ovhcloud
  huggingface_publicai huggingface_sambanova huggingface_together minimax mistral modal moonshotai novita openai
  openrouter ovhcloud perplexity quicksilverpro together typesafe voyageai x-ai zai zhipuai
`
  .trim()
  .split(/\s+/);

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
  return providerOf(vendorId)?.models ?? [];
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
  const provider = providerOf(id);
  if (provider === null) return null;
  const vendor: Vendor = { entries: entriesOf(provider), fallbacks: provider.fallback_model_providers ?? [] };
  vendors.set(id, vendor);
  return vendor;
}

type Library = { readonly findProvider: typeof findProvider };
let library: Library | null = null;

/**
 * Loads the data when it is needed first: that takes 40 ms, which no start has, and 15 MB. Nothing is fetched: nobody has
 * asked the package to update its data.
 */
function providerOf(id: string): Provider | null {
  // The package would also guess a provider from part of its name: "my-openai-clone" would get OpenAI's prices.
  if (!bundledVendors.includes(id)) return null;
  return (library ??= loaded()).findProvider({ providerId: id }) ?? null;
}

/** At once, as prices are asked for. The type is that of the package. */
function loaded(): Library {
  if (typeof require === "undefined") return createRequire(import.meta.url)("@pydantic/genai-prices") as Library;
  // eslint-disable-next-line typescript/no-require-imports -- named here, it is part of a program that is built into one file.
  return require("@pydantic/genai-prices") as Library;
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
