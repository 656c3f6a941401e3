import { and, asc, desc, eq, sql } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import { type LimitRepository, type LimitRow, maxLimitsOnScope } from "../limit.ts";
import { limits } from "../schema/sqlite-limits.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { accountOf } from "./scope-account.ts";
import { isScopeUnder } from "./under.ts";

export interface StoredLimits extends LimitRepository {
  /** After a rollback. */
  reload(): void;
}

/** Each call looks at them: they are kept in memory, which one writer keeps equal to the table. */
export function limitRepository(database: SqliteDatabase, writer: AuditedWriter): StoredLimits {
  const read = () => database.select().from(limits).orderBy(asc(limits.ref)).all().map(rowOf);
  let rows: readonly LimitRow[] = read();
  return {
    ...limitReads(database),
    all: () => rows,
    reload: () => void (rows = read()),
    create: (row) =>
      writer.run((tell) => {
        const { scope, limits: written, ...columns } = row;
        const others = rows.filter((one) => one.scope.kind === scope.kind && one.scope.id === scope.id);
        if (others.length >= maxLimitsOnScope)
          throw new GatewayError("conflict", `there are ${maxLimitsOnScope} limits on this scope`);
        database
          .insert(limits)
          .values({ ...columns, scopeKind: scope.kind, scopeId: scope.id, limits: JSON.stringify(written) })
          .run();
        rows = [...rows, row];
        tell(changeOf("create", null, row));
        return row;
      }),
    change: (id, change) =>
      writer.run((tell) => {
        const row = rows.find((one) => one.id === id);
        if (!row) return null;
        const changed = { ...row, ...change };
        database
          .update(limits)
          .set({ limits: JSON.stringify(changed.limits), enforce: changed.enforce })
          .where(eq(limits.id, id))
          .run();
        rows = rows.map((one) => (one === row ? changed : one));
        tell(changeOf("change", row, changed));
        return changed;
      }),
    remove: (id) =>
      writer.run((tell) => {
        const row = rows.find((one) => one.id === id);
        if (!row) return false;
        database.delete(limits).where(eq(limits.id, id)).run();
        rows = rows.filter((one) => one !== row);
        tell(changeOf("remove", row, null));
        return true;
      }),
  };

  function changeOf(what: "create" | "change" | "remove", before: LimitRow | null, after: LimitRow | null): Change {
    const { id = "", scope } = after ?? before ?? {};
    return {
      action: `limit.${what}`,
      object: { kind: "limit", id },
      accountId: scope ? accountOf(database, scope) : null,
      before: before && fieldsOf(before),
      after: after && fieldsOf(after),
    };
  }
}

/** What another thread reads as well: it may walk all of them for a few. */
export const limitReads = (database: SqliteDatabase): Pick<LimitRepository, "under"> => ({
  under(accountId, { scope, after, limit }) {
    const isOn = scope && and(eq(limits.scopeKind, scope.kind), eq(limits.scopeId, scope.id));
    const isAfter =
      after === null ? undefined : sql`${limits.ref} < (select a.ref from ${limits} a where a.id = ${after})`;
    return database
      .select()
      .from(limits)
      .where(and(isAfter, isOn, isScopeUnder({ kind: limits.scopeKind, id: limits.scopeId }, accountId)))
      .orderBy(desc(limits.ref))
      .limit(limit)
      .all()
      .map(rowOf);
  },
});

const fieldsOf = ({ scope, limits: written, enforce }: LimitRow): Fields => ({
  scope: { ...scope },
  ...written,
  enforce,
});

const rowOf = (row: typeof limits.$inferSelect): LimitRow => ({
  id: row.id,
  scope: { kind: row.scopeKind, id: row.scopeId },
  // Written by `create` and `change` only.
  limits: JSON.parse(row.limits),
  enforce: row.enforce,
  createdMs: row.createdMs,
});
