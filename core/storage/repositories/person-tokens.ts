import { and, desc, eq, gt, isNull, or } from "drizzle-orm";
import type { Change } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { PeopleRepository } from "../people.ts";
import { people, personTokens } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { personColumns, personRow } from "./person-row.ts";

/** `refOf` throws `not-found` for an unknown person. */
export function personTokenRepository(
  database: SqliteDatabase,
  writer: AuditedWriter,
  refOf: (personId: string) => number,
): Pick<PeopleRepository, "addToken" | "tokensOf" | "removeToken" | "findToken"> {
  function changeOf(what: string, personId: string, id: string, sides: Pick<Change, "before" | "after">): Change {
    const owner = database
      .select({ accountId: accounts.id })
      .from(people)
      .leftJoin(accounts, eq(accounts.ref, people.accountRef))
      .where(eq(people.id, personId))
      .all()[0];
    return { action: `token.${what}`, object: { kind: "token", id }, accountId: owner?.accountId ?? null, ...sides };
  }

  return {
    addToken: (personId, { digest, ...token }) =>
      writer.run((tell) => {
        database
          .insert(personTokens)
          .values({ ...token, digest, personRef: refOf(personId) })
          .run();
        const { name, last4, expiresMs } = token;
        tell(changeOf("create", personId, token.id, { before: null, after: { personId, name, last4, expiresMs } }));
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
      writer.run((tell) => {
        const own = and(eq(personTokens.id, id), eq(personTokens.personRef, refOf(personId)));
        const { name, last4 } = personTokens;
        const gone = database.delete(personTokens).where(own).returning({ name, last4 }).all()[0];
        if (gone) tell(changeOf("remove", personId, id, { before: { personId, ...gone }, after: null }));
        return gone !== undefined;
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
