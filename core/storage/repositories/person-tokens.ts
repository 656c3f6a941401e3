import { and, desc, eq, gt, isNull, or } from "drizzle-orm";
import type { GroupCommit } from "../group-commit.ts";
import type { PeopleRepository } from "../people.ts";
import { people, personTokens } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { personColumns, personRow } from "./person-row.ts";

/** `refOf` throws `not-found` for an unknown person. */
export function personTokenRepository(
  database: SqliteDatabase,
  writer: GroupCommit,
  refOf: (personId: string) => number,
): Pick<PeopleRepository, "addToken" | "tokensOf" | "removeToken" | "findToken"> {
  return {
    addToken: (personId, { digest, ...token }) =>
      writer.run(() => {
        database
          .insert(personTokens)
          .values({ ...token, digest, personRef: refOf(personId) })
          .run();
        return token;
      }),
    tokensOf: (personId) =>
      database
        .select({
          id: personTokens.id,
          name: personTokens.name,
          last4: personTokens.last4,
          createdMs: personTokens.createdMs,
          expiresMs: personTokens.expiresMs,
        })
        .from(personTokens)
        .innerJoin(people, eq(people.ref, personTokens.personRef))
        .where(eq(people.id, personId))
        .orderBy(desc(personTokens.ref))
        .all(),
    removeToken: (personId, id) =>
      writer.run(() => {
        const own = and(eq(personTokens.id, id), eq(personTokens.personRef, refOf(personId)));
        return database.delete(personTokens).where(own).returning({ ref: personTokens.ref }).all().length > 0;
      }),
    findToken(digest, nowMs) {
      const row = database
        .select({ person: personColumns })
        .from(personTokens)
        .innerJoin(people, eq(people.ref, personTokens.personRef))
        .leftJoin(accounts, eq(accounts.ref, people.accountRef))
        .where(
          and(eq(personTokens.digest, digest), or(isNull(personTokens.expiresMs), gt(personTokens.expiresMs, nowMs))),
        )
        .all()[0];
      return row ? personRow(row.person) : null;
    },
  };
}
