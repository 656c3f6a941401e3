import { decimalOf } from "../config/decimal.ts";
import type { ItemPrices, PriceRow, PriceSet } from "../plugin/plugin.ts";

/** A number or decimal that its schema let pass, digit for digit. */
export function decimalText(value: number | string): string {
  const text = decimalOf(value);
  if (text === null) throw new TypeError("a value passed its schema and is no decimal");
  return text;
}

/** A price for long inputs needs one for the others: else those would have none, or the general one, unseen. */
export function faultOfTiers(
  row: Omit<PriceRow, "target">,
): { readonly param: string; readonly message: string } | null {
  const sets: readonly (readonly [string, PriceSet])[] = [
    ["", row],
    ...Object.entries(row.serviceTiers ?? {}).map(([name, set]) => [`serviceTiers.${name}.`, set] as const),
  ];
  for (const [prefix, set] of sets)
    for (const [at, { above: _, ...items }] of (set.contextTiers ?? []).entries()) {
      // Its keys are items, since `above` is out.
      const item = (Object.keys(items) as (keyof ItemPrices)[]).find((name) => set[name] === undefined);
      if (item) return { param: `${prefix}contextTiers.${at}.${item}`, message: "has no price for shorter inputs" };
    }
  return null;
}
