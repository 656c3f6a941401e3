import { noUsage } from "../chat/usage.ts";
import type { Models, NamedAlias, RouteTarget } from "../pipeline/models.ts";
import type { Biller } from "../plugin/plugin.ts";
import type { AliasLine, ListedPrice, ModelLine } from "../storage/book.ts";
import type { Page } from "../storage/database.ts";
import { pageOfRows } from "./keyset.ts";

export interface ModelsQuery {
  readonly kind?: ModelLine["kind"];
  /** Only models of this instance, and no alias. */
  readonly provider?: string;
  /** Part of a name, in any case. */
  readonly search?: string;
  readonly after?: string;
  readonly limit?: number;
}

interface Sources {
  readonly models: Pick<Models, "targets" | "aliases">;
  readonly biller: Biller | null;
  readonly now: () => number;
  /** Rows that mean the target. */
  readonly pricesOf: (target: string) => readonly ListedPrice[];
}

/** Aliases first, then what the file, a provider or the price book names; each by name. Prices are looked up for a page alone. */
export function modelLines(query: ModelsQuery, { models, biller, now, pricesOf }: Sources): Page<ModelLine> {
  const wanted = (query.search ?? "").toLowerCase();
  const found = [
    ...(query.provider === undefined ? models.aliases().map((alias) => ({ name: alias.name, alias })) : []),
    ...models.targets().map((target) => ({ name: `${target.provider}/${target.model}`, target })),
  ].filter(
    (one) =>
      one.name.toLowerCase().includes(wanted) &&
      (query.kind === undefined || "alias" in one === (query.kind === "alias")) &&
      (query.provider === undefined || ("target" in one && one.target.provider === query.provider)),
  );
  const { data, next } = pageOfRows(found, (one) => `${"alias" in one ? 0 : 1}${one.name}`, query);
  return { data: data.map((one) => ("alias" in one ? aliasLine(one.alias) : modelLine(one.target))), next };

  function modelLine(target: RouteTarget): ModelLine {
    const { provider, model, vendor } = target;
    const id = `${provider}/${model}`;
    const facts = factsOf(target);
    const version = versionOf(target);
    const listed = version === null ? undefined : pricesOf(id).find((row) => row.version === version);
    return {
      kind: "model",
      id,
      provider,
      model,
      vendor,
      contextWindow: facts?.contextWindow ?? null,
      maxOutputTokens: facts?.maxOutputTokens ?? null,
      lacks: facts?.lacks ?? [],
      prices: listed?.prices ?? null,
      source: listed?.source ?? null,
      priceVersion: version,
    };
  }

  // Of a biller that fails nothing is known, and the log says why.

  function factsOf(target: RouteTarget) {
    try {
      return biller?.facts?.(target, now()) ?? null;
    } catch {
      return null;
    }
  }

  /** Of the price in force; `null`: it has none. */
  function versionOf(target: RouteTarget): string | null {
    try {
      return biller?.rate(noUsage, target, now()).priceVersion ?? null;
    } catch {
      return null;
    }
  }
}

const aliasLine = ({ name, strategy, targets, shadow, reaches }: NamedAlias): AliasLine => ({
  kind: "alias",
  id: name,
  strategy,
  targets: targets.map(({ target, weight, when, canary, parameters }) => ({
    target,
    ...((strategy === "weighted" || strategy === "sticky") && !canary && { weight }),
    ...(when && { when }),
    ...(canary && { canary }),
    ...parameters,
  })),
  ...(shadow && { shadow: shadowLine(shadow) }),
  reaches: reaches.map(({ provider, model }) => `${provider}/${model}`),
});

const shadowLine = ({ parameters, ...shadow }: NonNullable<NamedAlias["shadow"]>) => ({ ...shadow, ...parameters });
