import { type SQL, sql } from "drizzle-orm";
import { calls } from "./schema/sqlite.ts";
import { adjustments } from "./schema/sqlite-book.ts";

/** What a call cost and what it was charged. */
export interface Money {
  readonly costNano: SQL<number | null>;
  readonly chargeNano: SQL<number | null>;
}

const adjusted = (of: typeof calls.costNano | typeof calls.chargeNano, by: SQL, until: SQL): SQL<number | null> =>
  sql<
    number | null
  >`coalesce(coalesce(${of}, 0) + (select sum(${by}) from ${adjustments} where ${adjustments.callSeq} = ${calls.seq}${until}), ${of})`;

/** With what re-rating has added, as `v_usage` has them. */
export const adjustedMoney: Money = moneyWith(sql``);

/** With what it had added up to one of its entries. */
export const moneyUntil = (adjustmentSeq: number): Money => moneyWith(sql` and ${adjustments.seq} <= ${adjustmentSeq}`);

function moneyWith(until: SQL): Money {
  return {
    costNano: adjusted(calls.costNano, sql`${adjustments.costDeltaNano}`, until),
    chargeNano: adjusted(calls.chargeNano, sql`${adjustments.chargeDeltaNano}`, until),
  };
}
