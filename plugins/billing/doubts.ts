import type { PriceRow } from "llm-proxy/plugin";
import { findBundled } from "./bundled-book.ts";
import { parseDecimal } from "./decimal.ts";

/** A price of the operator's that is more likely a slip than meant: per thousand for per million, above all. */
export interface Doubt {
  readonly target: string;
  readonly item: "input" | "output";
  readonly price: string;
  readonly why: string;
}

/** So many times what the book has for the same model. */
const mostTimes = 100n;
/** USD per million: dearer than the dearest model there is, and cheaper than the cheapest that costs anything. */
const dearest = parseDecimal("2000");
const cheapest = parseDecimal("0.001");

/** The book is asked for the model of a vendor that is called like the instance. */
export function doubtsOf(rows: readonly PriceRow[]): readonly Doubt[] {
  return rows.flatMap((row) => {
    const slash = row.target.indexOf("/");
    const known = row.target.endsWith("*")
      ? null
      : findBundled(row.target.slice(0, slash), row.target.slice(slash + 1));
    const sheet = known?.periods.at(-1)?.sheet ?? null;
    return (["input", "output"] as const).flatMap((item): readonly Doubt[] => {
      const why = reasonOf(parseDecimal(row[item]), sheet?.tariffs[item]?.base.value ?? null);
      return why === null ? [] : [{ target: row.target, item, price: row[item], why }];
    });
  });
}

function reasonOf(price: bigint, known: bigint | null): string | null {
  if (known !== null && known > 0n) {
    if (price === 0n) return "the bundled book has a price for it";
    if (price > known * mostTimes || price * mostTimes < known)
      return "more than a hundred times off the bundled book's";
    return null;
  }
  if (price > dearest) return "dearer than any model; prices are USD per million tokens";
  if (price > 0n && price < cheapest) return "cheaper than any model; prices are USD per million tokens";
  return null;
}
