import { type SQL, sql } from "drizzle-orm";
import { calls } from "./schema/sqlite.ts";
import { adjustments } from "./schema/sqlite-book.ts";

const adjusted = (of: typeof calls.costNano | typeof calls.chargeNano, by: SQL): SQL<number | null> =>
  sql<
    number | null
  >`coalesce(coalesce(${of}, 0) + (select sum(${by}) from ${adjustments} where ${adjustments.callSeq} = ${calls.seq}), ${of})`;

/** Cost and charge of a call with what re-rating has added, as `v_usage` has them. */
export const adjustedCost = adjusted(calls.costNano, sql`${adjustments.costDeltaNano}`);
export const adjustedCharge = adjusted(calls.chargeNano, sql`${adjustments.chargeDeltaNano}`);
