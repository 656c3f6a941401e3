import { eq, sql } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import { accounts, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

const maxCached = 100_000;

/**
 * Public ids of accounts and keys to the integers that rows refer to them by; they never change. Throws `forbidden` for one
 * that there is not, as an auth plugin may name it.
 */
export function ownerRefs(database: SqliteDatabase) {
  const account = cached(
    "account",
    database
      .select({ ref: accounts.ref })
      .from(accounts)
      .where(eq(accounts.id, sql.placeholder("id")))
      .prepare(),
  );
  const key = cached(
    "key",
    database
      .select({ ref: keys.ref })
      .from(keys)
      .where(eq(keys.id, sql.placeholder("id")))
      .prepare(),
  );
  return { account, key: (id: string | null) => (id === null ? null : key(id)) };
}

function cached(what: string, statement: { all(values: { id: string }): { readonly ref: number }[] }) {
  const known = new Map<string, number>();
  return (id: string): number => {
    const hit = known.get(id);
    if (hit !== undefined) return hit;
    const ref = statement.all({ id })[0]?.ref;
    if (ref === undefined) throw new GatewayError("forbidden", `the ${what} does not exist`);
    if (known.size >= maxCached) known.clear();
    known.set(id, ref);
    return ref;
  };
}
