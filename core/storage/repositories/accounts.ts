import { eq } from "drizzle-orm";
import type { AccountRepository, AccountRow } from "../database.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** The account every key without another belongs to. */
export const defaultAccount = "default";

/** Deeper trees are refused where accounts are made; the bound keeps a damaged tree from looping. */
const maxDepth = 8;

export function accountRepository(database: SqliteDatabase): AccountRepository {
  /** Asked on every call. Accounts are made in this process only, and their place in the tree does not change. */
  const lineages = new Map<string, readonly AccountRow[]>();
  const byRef = (ref: number) => database.select().from(accounts).where(eq(accounts.ref, ref)).all()[0];
  const byId = (id: string) => database.select().from(accounts).where(eq(accounts.id, id)).all()[0];

  const shown = (row: typeof accounts.$inferSelect): AccountRow => ({
    id: row.id,
    parentId: row.parentRef === null ? null : (byRef(row.parentRef)?.id ?? null),
    name: row.name,
    createdMs: row.createdMs,
  });
  return {
    get(id) {
      const row = byId(id);
      return row ? shown(row) : null;
    },
    lineage(id) {
      const known = lineages.get(id);
      if (known) return known;
      const line: AccountRow[] = [];
      for (
        let row = byId(id);
        row && line.length < maxDepth;
        row = row.parentRef === null ? undefined : byRef(row.parentRef)
      )
        line.push(shown(row));
      // An unknown id is not remembered: anyone with a token could fill the memory with them.
      if (line.length > 0) lineages.set(id, line);
      return line;
    },
  };
}
