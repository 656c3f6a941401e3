import { limitFields, type Limit, type Limits, type LimitScope } from "./plugin.ts";

type Amount = Pick<Limit, "measure" | "per" | "amount">;

/** Written limits are read once: keys and rules keep theirs as long as nobody changes them. */
const read = new WeakMap<Limits, readonly Amount[]>();

/** Written limits as single ones on a scope. */
export function limitsOn(scope: LimitScope, limits: Limits, enforce = true): Limit[] {
  const amounts = amountsOf(limits);
  return amounts.map((amount) => (enforce ? { scope, ...amount } : { scope, enforce, ...amount }));
}

/** Whether nothing is limited. */
export const isUnlimited = (limits: Limits): boolean => amountsOf(limits).length === 0;

function amountsOf(limits: Limits): readonly Amount[] {
  let amounts = read.get(limits);
  if (amounts === undefined) {
    amounts = limitFields.flatMap(({ name, measure, per }): readonly Amount[] => {
      const written = limits[name];
      if (written === undefined) return [];
      const amount = measure === "spend" ? nanoOf(written) : Number(written);
      return [{ measure, amount, ...(per !== null && { per }) }];
    });
    read.set(limits, amounts);
  }
  return amounts;
}

/** A limit is no sum of money: the nearest whole nano-USD is near enough. */
const nanoOf = (usd: number | string): number => Math.max(1, Math.round(Number(usd) * 1e9));
