import { and, eq } from "drizzle-orm";
import type { AuditedWriter, Tell } from "../audit-writer.ts";
import type { NewPerson, PeopleRepository, PersonRow } from "../people.ts";
import { personLogins } from "../schema/sqlite-logins.ts";
import { people } from "../schema/sqlite-people.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import type { AnewParts, Found, Login, PersonAnew, Standing } from "./person-anew.ts";
import { changeOf, fieldsOf, isWholeOwner, personRow } from "./person-row.ts";

interface LoginParts extends AnewParts {
  /** Whether without this one somebody can sign in who may do everything. */
  readonly isOwnerLeft: (ref: number) => boolean;
  readonly anew: PersonAnew;
}

/** Those whom an issuer vouches for. */
export function personLoginRepository(
  database: SqliteDatabase,
  writer: AuditedWriter,
  { find, accountRef, isOwnerLeft, anew }: LoginParts,
): Pick<PeopleRepository, "vouch" | "shutOut"> {
  const { byId } = anew;
  return {
    vouch: ({ issuer, subject, email, name, role, accountId, newId, createPeople, atMs }) =>
      writer.run((tell) => {
        const given: Standing = { role, accountId };
        // Nobody is touched for an account that there is not.
        accountRef(accountId);
        const enter = (
          who: Pick<NewPerson, "email" | "name"> & Standing,
          from: { readonly replaces?: string; readonly logins: readonly Login[] },
        ): PersonRow => {
          const times = { createdMs: atMs, signedInMs: atMs };
          const made = anew.begin({ ...who, ...times, id: newId, kind: "person" }, from.replaces, tell);
          const own = { issuer, subject, createdMs: atMs };
          const logins = [...from.logins, own].map((login) => ({ ...login, personRef: made.ref }));
          database.insert(personLogins).values(logins).run();
          tell(changeOf("login", personRow(made.person), { before: null, after: { issuer, subject } }));
          return personRow(byId(newId).person);
        };

        const linked = linkedTo(issuer, subject);
        if (!linked && email === null) return "no-address";
        const known = linked ?? find(eq(people.email, email ?? ""));
        if (!known) return createPeople ? enter({ email, name, ...given }, { logins: [] }) : "unknown";
        const before = personRow(known.person);
        if (!linked && (before.kind === "service" || before.issuers.includes(issuer))) return "taken";
        const keeps = isLastOwner(known) && (role !== "owner" || accountId !== null);
        // Whom the issuer knows already is that owner; an address alone must not give what the issuer does not.
        if (keeps && !linked) return "last-owner";
        const standing: Standing = keeps ? { role: "owner", accountId: null } : given;
        const gains = anew.isMore(standing, before);
        if (linked && !gains) {
          if (keeps) tell(changeOf("keep", before, { before: null, after: { ...standing, refused: { ...given } } }));
          return changed(known, { ...standing, signedInMs: atMs }, tell);
        }
        const logins = anew.end(known, gains, tell);
        return enter({ email: before.email, name: before.name, ...standing }, { replaces: before.id, logins });
      }),
    shutOut: (issuer, subject) =>
      writer.run((tell) => {
        const known = linkedTo(issuer, subject);
        if (!known) return null;
        const ended = anew.endAccess(known.ref);
        const before = personRow(known.person);
        const role = isLastOwner(known) ? "owner" : "member";
        database.update(people).set({ role }).where(eq(people.ref, known.ref)).run();
        const person = personRow(byId(before.id).person);
        tell(changeOf("change", person, { before: fieldsOf(before), after: { ...fieldsOf(person), ...ended } }));
        if (role === "owner")
          tell(changeOf("keep", before, { before: null, after: { role, refused: { role: "member" } } }));
        return person;
      }),
  };

  function linkedTo(issuer: string, subject: string): Found | undefined {
    const row = database
      .select({ ref: personLogins.personRef })
      .from(personLogins)
      .where(and(eq(personLogins.issuer, issuer), eq(personLogins.subject, subject)))
      .all()[0];
    return row && (find(eq(people.ref, row.ref)) ?? gone());
  }
  function isLastOwner({ ref, person }: Found): boolean {
    return isWholeOwner(person) && !isOwnerLeft(ref);
  }
  function changed({ ref, person }: Found, to: Standing & { readonly signedInMs: number }, tell: Tell): PersonRow {
    const { role, accountId, signedInMs } = to;
    const place = accountRef(accountId);
    database.update(people).set({ role, accountRef: place, signedInMs }).where(eq(people.ref, ref)).run();
    const before = personRow(person);
    const after = personRow(byId(before.id).person);
    tell(changeOf("change", after, { before: fieldsOf(before), after: fieldsOf(after) }));
    return after;
  }
}

function gone(): never {
  throw new Error("a login of nobody");
}
