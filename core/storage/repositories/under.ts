import { and, eq, isNull, type SQL, sql, type SQLWrapper } from "drizzle-orm";
import { accountLines, accounts, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** Of so many accounts, lists look for each one's own rows and merge them; of more, they walk and leave out. */
export const fewAccounts = 64;

/** References to the account and all below it now, as a subquery; to none for an unknown id. */
export const refsUnder = (database: SqliteDatabase, id: string) =>
  database
    .select({ ref: accountLines.accountRef })
    .from(accountLines)
    .where(and(eq(accountLines.ancestorRef, refOf(id)), isNull(accountLines.untilMs)));

/** The same as ids; more than `most` of them are `null`. */
export function idsUnder(database: SqliteDatabase, id: string, most: number): readonly string[] | null {
  const found = database
    .select({ id: accounts.id })
    .from(accountLines)
    .innerJoin(accounts, eq(accounts.ref, accountLines.accountRef))
    .where(and(eq(accountLines.ancestorRef, refOf(id)), isNull(accountLines.untilMs)))
    .limit(most + 1)
    .all();
  return found.length > most ? null : found.map((row) => row.id);
}

/**
 * Whether what a row is on is the account, one below it, or a key of theirs, as they are now. Looked up row by row: a page
 * of a walk ends where it is full, however many keys there are.
 */
export const isScopeUnder = (scope: { readonly kind: SQLWrapper; readonly id: SQLWrapper }, under: string): SQL => {
  // Joined as they stand: by the account's lines SQLite would begin with all that are under the other one.
  const line = sql`cross join ${accountLines} l on l.account_ref = o.ref
    where l.ancestor_ref = ${refOf(under)} and l.until_ms is null and o.removed_ms is null`;
  return sql`case ${scope.kind}
    when 'account' then exists (select 1 from ${accounts} o ${line} and o.id = ${scope.id})
    when 'key' then exists (select 1 from ${keys} k cross join ${accounts} o on o.ref = k.account_ref ${line} and k.id = ${scope.id})
    else 0 end`;
};

const refOf = (id: string) => sql`(select a.ref from accounts a where a.id = ${id})`;
