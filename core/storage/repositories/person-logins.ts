import { and, eq, inArray, type SQL } from "drizzle-orm";
import type { AuditedWriter, Tell } from "../audit-writer.ts";
import type { NewPerson, PeopleRepository, PersonRow } from "../people.ts";
import { personLogins } from "../schema/sqlite-logins.ts";
import { people, personLinks, personTokens, sessions } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { changeOf, fieldsOf, type FoundPerson, isWholeOwner, personRow } from "./person-row.ts";
import { refsUnder } from "./under.ts";

interface Found {
  readonly ref: number;
  readonly person: FoundPerson;
}
interface PeopleParts {
  readonly find: (where: SQL | undefined) => Found | undefined;
  /** Throws for an account that there is not. */
  readonly accountRef: (id: string | null) => number | null;
  /** Whether without this one somebody can sign in who may do everything. */
  readonly isOwnerLeft: (ref: number) => boolean;
}
type Login = Pick<typeof personLogins.$inferSelect, "issuer" | "subject" | "createdMs">;
type Standing = Pick<PersonRow, "role" | "accountId">;

/** Those whom an issuer vouches for. */
export function personLoginRepository(
  database: SqliteDatabase,
  writer: AuditedWriter,
  { find, accountRef, isOwnerLeft }: PeopleParts,
): Pick<PeopleRepository, "vouch" | "shutOut"> {
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
          const { accountId: place, ...columns } = who;
          const times = { createdMs: atMs, signedInMs: atMs };
          const made = { ...columns, ...times, id: newId, kind: "person", accountRef: accountRef(place) } as const;
          database.insert(people).values(made).run();
          const { ref: personRef, person } = byId(newId);
          const after = { ...fieldsOf(personRow(person)), replaces: from.replaces };
          tell(changeOf("create", personRow(person), { before: null, after }));
          const own = { issuer, subject, createdMs: atMs };
          const logins = [...from.logins, own].map((login) => ({ ...login, personRef }));
          database.insert(personLogins).values(logins).run();
          tell(changeOf("login", personRow(person), { before: null, after: { issuer, subject } }));
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
        const gains = isMore(standing, before);
        if (linked && !gains) {
          if (keeps) tell(changeOf("keep", before, { before: null, after: { ...standing, refused: { ...given } } }));
          return changed(known, { ...standing, signedInMs: atMs }, tell);
        }
        const logins = end(known, gains, tell);
        return enter({ email: before.email, name: before.name, ...standing }, { replaces: before.id, logins });
      }),
    shutOut: (issuer, subject) =>
      writer.run((tell) => {
        const known = linkedTo(issuer, subject);
        if (!known) return null;
        const ended = endAccess(known.ref);
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
  function byId(id: string): Found {
    return find(eq(people.id, id)) ?? gone();
  }
  function isLastOwner({ ref, person }: Found): boolean {
    return isWholeOwner(person) && !isOwnerLeft(ref);
  }
  /** Whether it lets them do or see what they could not before. */
  function isMore({ role, accountId }: Standing, before: PersonRow): boolean {
    if (ascending.indexOf(role) > ascending.indexOf(before.role)) return true;
    if (before.accountId === null) return false;
    if (accountId === null) return true;
    const below = inArray(accounts.ref, refsUnder(database, before.accountId));
    const within = database
      .select({ ref: accounts.ref })
      .from(accounts)
      .where(and(eq(accounts.id, accountId), below));
    return within.all().length === 0;
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
  /** With everything that signs them in; gives back the logins that stay. */
  function end({ ref, person }: Found, gains: boolean, tell: Tell): readonly Login[] {
    const access = endAccess(ref);
    const links = database.delete(personLinks).where(eq(personLinks.personRef, ref)).returning().all().length;
    const logins = database.delete(personLogins).where(eq(personLogins.personRef, ref)).returning().all();
    database.delete(people).where(eq(people.ref, ref)).run();
    const before = personRow(person);
    const { hasPassword, hasTotp } = before;
    const ended = { hasPassword, hasTotp, ...access, linksEnded: links };
    const unlinked = gains ? logins.map(({ issuer }) => issuer) : [];
    tell(changeOf("remove", before, { before: { ...fieldsOf(before), ...ended, unlinked }, after: null }));
    return gains ? [] : logins;
  }
  function endAccess(ref: number) {
    const ended = database.delete(sessions).where(eq(sessions.personRef, ref)).returning({ id: sessions.id }).all();
    const own = eq(personTokens.personRef, ref);
    const tokens = database.delete(personTokens).where(own).returning({ id: personTokens.id }).all();
    return { sessionsEnded: ended.length, tokensEnded: tokens.length };
  }
}

const ascending: readonly PersonRow["role"][] = ["member", "viewer", "admin", "owner"];

function gone(): never {
  throw new Error("a login of nobody");
}
