import { and, asc, desc, eq, getTableColumns, gte, inArray, lt, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { AuditFilter, AuditRepository, AuditRow } from "../audit.ts";
import { headOf, verifyPart } from "../audit-chain.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import { auditEntries } from "../schema/sqlite-audit.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageSize } from "./page.ts";
import { fewAccounts, idsUnder, refsUnder } from "./under.ts";

export function auditReads(database: SqliteDatabase): Omit<AuditRepository, "add"> {
  return {
    list(filter, query) {
      const { rows, next } = auditPage(database, filter, cursorOf(query), pageSize(query));
      return { data: rows, next: next === null ? null : String(next) };
    },
    get(seq, { under } = {}) {
      const within = under === undefined ? undefined : inArray(auditEntries.accountId, accountsUnder(database, under));
      return selected(database, and(eq(auditEntries.seq, seq), within), 1, under)[0] ?? null;
    },
    head: () => headOf(database),
    verify: (from, entries) => verifyPart(database, from, entries),
  };
}

export const auditRepository = (database: SqliteDatabase, writer: AuditedWriter): AuditRepository => ({
  ...auditReads(database),
  add: (change) => writer.run((tell) => tell(change)),
});

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  /** The entries before this one come next; `null`: there are none. */
  readonly next: number | null;
}

/** Of a condition that fits no more entries than this, all are fetched by its index. */
const few = 2_000;
/** Otherwise so many entries are looked through at once: where hardly any fits, a page may be short, or empty. */
const walked = 20_000;

/** Newest first, in bounded time however long the log is. */
export function auditPage(
  database: SqliteDatabase,
  filter: AuditFilter,
  before: number,
  limit: number,
  mostWalked = walked,
): AuditPage {
  const { from, to, under } = filter;
  const above = Math.min(before, headOf(database).seq + 1, to === undefined ? before : firstFrom(database, to));
  const bottom = from === undefined ? 1 : firstFrom(database, from);
  const conditions = conditionsOf(database, filter);
  const rare = conditions.find(({ indexed }) => indexed !== null && fitsFew(database, indexed));
  const rest = conditions.filter((one) => one !== rare).map(({ plain }) => plain);
  const { seq } = auditEntries;
  const floor = rare || rest.length === 0 ? bottom : Math.max(bottom, above - mostWalked);
  const place = rare?.indexed ? sql`+${seq} >= ${floor} and +${seq} < ${above}` : and(gte(seq, floor), lt(seq, above));
  const rows = selected(database, and(rare?.indexed ?? undefined, place, ...rest), limit + 1, under);
  const shown = rows.slice(0, limit);
  if (rows.length > limit) return { rows: shown, next: shown.at(-1)?.seq ?? null };
  return { rows, next: floor > bottom ? floor : null };
}

/** `indexed`: as an index answers it; `null`: none does. `plain`: so that none is used, for entries that are at hand. */
interface Condition {
  readonly indexed: SQL | null;
  readonly plain: SQL;
}

function conditionsOf(
  database: SqliteDatabase,
  { actor, action, objectKind, objectId, under }: AuditFilter,
): readonly Condition[] {
  const entry = auditEntries;
  const equal = (column: SQLWrapper, value: string): SQL => sql`${column} = ${value}`;
  const plainly = (column: SQLWrapper, value: string): SQL => sql`+${column} = ${value}`;
  const found: Condition[] = [];
  // Whoever has no id is called by their kind.
  if (actor !== undefined && /^[a-z]+(?:-[a-z]+)*$/.test(actor))
    found.push({ indexed: null, plain: plainly(entry.actorKind, actor) });
  else if (actor !== undefined)
    found.push({ indexed: equal(entry.actorId, actor), plain: plainly(entry.actorId, actor) });
  if (action !== undefined) found.push({ indexed: equal(entry.action, action), plain: plainly(entry.action, action) });
  if (objectKind !== undefined) {
    const [kind, plain] = [equal(entry.objectKind, objectKind), plainly(entry.objectKind, objectKind)];
    if (objectId === undefined) found.push({ indexed: kind, plain });
    else {
      const id = sql`${kind} and ${equal(entry.objectId, objectId)}`;
      found.push({ indexed: id, plain: sql`${plain} and ${plainly(entry.objectId, objectId)}` });
    }
  } else if (objectId !== undefined) found.push({ indexed: null, plain: plainly(entry.objectId, objectId) });
  if (under !== undefined) {
    const ids = idsUnder(database, under, fewAccounts);
    found.push({
      indexed: ids && inArray(entry.accountId, [...ids]),
      plain: inArray(sql`+${entry.accountId}`, accountsUnder(database, under)),
    });
  }
  return found;
}

function fitsFew(database: SqliteDatabase, condition: SQL): boolean {
  const some = database
    .select({ one: sql`1`.as("one") })
    .from(auditEntries)
    .where(condition)
    .limit(few + 1)
    .as("some");
  const [row] = database
    .select({ count: sql<number>`count(*)` })
    .from(some)
    .all();
  return (row?.count ?? 0) <= few;
}

/** Times only rise along the log, so a range of time is a range of it. */
function firstFrom(database: SqliteDatabase, ms: number): number {
  const { seq, createdMs } = auditEntries;
  const found = database
    .select({ seq })
    .from(auditEntries)
    .where(gte(createdMs, ms))
    .orderBy(asc(createdMs), asc(seq))
    .limit(1)
    .all()[0];
  return found?.seq ?? Number.MAX_SAFE_INTEGER;
}

const accountsUnder = (database: SqliteDatabase, under: string) =>
  database
    .select({ id: accounts.id })
    .from(accounts)
    .where(inArray(accounts.ref, refsUnder(database, under)));

/**
 * `under`: of whoever is above it neither the account nor the address is for those below; nor is a hash, by which they
 * could try out what they are not told.
 */
function selected(database: SqliteDatabase, where: SQL | undefined, limit: number, under?: string): AuditRow[] {
  const { address, actorAccountId, hash, ...columns } = getTableColumns(auditEntries);
  const known = under === undefined ? sql`true` : inArray(actorAccountId, accountsUnder(database, under));
  const ofKnown = (column: SQLWrapper) => sql<string | null>`case when ${known} then ${column} end`;
  const rows = database
    .select({
      ...columns,
      address: ofKnown(address),
      actorAccountId: ofKnown(actorAccountId),
      hash: under === undefined ? hash : sql<null>`null`,
    })
    .from(auditEntries)
    .where(where)
    .orderBy(desc(auditEntries.seq))
    .limit(limit)
    .all();
  return under === undefined ? rows : withoutForeign(database, under, rows);
}

/** Where something was moved from or to, outside of what these people see, is not for them. */
function withoutForeign(database: SqliteDatabase, under: string, rows: readonly AuditRow[]): AuditRow[] {
  const known = new Map<string, boolean>();
  function isKnown(id: string): boolean {
    const found =
      known.get(id) ??
      database
        .select({ id: accounts.id })
        .from(accounts)
        .where(and(eq(accounts.id, id), inArray(accounts.ref, refsUnder(database, under))))
        .all().length > 0;
    known.set(id, found);
    return found;
  }
  function cleaned(text: string | null): string | null {
    if (text === null || !places.some((name) => text.includes(`"${name}":"`))) return text;
    return JSON.stringify(JSON.parse(text), (name, value: unknown) =>
      places.includes(name) && typeof value === "string" && !isKnown(value) ? null : value,
    );
  }
  return rows.map((row) => ({ ...row, before: cleaned(row.before), after: cleaned(row.after) }));
}

/** Fields that name an account. */
const places = ["parentId", "accountId"];
