import { inArray, sql } from "drizzle-orm";
import type { GroupField, LabelField, UsageGroup } from "../database.ts";
import { accounts, keys, labels } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { added, type WholeSum } from "../usage-sums.ts";

export const isLabel = (field: GroupField): field is LabelField => field.startsWith("label:");

/** Sums as a query finds them. */
export interface Found extends WholeSum {
  /** JSON list of what it is grouped by, in the order asked for; keys, accounts and names as references. */
  readonly group: string;
}
type Value = string | number | null;

/**
 * References become what they stand for, in the order of the values. Many keys and sets of labels may have one value of a
 * label: they are one group then.
 */
export function named(database: SqliteDatabase, groupBy: readonly GroupField[], found: readonly Found[]): UsageGroup[] {
  const values = shownValues(database, groupBy, found);
  const lines = found.map(({ group: _, ...figures }, at) => ({ figures, shown: values[at] ?? [] }));
  return (groupBy.some(isLabel) ? merged(lines) : lines)
    .toSorted((left, right) => compared(left.shown, right.shown))
    .map(({ figures, shown }) => ({ ...figures, group: groupOf(groupBy, shown) }));
}

/** Of each group what its references stand for, one value a field. */
export function shownValues(
  database: SqliteDatabase,
  groupBy: readonly GroupField[],
  found: readonly Pick<Found, "group">[],
): readonly (readonly Value[])[] {
  // The report wrote it, with one value a field, in this order.
  const rows = found.map(({ group }) => JSON.parse(group) as (string | number)[]);
  const names = groupBy.map((field, at) => {
    const refs = () => new Set(rows.map((values) => Number(values[at])));
    if (isLabel(field)) return labelValues(database, field.slice("label:".length), refs());
    const table = tables[field];
    return table && namesOf(database, table, refs());
  });
  return rows.map((values) => values.map((value, at) => nameIn(names[at], value)));
}

export const groupOf = (groupBy: readonly GroupField[], values: readonly Value[]): UsageGroup["group"] =>
  Object.fromEntries(groupBy.map((field, at) => [field, values[at] ?? null]));

interface Line {
  readonly figures: WholeSum;
  readonly shown: readonly Value[];
}

function merged(lines: readonly Line[]): Line[] {
  const groups = new Map<string, Line>();
  for (const line of lines) {
    const key = JSON.stringify(line.shown);
    const known = groups.get(key);
    groups.set(key, known ? { ...known, figures: added(known.figures, line.figures) } : line);
  }
  return [...groups.values()];
}

const keyNames = { table: keys, ref: keys.ref, name: keys.id };
const accountNames = { table: accounts, ref: accounts.ref, name: accounts.id };
const labelNames = { table: labels, ref: labels.ref, name: labels.text };
type Names = typeof keyNames | typeof accountNames | typeof labelNames;
const tables: Record<Exclude<GroupField, LabelField>, Names | null> = {
  key: keyNames,
  account: accountNames,
  model: labelNames,
  provider: labelNames,
  status: null,
  day: null,
  hour: null,
};

function namesOf(database: SqliteDatabase, { table, ref, name }: Names, refs: ReadonlySet<number>) {
  return read(refs, (some) => database.select({ ref, value: name }).from(table).where(inArray(ref, some)).all());
}

/** Of keys by their reference, of the labels that callers came with by theirs, negated. */
function labelValues(database: SqliteDatabase, label: string, refs: ReadonlySet<number>): ReadonlyMap<number, Value> {
  const valueIn = (json: typeof keys.metadata | typeof labels.text) =>
    sql<string | null>`json_extract(${json}, ${`$."${label}"`})`;
  const ofKeys = read(new Set([...refs].filter((ref) => ref > 0)), (some) =>
    database
      .select({ ref: keys.ref, value: valueIn(keys.metadata) })
      .from(keys)
      .where(inArray(keys.ref, some))
      .all(),
  );
  const ofCallers = read(new Set([...refs].filter((ref) => ref < 0).map((ref) => -ref)), (some) =>
    database
      .select({ ref: labels.ref, value: valueIn(labels.text) })
      .from(labels)
      .where(inArray(labels.ref, some))
      .all(),
  );
  return new Map([...ofKeys, ...[...ofCallers].map(([ref, value]) => [-ref, value] as const)]);
}

/** So many references a query: SQLite takes 32,766 values in one. */
const refsPerQuery = 1_000;

function read<Row extends { readonly ref: number; readonly value: Value }>(
  refs: ReadonlySet<number>,
  query: (some: number[]) => Row[],
): Map<number, Row["value"]> {
  const wanted = [...refs].filter((one) => one !== 0);
  const found = new Map<number, Row["value"]>();
  for (let at = 0; at < wanted.length; at += refsPerQuery)
    for (const { ref, value } of query(wanted.slice(at, at + refsPerQuery))) found.set(ref, value);
  return found;
}

/** 0 stands for none. */
const nameIn = (names: ReadonlyMap<number, Value> | null | undefined, value: string | number): Value =>
  names ? (names.get(Number(value)) ?? null) : value;

function compared(left: readonly Value[], right: readonly Value[]): number {
  for (const [at, one] of left.entries()) {
    const other = right[at] ?? null;
    if (one === other) continue;
    if (one === null) return -1;
    if (other === null) return 1;
    return one < other ? -1 : 1;
  }
  return 0;
}
