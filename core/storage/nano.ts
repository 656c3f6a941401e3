import { type SQL, type SQLWrapper, sql } from "drizzle-orm";

/** Nano-USD: a number, and a bigint only where a sum is beyond what numbers hold exactly. */
export type Nano = number | bigint;

/** Every digit kept. */
export function plusNano(left: Nano, right: Nano): Nano {
  if (typeof left === "number" && typeof right === "number" && Number.isSafeInteger(left + right)) return left + right;
  return shortest(BigInt(left) + BigInt(right));
}

const shortest = (exact: bigint): Nano => (Number.isSafeInteger(Number(exact)) ? Number(exact) : exact);

/** As JSON has it: a number there would lose digits, so it is a string. */
export const nanoInJson = (nano: Nano | null): number | string | null =>
  typeof nano === "bigint" ? String(nano) : nano;

/** Of a column; SQLite hands out no larger integers than numbers hold, but for their text. */
export function nanoSum(value: SQLWrapper): SQL<Nano> {
  const sum = sql`coalesce(sum(${value}), 0)`;
  return sql`case when abs(${sum}) > ${sql.raw(String(Number.MAX_SAFE_INTEGER))} then cast(${sum} as text) else ${sum} end`.mapWith(
    (found: number | string): Nano => (typeof found === "string" ? BigInt(found) : found),
  );
}
