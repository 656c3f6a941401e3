import { and, desc, eq, gt, isNull, lt } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { GroupCommit } from "../group-commit.ts";
import type { PersonRow, SessionRepository, SessionRow } from "../people.ts";
import { people } from "../schema/sqlite-people.ts";
import { accounts, sessions } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { personColumns, personRow } from "./person-row.ts";

export function sessionRepository(database: SqliteDatabase, writer: GroupCommit): SessionRepository {
  function personOf(ref: number): PersonRow | null {
    const row = database
      .select(personColumns)
      .from(people)
      .leftJoin(accounts, eq(accounts.ref, people.accountRef))
      .where(eq(people.ref, ref))
      .all()[0];
    return row ? personRow(row) : null;
  }
  /** `null`: of somebody who is gone. Without a person it would be the operator's. */
  function shown({ personRef, ...row }: typeof sessions.$inferSelect): SessionRow | null {
    if (personRef === null) return { ...row, person: null };
    const person = personOf(personRef);
    return person && { ...row, person };
  }

  return {
    create: (digest, { personId, ...session }) =>
      writer.run(() => {
        // Expired ones are swept here, so that the table never holds more than the logins of one session's life.
        database.delete(sessions).where(lt(sessions.expiresMs, session.createdMs)).run();
        const personRef = personId === null ? null : refOf(database, personId);
        database
          .insert(sessions)
          .values({ digest, ...session, personRef })
          .run();
      }),
    find(digest, nowMs) {
      const live = and(eq(sessions.digest, digest), gt(sessions.expiresMs, nowMs));
      const row = database.select().from(sessions).where(live).all()[0];
      return row ? shown(row) : null;
    },
    remove: (digest) =>
      writer.run(() => {
        database.delete(sessions).where(eq(sessions.digest, digest)).run();
      }),
    list(personId, nowMs) {
      const own = personId === null ? isNull(sessions.personRef) : eq(sessions.personRef, refOf(database, personId));
      const live = and(own, gt(sessions.expiresMs, nowMs));
      const rows = database.select().from(sessions).where(live).orderBy(desc(sessions.createdMs)).all();
      return rows.map(shown).filter((row) => row !== null);
    },
  };
}

function refOf(database: SqliteDatabase, personId: string): number {
  const found = database.select({ ref: people.ref }).from(people).where(eq(people.id, personId)).all()[0];
  if (!found) throw new GatewayError("not-found", "no such object");
  return found.ref;
}
