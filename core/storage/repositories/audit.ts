import { and, asc, desc, eq, getTableColumns, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { AuditFilter, AuditRepository, AuditRow } from "../audit.ts";
import { headOf, verifyPart } from "../audit-chain.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import { auditEntries } from "../schema/sqlite-audit.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { fewAccounts, idsUnder, refsUnder } from "./under.ts";

export function auditReads(database: SqliteDatabase): Omit<AuditRepository, "add"> {
  return {
    list(filter, query) {
      const limit = pageSize(query);
      const rows = auditRows(database, filter, cursorOf(query), limit + 1);
      return pageOf(
        rows,
        limit,
        ({ seq }) => seq,
        (row) => row,
      );
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

/** Newest first. Of few accounts, each one's own are found by its index. */
export function auditRows(database: SqliteDatabase, filter: AuditFilter, before: number, limit: number): AuditRow[] {
  const { under } = filter;
  const where = conditions(database, filter, before);
  if (under === undefined) return selected(database, where, limit);
  const few = idsUnder(database, under, fewAccounts);
  if (few === null)
    return selected(
      database,
      and(where, inArray(sql`+${auditEntries.accountId}`, accountsUnder(database, under))),
      limit,
      under,
    );
  return few
    .flatMap((id) => selected(database, and(where, eq(auditEntries.accountId, id)), limit, under))
    .toSorted((left, right) => right.seq - left.seq)
    .slice(0, limit);
}

function conditions(
  database: SqliteDatabase,
  { actor, action, objectKind, objectId, from, to }: AuditFilter,
  before: number,
): SQL | undefined {
  const start = from === undefined ? null : firstFrom(database, from);
  const end = to === undefined ? null : firstFrom(database, to);
  return and(
    lt(auditEntries.seq, Math.min(before, end ?? before)),
    start === null ? undefined : gte(auditEntries.seq, start),
    actor === undefined ? undefined : byActor(actor),
    action === undefined ? undefined : eq(auditEntries.action, action),
    objectKind === undefined ? undefined : eq(auditEntries.objectKind, objectKind),
    objectId === undefined ? undefined : eq(auditEntries.objectId, objectId),
  );
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

/** Whoever has no id is called by their kind. */
const byActor = (actor: string): SQL | undefined =>
  /^[a-z]+(?:-[a-z]+)*$/.test(actor) ? eq(auditEntries.actorKind, actor) : eq(auditEntries.actorId, actor);

const accountsUnder = (database: SqliteDatabase, under: string) =>
  database
    .select({ id: accounts.id })
    .from(accounts)
    .where(inArray(accounts.ref, refsUnder(database, under)));

/** `under`: where whoever is above it was at the time is not for those below. */
function selected(database: SqliteDatabase, where: SQL | undefined, limit: number, under?: string): AuditRow[] {
  const { address, actorAccountId, ...columns } = getTableColumns(auditEntries);
  const known = under === undefined ? null : inArray(actorAccountId, accountsUnder(database, under));
  const shown =
    known === null ? sql<string | null>`${address}` : sql<string | null>`case when ${known} then ${address} end`;
  const rows = database
    .select({ ...columns, actorAccountId, address: shown })
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
