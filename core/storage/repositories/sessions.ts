import { and, desc, eq, gt, isNull, lt } from "drizzle-orm";
import { missing } from "../../chat/error.ts";
import type { Author, Change } from "../audit.ts";
import { currentAsker } from "../audit-author.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { PersonRow, SessionRepository, SessionRow } from "../people.ts";
import { people, sessions } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { personColumns, personRow } from "./person-row.ts";

export function sessionRepository(database: SqliteDatabase, writer: AuditedWriter): SessionRepository {
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
    create(digest, { personId, ...session }) {
      const { route } = currentAsker().author;
      return writer.run((tell) => {
        // Expired ones are swept here, so that the table never holds more than the logins of one session's life.
        database.delete(sessions).where(lt(sessions.expiresMs, session.createdMs)).run();
        const personRef = personId === null ? null : refOf(database, personId);
        database
          .insert(sessions)
          .values({ digest, ...session, personRef })
          .run();
        const person = personRef === null ? null : personOf(personRef);
        const { address, agent, expiresMs } = session;
        const change = { action: "session.open", before: null, after: { personId, address, agent, expiresMs } };
        tell({ ...change, ...placeOf(session.id, person) }, { ...holder(person, session.role), address, route });
      });
    },
    find(digest, nowMs) {
      const live = and(eq(sessions.digest, digest), gt(sessions.expiresMs, nowMs));
      const row = database.select().from(sessions).where(live).all()[0];
      return row ? shown(row) : null;
    },
    remove: (digest) =>
      writer.run((tell) => {
        const row = database.delete(sessions).where(eq(sessions.digest, digest)).returning().all()[0];
        if (!row) return;
        const person = row.personRef === null ? null : personOf(row.personRef);
        const { id, address, agent } = row;
        const before = { personId: person?.id ?? null, address, agent };
        tell({ action: "session.end", before, after: null, ...placeOf(id, person) });
      }),
    removeAll: () =>
      writer.run((tell) => {
        const ended = database.delete(sessions).returning({ digest: sessions.digest }).all().length;
        const object = { kind: "session", id: null };
        if (ended > 0) tell({ action: "session.end", object, accountId: null, before: null, after: { ended } });
      }),
    list(personId, nowMs) {
      const own = personId === null ? isNull(sessions.personRef) : eq(sessions.personRef, refOf(database, personId));
      const live = and(own, gt(sessions.expiresMs, nowMs));
      const rows = database.select().from(sessions).where(live).orderBy(desc(sessions.createdMs)).all();
      return rows.map(shown).filter((row) => row !== null);
    },
  };
}

const placeOf = (id: string | null, person: PersonRow | null): Pick<Change, "object" | "accountId"> => ({
  object: { kind: "session", id },
  accountId: person?.accountId ?? null,
});

/** Whoever signs in is who does it; before that they are nobody. */
const holder = (person: PersonRow | null, role: string): Omit<Author, "address" | "route"> =>
  person === null
    ? { kind: "admin-token", id: null, name: "admin token", role, accountId: null }
    : {
        kind: "person",
        id: person.id,
        name: person.email ?? person.name,
        role: person.role,
        accountId: person.accountId,
      };

function refOf(database: SqliteDatabase, personId: string): number {
  const found = database.select({ ref: people.ref }).from(people).where(eq(people.id, personId)).all()[0];
  return found?.ref ?? missing();
}
