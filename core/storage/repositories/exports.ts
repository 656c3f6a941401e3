import { asc, desc, gte, lt } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import { moneyUntil } from "../adjusted.ts";
import type { UsageRange } from "../database.ts";
import type { ExportRepository } from "../export.ts";
import { auditColumns, callColumns, entryColumns, told, usageColumns } from "../export-columns.ts";
import { encodedRows } from "../export-text.ts";
import { dayMs, startOfDay } from "../range-parts.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { accounts, calls, keys, totalsHourly } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { newestOf } from "../watermarks.ts";
import { auditPage } from "./audit.ts";
import { entryRows } from "./credits.ts";
import { walkedRows } from "./ended-calls.ts";
import { type OwnerSpan, usageReports } from "./usage-report.ts";

interface PartSize {
  readonly rows: number;
  /** Keys or accounts of a report by them. */
  readonly owners: number;
}

/** Some 200 kB of text, and few milliseconds of the thread that answers the reports too. */
const partSize: PartSize = { rows: 500, owners: 10_000 };

export function exportRepository(database: SqliteDatabase, size: PartSize = partSize): ExportRepository {
  const usage = usageReports(database);
  return {
    calls(filter, { format, after, withoutCost }) {
      const [before, adjusted] = cursorIn(after) ?? [Number.MAX_SAFE_INTEGER, newestOf(database, adjustments)];
      const rows = walkedRows(database, filter, before, size.rows, moneyUntil(adjusted));
      const last = rows.length === size.rows ? rows.at(-1) : undefined;
      const columns = told(callColumns, withoutCost);
      return { bytes: encodedRows(format, columns, rows, !after), next: last ? `${last.seq}-${adjusted}` : null };
    },
    entries(filter, { format, after }) {
      const [before] = cursorIn(after) ?? [Number.MAX_SAFE_INTEGER];
      const rows = entryRows(database, filter, before, size.rows);
      const last = rows.length === size.rows ? rows.at(-1) : undefined;
      return { bytes: encodedRows(format, entryColumns, rows, !after), next: last ? `${last.seq}-0` : null };
    },
    audit(filter, { format, after }) {
      const [before] = cursorIn(after) ?? [Number.MAX_SAFE_INTEGER];
      const { rows, next } = auditPage(database, filter, before, size.rows);
      return { bytes: encodedRows(format, auditColumns, rows, !after), next: next === null ? null : `${next}-0` };
    },
    usage(range, { format, after, withoutCost }) {
      const columns = told(usageColumns(range.groupBy), withoutCost);
      const slice = sliceAt(database, range, cursorIn(after), size.owners);
      const rows = slice === null ? [] : usage({ ...range, ...slice.span }, slice.owners).data;
      return { bytes: encodedRows(format, columns, rows, !after), next: slice?.next ?? null };
    },
  };
}

/** Two numbers, what they say is the export's own. `null`: from the beginning. */
function cursorIn(after: string | null | undefined): readonly [number, number] | null {
  if (!after) return null;
  const numbers = /^(\d{1,16})-(\d{1,16})$/.exec(after);
  if (!numbers) throw new GatewayError("invalid-request", "after: not a cursor of this export", { param: "after" });
  return [Number(numbers[1]), Number(numbers[2])];
}

interface Slice {
  readonly span: { readonly from: number; readonly to: number };
  readonly owners: OwnerSpan | undefined;
  readonly next: string | null;
}

/**
 * What of a report is made at once: a day where it is by time, so many keys or accounts where it is by them. How large
 * that gets does not depend on how many calls there were. `null`: there is nothing left.
 */
function sliceAt(
  database: SqliteDatabase,
  { from, to, groupBy }: UsageRange,
  at: readonly [startMs: number, owner: number] | null,
  owners: number,
): Slice | null {
  const [startMs, owner] = at ?? [from, 0];
  const byTime = groupBy.some((name) => name === "day" || name === "hour");
  const begin = byTime ? nextDay(database, startMs) : startMs;
  if (begin === null || begin >= to) return null;
  const end = byTime ? Math.min(startOfDay(begin) + dayMs, to) : to;
  const field = (["key", "account"] as const).find((name) => groupBy.includes(name));
  const isLast = field === undefined || owner + owners > newestOwner(database, field);
  const next = isLast ? (byTime && end < to ? `${end}-0` : null) : `${begin}-${owner + owners}`;
  return {
    span: { from: begin, to: end },
    owners: field && { field, from: owner, to: owner + owners },
    next,
  };
}

/** The start of the first day that has calls from `fromMs` on, or `fromMs` within that day. */
function nextDay(database: SqliteDatabase, fromMs: number): number | null {
  const folded = database
    .select({ ms: totalsHourly.startMs })
    .from(totalsHourly)
    .where(gte(totalsHourly.startMs, startOfDay(fromMs)))
    .orderBy(asc(totalsHourly.startMs))
    .limit(1)
    .all()[0];
  const written = database
    .select({ ms: calls.createdMs })
    .from(calls)
    .where(gte(calls.createdMs, fromMs))
    .orderBy(asc(calls.createdMs))
    .limit(1)
    .all()[0];
  const first = Math.min(folded?.ms ?? Number.POSITIVE_INFINITY, written?.ms ?? Number.POSITIVE_INFINITY);
  return first === Number.POSITIVE_INFINITY ? null : Math.max(startOfDay(first), fromMs);
}

function newestOwner(database: SqliteDatabase, field: OwnerSpan["field"]): number {
  const table = field === "key" ? keys : accounts;
  const newest = database
    .select({ ref: table.ref })
    .from(table)
    .where(lt(table.ref, Number.MAX_SAFE_INTEGER))
    .orderBy(desc(table.ref));
  return newest.limit(1).all()[0]?.ref ?? 0;
}
