import { Value } from "@sinclair/typebox/value";
import { defaultAccount } from "../plugin/default-account.ts";
import type { PriceRow, PriceSet } from "../plugin/plugin.ts";
import { aliasOf } from "./alias.ts";
import type { Config, DeclaredKey, FileLimit, Instances } from "./config.ts";
import { decimalOf } from "./decimal.ts";
import { type ConfigFile, defaultInstances, pluginSections, ServerSchema } from "./schema.ts";

/** Before the check: `log:` with nothing behind it means no options, and `server:` likewise. */
export function fillEmpty(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...value };
  if (result.server === null) result.server = {};
  for (const section of pluginSections) {
    const instances = result[section];
    if (typeof instances !== "object" || instances === null || Array.isArray(instances)) continue;
    result[section] = Object.fromEntries(Object.entries(instances).map(([name, options]) => [name, options ?? {}]));
  }
  return result;
}

/** After the check: every default in place, every short form written out. */
export function normalise(file: ConfigFile): Config {
  return {
    server: serverOf(file),
    storage: instancesOf(file, "storage"),
    provider: instancesOf(file, "provider"),
    auth: instancesOf(file, "auth"),
    "rate-limit": instancesOf(file, "rate-limit"),
    billing: instancesOf(file, "billing"),
    guardrail: instancesOf(file, "guardrail"),
    cache: instancesOf(file, "cache"),
    observer: instancesOf(file, "observer"),
    models: Object.fromEntries(Object.entries(file.models ?? {}).map(([name, alias]) => [name, aliasOf(alias)])),
    prices: (file.prices ?? []).map(priceOf),
    limits: (file.limits ?? []).map(limitOf),
    keys: Object.entries(file.keys ?? {}).map(([name, key]) => keyOf(name, key)),
  };
}

const keyOf = (
  name: string,
  {
    key,
    sha256,
    account = defaultAccount,
    models,
    operations,
    routes,
    cidrs = [],
    metadata = {},
    limits = {},
    expiresAt,
  }: NonNullable<ConfigFile["keys"]>[string],
): DeclaredKey => ({
  name,
  // One of the two: `semantics.ts` refuses both and neither.
  secret: key === undefined ? { sha256: sha256 ?? "" } : { key },
  account,
  models: models ?? "all",
  operations: operations ?? "all",
  routes: routes ?? "all",
  cidrs,
  metadata,
  limits,
  // Without `T` it is the start of a day, UTC.
  expiresMs: expiresAt === undefined ? null : Date.parse(expiresAt),
});

function serverOf(file: ConfigFile): Config["server"] {
  const server = Value.Default(ServerSchema, { ...file.server });
  Value.Assert(ServerSchema, server);
  return server;
}

function instancesOf(file: ConfigFile, section: (typeof pluginSections)[number]): Instances {
  return file[section] ?? Object.fromEntries(defaultInstances[section].map((name) => [name, {}]));
}

/** Also of a body of the API. */
export function limitOf({ scope, enforce = true, ...limits }: NonNullable<ConfigFile["limits"]>[number]): FileLimit {
  return { scope: { kind: scope.kind, id: scope.kind === "global" ? "global" : (scope.id ?? null) }, limits, enforce };
}

type PriceEntry = Omit<NonNullable<ConfigFile["prices"]>[number], "target">;
type SetEntry = Omit<PriceEntry, "serviceTiers" | "contextWindow" | "maxOutputTokens" | "lacks" | "most">;

function priceOf({ target, ...entry }: NonNullable<ConfigFile["prices"]>[number]): PriceRow {
  return { target, ...pricesOf(entry) };
}

/** Prices as they were checked, every one as the decimal that it says. */
export function pricesOf({
  serviceTiers,
  contextWindow,
  maxOutputTokens,
  lacks,
  most,
  ...set
}: PriceEntry): Omit<PriceRow, "target"> {
  return {
    ...setOf(set),
    ...(serviceTiers && {
      serviceTiers: Object.fromEntries(Object.entries(serviceTiers).map(([tier, its]) => [tier, setOf(its)])),
    }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(lacks === undefined ? {} : { lacks }),
    ...(most === undefined ? {} : { most }),
  };
}

function setOf({ contextTiers, input, output, ...others }: SetEntry): PriceSet {
  return {
    input: decimal(input),
    output: decimal(output),
    ...decimals(others),
    ...(contextTiers && { contextTiers: contextTiers.map(({ above, ...its }) => ({ ...decimals(its), above })) }),
  };
}

const decimals = (prices: Readonly<Record<string, number | string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(prices).flatMap(([item, price]) => (price === undefined ? [] : [[item, decimal(price)]])),
  );

function decimal(value: number | string): string {
  const text = decimalOf(value);
  if (text === null) throw new TypeError("A price passed its schema and is no decimal");
  return text;
}
