import { and, between, desc, eq, gt, gte, lte, max, min, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { hourMs } from "./range-parts.ts";
import { callBlocks, calls } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { watermarkOf } from "./watermarks.ts";

/**
 * An index of calls that costs a call next to nothing: the fold notes in which blocks of numbers the calls of a key, a
 * model and so on are, a row for all of them in a block, and a reader looks through those blocks. Calls after the watermark
 * are in no block yet; whoever reads looks through them as well.
 */

/** Numbers in a block. Another size needs another table. */
export const callsPerBlock = 256;

export type BlockRow = typeof callBlocks.$inferSelect;
type Field = BlockRow["field"];

/** What is looked for, e.g. the calls of one key. */
export interface Sought {
  readonly field: Exclude<Field, "hour">;
  readonly ref: number;
}

/** What each field notes of a call. */
const noted = {
  account: calls.accountRef,
  key: calls.keyRef,
  model: calls.modelRef,
  provider: calls.providerRef,
  hour: sql<number>`${calls.createdMs} / ${sql.raw(String(hourMs))}`,
} satisfies Record<Field, SQLWrapper>;
// The keys of a literal that names every field.
const fields = Object.keys(noted) as Field[];

/** What the calls with a `seq` in `(from, through]` add. */
export function blockReader(database: SqliteDatabase): (span: { from: number; through: number }) => BlockRow[] {
  const query = database
    .selectDistinct({ ...noted, block: sql<number>`${calls.seq} / ${sql.raw(String(callsPerBlock))}` })
    .from(calls)
    .where(and(gt(calls.seq, sql.placeholder("from")), lte(calls.seq, sql.placeholder("through"))))
    .prepare();
  return (span) => {
    const found = new Map<string, BlockRow>();
    for (const { block, ...refs } of query.all(span))
      for (const field of fields) {
        const ref = refs[field];
        if (ref !== null) found.set(`${field} ${ref} ${block}`, { field, ref, block });
      }
    return [...found.values()];
  };
}

interface Search {
  readonly sought: readonly [Sought, ...Sought[]];
  readonly status: string | null;
  /** Admitted in `[fromMs, toMs)`. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** No call with a greater number. */
  readonly last: number;
  readonly limit: number;
  /** Whose they must be besides. */
  readonly inside?: SQL | undefined;
}

/** The numbers of the newest calls that are in blocks and fit, newest first. */
export function callsInBlocks(database: SqliteDatabase, search: Search): number[] {
  const { sought, status, fromMs, toMs, last, limit, inside } = search;
  const [first, ...others] = sought;
  const hours = fromMs === null && toMs === null ? everyBlock : blocksOfHours(database, fromMs ?? 0, toMs);
  if (hours === null) return [];
  return database
    .select({ seq: calls.seq })
    .from(callBlocks)
    .crossJoin(calls)
    .where(
      and(
        eq(callBlocks.field, first.field),
        eq(callBlocks.ref, first.ref),
        between(callBlocks.block, hours.oldest, Math.min(hours.newest, Math.floor(last / callsPerBlock))),
        ...others.map(
          ({ field, ref }) =>
            sql`exists (select 1 from call_blocks o where o.field = ${field} and o.ref = ${ref} and o.block = ${callBlocks.block})`,
        ),
        // Most calls end well; an index has the others.
        status === null || status === "ok"
          ? undefined
          : sql`exists (select 1 from calls f where f.status = ${status} and f.status <> 'ok' and ${inBlock(sql`f.seq`)})`,
        inBlock(sql`${calls.seq}`),
        lte(calls.seq, last),
        inside,
        ...fits(sought),
        status === null ? undefined : sql`+${calls.status} = ${status}`,
        ...admittedIn(fromMs, toMs),
      ),
    )
    .orderBy(desc(callBlocks.block), desc(calls.seq))
    .limit(limit)
    .all()
    .map(({ seq }) => seq);
}

/** The numbers of the block that `call_blocks` stands at. */
function inBlock(seq: SQLWrapper): SQL {
  const start = sql`${callBlocks.block} * ${sql.raw(String(callsPerBlock))}`;
  return sql`${seq} between ${start} and ${start} + ${sql.raw(String(callsPerBlock - 1))}`;
}

/** When the newest call of a key was admitted, of those in blocks; a subquery. */
export const lastOfKeyInBlocks = (keyRef: SQLWrapper): SQL<number | null> =>
  sql<number | null>`(select ${calls.createdMs} from ${callBlocks} cross join ${calls}
    where ${callBlocks.field} = 'key' and ${callBlocks.ref} = ${keyRef} and ${inBlock(calls.seq)}
      and +${calls.keyRef} = ${callBlocks.ref} order by ${callBlocks.block} desc, ${calls.seq} desc limit 1)`;

/** The same of the calls that are in no block yet, by the key's reference. */
export function lastOfKeysAfterBlocks(database: SqliteDatabase): ReadonlyMap<number | null, number> {
  const newest = database
    .select({ keyRef: calls.keyRef, createdMs: calls.createdMs, seq: max(calls.seq) })
    .from(calls)
    .where(gt(calls.seq, watermarkOf(database, "blocks")))
    .groupBy(calls.keyRef)
    .all();
  return new Map(newest.map(({ keyRef, createdMs }) => [keyRef, createdMs]));
}

const everyBlock = { oldest: 0, newest: Number.MAX_SAFE_INTEGER };

/** `null`: no call was admitted then. Calls that took long widen it, no more. */
export function blocksOfHours(database: SqliteDatabase, fromMs: number, toMs: number | null): typeof everyBlock | null {
  const hourOf = (ms: number) => Math.floor(ms / hourMs);
  const found = database
    .select({ oldest: min(callBlocks.block), newest: max(callBlocks.block) })
    .from(callBlocks)
    .where(
      and(
        eq(callBlocks.field, "hour"),
        gte(callBlocks.ref, hourOf(fromMs)),
        toMs === null ? undefined : lte(callBlocks.ref, hourOf(toMs - 1)),
      ),
    )
    .all()[0];
  const { oldest = null, newest = null } = found ?? {};
  return oldest === null || newest === null ? null : { oldest, newest };
}

/** Whether a call is one of those; with a plus, as below. */
export const fits = (sought: readonly Sought[]): SQL[] =>
  sought.map(({ field, ref }) => sql`+${noted[field]} = ${ref}`);

/** With a plus: the index of times would win over what the search is built for. */
export const admittedIn = (fromMs: number | null, toMs: number | null): SQL[] => [
  ...(fromMs === null ? [] : [sql`+${calls.createdMs} >= ${fromMs}`]),
  ...(toMs === null ? [] : [sql`+${calls.createdMs} < ${toMs}`]),
];
