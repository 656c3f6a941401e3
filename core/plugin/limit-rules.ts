import { limitFields, type Limit, type Limits, type LimitScope, type Measure } from "./plugin.ts";

type Amount = Pick<Limit, "measure" | "per" | "amount">;

/** Written limits are read once: keys and rules keep theirs as long as nobody changes them. */
const read = new WeakMap<Limits, readonly Amount[]>();

/** Written limits as single ones on a scope. */
export function limitsOn(scope: LimitScope, limits: Limits, enforce = true): Limit[] {
  const amounts = amountsOf(limits);
  return amounts.map((amount) => (enforce ? { scope, ...amount } : { scope, enforce, ...amount }));
}

/** What a plugin says of limits may be anything, and a limit that is no number lets everything pass. */
export const areLimits = (value: unknown): value is Limits =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).every(([name, amount]) => amount === undefined || isAmount(measures.get(name), amount));

const measures: ReadonlyMap<string, Measure> = new Map(limitFields.map(({ name, measure }) => [name, measure]));

function isAmount(measure: Measure | undefined, amount: unknown): boolean {
  if (measure !== "spend") return measure !== undefined && Number.isSafeInteger(amount) && Number(amount) >= 1;
  const isDecimal = typeof amount === "number" || (typeof amount === "string" && /^\d+(\.\d+)?$/.test(amount));
  return isDecimal && Number.isFinite(Number(amount)) && Number(amount) > 0;
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
