import type { ItemPrices, MostUnits, PriceRow, PriceSet } from "./prices.ts";

interface Fault {
  readonly at: readonly (string | number)[];
  readonly message: string;
  /** Of a price that could not be set any more; one that is stored stays in use. */
  readonly isBound?: true;
}
/** Where a set stands in its row, and the set. */
type Placed = readonly [place: readonly string[], set: PriceSet];

/**
 * What no schema says of prices, whether they stand in the file or in a body of the API: the first fault, with its place in
 * the row; `null`: nothing is wrong.
 */
export function priceFault(row: Omit<PriceRow, "target">): Fault | null {
  const sets: readonly Placed[] = [
    [[], row],
    ...Object.entries(row.serviceTiers ?? {}).map(([name, set]): Placed => [["serviceTiers", name], set]),
  ];
  return faultOfTiers(sets) ?? faultOfMost(sets, row.most ?? {});
}

/** A price for long inputs needs one for the others: else those would have none, or the general one, unseen. */
function faultOfTiers(sets: readonly Placed[]): Fault | null {
  for (const [place, set] of sets)
    for (const [index, { above: _, ...items }] of (set.contextTiers ?? []).entries()) {
      // Its keys are items, since `above` is out.
      const item = (Object.keys(items) as (keyof ItemPrices)[]).find((name) => set[name] === undefined);
      if (item) return { at: [...place, "contextTiers", index, item], message: "has no price for shorter inputs" };
    }
  return null;
}

/** A budget could not hold for it. */
function faultOfMost(sets: readonly Placed[], most: MostUnits): Fault | null {
  for (const [place, set] of sets)
    for (const item of ["image", "second", "character"] as const)
      for (const [at, text] of pricesOf(item, set)) {
        const quantity = most[item];
        if (quantity === undefined)
          return {
            at: [...place, ...at],
            message: `has a price, and most.${item} does not say how many a call can use`,
          };
        if (Number(text) * (item === "character" ? quantity / 1_000_000 : quantity) > mostUsd)
          return {
            at: [...place, ...at],
            message: `times most.${item} is more than ${mostUsd} USD for one call`,
            isBound: true,
          };
      }
  return null;
}

/** A slip: no budget could hold it, and its nano-USD would not be a safe integer. */
const mostUsd = 1_000_000;

/** With those of long inputs. */
function* pricesOf(item: keyof MostUnits, set: PriceSet): Generator<readonly [at: Fault["at"], text: string]> {
  if (set[item] !== undefined) yield [[item], set[item]];
  for (const [index, tier] of (set.contextTiers ?? []).entries())
    if (tier[item] !== undefined) yield [["contextTiers", index, item], tier[item]];
}
