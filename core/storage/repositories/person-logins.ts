import { and, eq, type SQL } from "drizzle-orm";
import type { AuditedWriter } from "../audit-writer.ts";
import type { PeopleRepository } from "../people.ts";
import { personLogins } from "../schema/sqlite-logins.ts";
import { people, personTokens } from "../schema/sqlite-people.ts";
import { sessions } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { changeOf, fieldsOf, type FoundPerson, personRow } from "./person-row.ts";

interface PeopleParts {
  readonly find: (where: SQL | undefined) => { readonly ref: number; readonly person: FoundPerson } | undefined;
  /** Throws for an account that there is not. */
  readonly accountRef: (id: string | null) => number | null;
}

/** Those whom an issuer vouches for. */
export function personLoginRepository(
  database: SqliteDatabase,
  writer: AuditedWriter,
  { find, accountRef }: PeopleParts,
): Pick<PeopleRepository, "vouch" | "shutOut"> {
  function linkedTo(issuer: string, subject: string) {
    const row = database
      .select({ ref: personLogins.personRef })
      .from(personLogins)
      .where(and(eq(personLogins.issuer, issuer), eq(personLogins.subject, subject)))
      .all()[0];
    return row && found(row.ref);
  }
  const found = (ref: number) => find(eq(people.ref, ref)) ?? gone();

  return {
    vouch: ({ issuer, subject, email, name, role, accountId, newId, atMs }) =>
      writer.run((tell) => {
        const link = (ref: number) => {
          database.insert(personLogins).values({ issuer, subject, personRef: ref, createdMs: atMs }).run();
          const person = personRow(found(ref).person);
          tell(changeOf("login", person, { before: null, after: { issuer, subject } }));
        };
        const place = accountRef(accountId);
        let known = linkedTo(issuer, subject);
        if (!known) {
          if (email === null) return "no-address";
          known = find(eq(people.email, email));
          if (known && personRow(known.person).issuers.includes(issuer)) return "taken";
          if (!known) {
            if (newId === null) return "unknown";
            const made = { id: newId, kind: "person", email, name, role, accountRef: place, createdMs: atMs } as const;
            database.insert(people).values(made).run();
            known = find(eq(people.id, newId)) ?? gone();
            const person = personRow(known.person);
            tell(changeOf("create", person, { before: null, after: fieldsOf(person) }));
          }
          link(known.ref);
        }
        const { ref, person: before } = known;
        database.update(people).set({ role, accountRef: place, signedInMs: atMs }).where(eq(people.ref, ref)).run();
        const person = personRow(found(ref).person);
        tell(changeOf("change", person, { before: fieldsOf(personRow(before)), after: fieldsOf(person) }));
        return person;
      }),
    shutOut: (issuer, subject) =>
      writer.run((tell) => {
        const known = linkedTo(issuer, subject);
        if (!known) return null;
        const { ref, person: before } = known;
        const ended = database.delete(sessions).where(eq(sessions.personRef, ref)).returning({ id: sessions.id }).all();
        database.delete(personTokens).where(eq(personTokens.personRef, ref)).run();
        database.update(people).set({ role: "member" }).where(eq(people.ref, ref)).run();
        const person = personRow(found(ref).person);
        const after = { ...fieldsOf(person), sessionsEnded: ended.length };
        tell(changeOf("change", person, { before: fieldsOf(personRow(before)), after }));
        return person;
      }),
  };
}

function gone(): never {
  throw new Error("a login of nobody");
}
