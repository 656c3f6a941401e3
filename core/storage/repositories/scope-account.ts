import { eq } from "drizzle-orm";
import { accounts, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** Of the account or key that the scope is; `null`: of no account. */
export function accountOf(
  database: SqliteDatabase,
  { kind, id }: { readonly kind: string; readonly id: string | null },
): string | null {
  if (kind === "account" || id === null) return id;
  if (kind !== "key") return null;
  const found = database
    .select({ id: accounts.id })
    .from(keys)
    .innerJoin(accounts, eq(accounts.ref, keys.accountRef))
    .where(eq(keys.id, id))
    .all()[0];
  return found?.id ?? null;
}
