import type { Biller, NamedModels, PriceRow, Provider } from "../plugin/plugin.ts";

/**
 * Which models somebody other than a client has named: the targets of aliases, rows of `prices:` without a `*`, the list
 * of a provider, and the price book's rows of its vendor.
 */
export function namedModels({
  aliases,
  prices,
  providers,
  biller,
}: {
  readonly aliases: Readonly<
    Record<
      string,
      { readonly targets: readonly { readonly target: string }[]; readonly shadow?: { readonly target: string } }
    >
  >;
  readonly prices: readonly Pick<PriceRow, "target">[];
  readonly providers: ReadonlyMap<string, Provider>;
  readonly biller: Biller | null;
}): NamedModels {
  const inFile = new Set([
    ...Object.values(aliases).flatMap(({ targets, shadow }) =>
      [...targets, ...(shadow ? [shadow] : [])].map(({ target }) => target),
    ),
    ...prices.map(({ target }) => target).filter((target) => !target.endsWith("*")),
  ]);
  const inBook = new Set<string>();
  for (const [name, { models, vendor = name }] of providers) {
    for (const model of models ?? []) inFile.add(`${name}/${model}`);
    for (const { model } of biller?.models?.(vendor) ?? []) inBook.add(`${name}/${model}`);
  }
  return (provider, model) => {
    const target = `${provider}/${model}`;
    return inFile.has(target) ? "file" : inBook.has(target) ? "book" : null;
  };
}
