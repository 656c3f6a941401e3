import { and, eq, isNull, sql } from "drizzle-orm";
import { accountLines, accounts } from "../schema/sqlite.ts";
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

const refOf = (id: string) => sql`(select a.ref from accounts a where a.id = ${id})`;
