import { and, eq, inArray, type SQL } from "drizzle-orm";
import type { Tell } from "../audit-writer.ts";
import type { NewPerson, PersonRow } from "../people.ts";
import { personLogins } from "../schema/sqlite-logins.ts";
import { people, personLinks, personTokens, sessions } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { changeOf, fieldsOf, type FoundPerson, personRow } from "./person-row.ts";
import { refsUnder } from "./under.ts";

export interface Found {
  readonly ref: number;
  readonly person: FoundPerson;
}
export type Login = Pick<typeof personLogins.$inferSelect, "issuer" | "subject" | "createdMs">;
export type Standing = Pick<PersonRow, "role" | "accountId">;

export interface AnewParts {
  readonly find: (where: SQL | undefined) => Found | undefined;
  /** Throws for an account that there is not. */
  readonly accountRef: (id: string | null) => number | null;
}
export type Beginning = Pick<NewPerson, "id" | "kind" | "email" | "name" | "createdMs"> &
  Standing & { readonly signedInMs: number | null };

/** How somebody ends with everything that signs them in, and goes on under another id. Inside a transaction. */
export type PersonAnew = ReturnType<typeof personAnew>;

export function personAnew(database: SqliteDatabase, { find, accountRef }: AnewParts) {
  function byId(id: string): Found {
    return find(eq(people.id, id)) ?? gone();
  }
  function endAccess(ref: number) {
    const ended = database.delete(sessions).where(eq(sessions.personRef, ref)).returning({ id: sessions.id }).all();
    const own = eq(personTokens.personRef, ref);
    const tokens = database.delete(personTokens).where(own).returning({ id: personTokens.id }).all();
    return { sessionsEnded: ended.length, tokensEnded: tokens.length };
  }

  return {
    byId,
    endAccess,
    /** Whether it lets them do or see what they could not before. */
    isMore({ role, accountId }: Standing, before: PersonRow): boolean {
      if (ascending.indexOf(role) > ascending.indexOf(before.role)) return true;
      if (before.accountId === null) return false;
      if (accountId === null) return true;
      const below = inArray(accounts.ref, refsUnder(database, before.accountId));
      const within = database
        .select({ ref: accounts.ref })
        .from(accounts)
        .where(and(eq(accounts.id, accountId), below));
      return within.all().length === 0;
    },
    /** With everything that signs them in; gives back the logins that stay. */
    end({ ref, person }: Found, gains: boolean, tell: Tell): readonly Login[] {
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
    },
    /** `replaces`: the id that they had. */
    begin({ accountId, ...columns }: Beginning, replaces: string | undefined, tell: Tell): Found {
      database
        .insert(people)
        .values({ ...columns, accountRef: accountRef(accountId) })
        .run();
      const made = byId(columns.id);
      const person = personRow(made.person);
      tell(changeOf("create", person, { before: null, after: { ...fieldsOf(person), replaces } }));
      return made;
    },
  };
}

const ascending: readonly PersonRow["role"][] = ["member", "viewer", "admin", "owner"];

function gone(): never {
  throw new Error("nobody has this id");
}
