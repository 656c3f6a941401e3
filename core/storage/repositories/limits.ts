import { asc, eq } from "drizzle-orm";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { LimitRepository, LimitRow } from "../limit.ts";
import { limits } from "../schema/sqlite-limits.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { accountOf } from "./scope-account.ts";

export interface StoredLimits extends LimitRepository {
  /** After a rollback. */
  reload(): void;
}

/** Each call looks at them: they are kept in memory, which one writer keeps equal to the table. */
export function limitRepository(database: SqliteDatabase, writer: AuditedWriter): StoredLimits {
  const read = () => database.select().from(limits).orderBy(asc(limits.ref)).all().map(rowOf);
  let rows: readonly LimitRow[] = read();
  return {
    all: () => rows,
    reload: () => void (rows = read()),
    create: (row) =>
      writer.run((tell) => {
        const { scope, limits: written, ...columns } = row;
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
