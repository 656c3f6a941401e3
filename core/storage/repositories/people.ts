import { Buffer } from "node:buffer";
import { and, desc, eq, exists, gt, inArray, isNotNull, isNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import { GatewayError, missing } from "../../chat/error.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { BegunAnew, NewLink, PeopleRepository, PersonChange, PersonRow } from "../people.ts";
import { personLogins } from "../schema/sqlite-logins.ts";
import { people, personLinks, personTokens, sessions } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { personAnew } from "./person-anew.ts";
import { personLoginRepository } from "./person-logins.ts";
import { changeOf, fieldsOf, isWholeOwner, personColumns, personRow } from "./person-row.ts";
import { personTokenRepository } from "./person-tokens.ts";
import { refsUnder } from "./under.ts";

export function peopleRepository(database: SqliteDatabase, writer: AuditedWriter): PeopleRepository {
  const select = () =>
    database
      .select({ ref: people.ref, person: personColumns, password: people.password, totp: people.totp })
      .from(people)
      .leftJoin(accounts, eq(accounts.ref, people.accountRef));
  const one = (where: SQL | undefined) => select().where(where).limit(1).all()[0];
  const get = (id: string): PersonRow | null => {
    const row = one(eq(people.id, id));
    return row ? personRow(row.person) : null;
  };
  const refOf = (id: string): number => one(eq(people.id, id))?.ref ?? missing();

  /** Inside a transaction, before one who may do everything ceases to. */
  function checkOwnerLeft(ref: number) {
    if (!isOwnerLeft(ref)) throw new GatewayError("conflict", "the last owner has to stay");
  }
  function isOwnerLeft(ref: number): boolean {
    const logins = database
      .select({ one: sql`1` })
      .from(personLogins)
      .where(eq(personLogins.personRef, people.ref));
    const canSignIn = or(isNotNull(people.password), exists(logins));
    return one(and(isOwner, canSignIn, ne(people.ref, ref))) !== undefined;
  }
  function accountRef(id: string | null): number | null {
    if (id === null) return null;
    const row = database
      .select({ ref: accounts.ref })
      .from(accounts)
      .where(and(eq(accounts.id, id), isNull(accounts.removedMs)))
      .all()[0];
    return row ? row.ref : missing();
  }
  function checkAddress(email: string | null | undefined, ref: number) {
    if (email && one(and(eq(people.email, email), ne(people.ref, ref))))
      throw new GatewayError("conflict", "email: somebody has this address already", { param: "email" });
  }

  const anew = personAnew(database, { find: one, accountRef });
  return {
    ...personTokenRepository(database, writer, refOf),
    ...personLoginRepository(database, writer, { find: one, accountRef, isOwnerLeft, anew }),
    get,
    list({ under, ...query }) {
      const limit = pageSize(query);
      const within = under === undefined ? undefined : inArray(people.accountRef, refsUnder(database, under));
      const rows = select()
        .where(and(lt(people.ref, cursorOf(query)), within))
        .orderBy(desc(people.ref))
        .limit(limit + 1)
        .all();
      return pageOf(
        rows,
        limit,
        ({ ref }) => ref,
        ({ person }) => personRow(person),
      );
    },
    canSignIn: () => one(isNotNull(people.password)) !== undefined,
    hasOwner: () => isOwnerLeft(0),
    secretsOf(by) {
      const row = one("id" in by ? eq(people.id, by.id) : eq(people.email, by.email));
      return row ? { person: personRow(row.person), password: row.password, totp: row.totp } : null;
    },
    create: ({ accountId, ...person }, link = null) =>
      writer.run((tell) => {
        checkAddress(person.email, 0);
        database
          .insert(people)
          .values({ ...person, accountRef: accountRef(accountId) })
          .run();
        if (link) putLink(refOf(person.id), link);
        const made = get(person.id) ?? missing();
        tell(changeOf("create", made, { before: null, after: fieldsOf(made) }));
        return made;
      }),
    change: (id, change, { newId, link, atMs } = never) =>
      writer.run((tell) => {
        const row = one(eq(people.id, id));
        if (!row) return null;
        checkAddress(change.email, row.ref);
        const before = personRow(row.person);
        const after = { ...before, ...change };
        if (anew.isMore(after, before)) {
          const { kind, email, name, role, accountId } = after;
          // Before they end: nobody is touched for an account that there is not.
          accountRef(accountId);
          anew.end(row, true, tell);
          const times = { createdMs: atMs, signedInMs: null };
          const made = anew.begin({ id: newId(), kind, email, name, role, accountId, ...times }, id, tell);
          if (link) putLink(made.ref, link);
          return personRow(made.person);
        }
        if (isWholeOwner(row.person) && !isWholeOwner({ ...row.person, ...change })) checkOwnerLeft(row.ref);
        const columns = columnsOf(change, accountRef);
        if (Object.keys(columns).length > 0) database.update(people).set(columns).where(eq(people.ref, row.ref)).run();
        const changed = get(id) ?? missing();
        tell(changeOf("change", changed, { before: fieldsOf(before), after: fieldsOf(changed) }));
        return changed;
      }),
    unlink: (id, issuer, { keep, link }) =>
      writer.run((tell) => {
        const row = one(eq(people.id, id));
        const before = row && personRow(row.person);
        if (!row || !before?.issuers.includes(issuer)) return null;
        database
          .delete(personLogins)
          .where(and(eq(personLogins.personRef, row.ref), eq(personLogins.issuer, issuer)))
          .run();
        const person = get(id) ?? missing();
        const isShutOut = !person.hasPassword && person.issuers.length === 0;
        if (isShutOut && isWholeOwner(row.person)) checkOwnerLeft(row.ref);
        if (isShutOut && !link) throw new GatewayError("conflict", "nothing would be left to sign in with");
        if (isShutOut && link) putLink(row.ref, link);
        const own = eq(sessions.personRef, row.ref);
        const others = keep === null ? own : and(own, ne(sessions.digest, keep));
        const ended = database.delete(sessions).where(others).returning({ digest: sessions.digest }).all().length;
        const after = { issuers: [...person.issuers], sessionsEnded: ended };
        tell(changeOf("unlink", person, { before: { issuers: [...before.issuers] }, after }));
        return { person, linked: isShutOut };
      }),
    remove: (id) =>
      writer.run((tell) => {
        const row = one(eq(people.id, id));
        if (!row) return false;
        if (isWholeOwner(row.person)) checkOwnerLeft(row.ref);
        database.delete(sessions).where(eq(sessions.personRef, row.ref)).run();
        database.delete(personTokens).where(eq(personTokens.personRef, row.ref)).run();
        database.delete(personLinks).where(eq(personLinks.personRef, row.ref)).run();
        database.delete(personLogins).where(eq(personLogins.personRef, row.ref)).run();
        database.delete(people).where(eq(people.ref, row.ref)).run();
        const person = personRow(row.person);
        tell(changeOf("remove", person, { before: fieldsOf(person), after: null }));
        return true;
      }),
    setPassword: (id, hash, keep) =>
      writer.run((tell) => {
        const ref = refOf(id);
        const person = get(id) ?? missing();
        database.update(people).set({ password: hash }).where(eq(people.ref, ref)).run();
        database.delete(personLinks).where(eq(personLinks.personRef, ref)).run();
        const ended = database
          .delete(sessions)
          .where(and(eq(sessions.personRef, ref), keep === null ? undefined : ne(sessions.digest, keep)))
          .returning({ digest: sessions.digest })
          .all();
        const before = { hasPassword: person.hasPassword };
        const after = { hasPassword: true, password: "changed", sessionsEnded: ended.length };
        tell(changeOf("password", person, { before, after }));
      }),
    setTotp: (id, totp) =>
      writer.run((tell) => {
        const person = get(id) ?? missing();
        const [secret, recovery] = totp === null ? [null, []] : [Buffer.from(totp.secret), totp.recovery];
        database
          .update(people)
          .set({ totp: secret, recovery: JSON.stringify(recovery) })
          .where(eq(people.ref, refOf(id)))
          .run();
        const after = totp === null ? { hasTotp: false } : { hasTotp: true, totp: "changed" };
        tell(changeOf("totp", person, { before: { hasTotp: person.hasTotp }, after }));
      }),
    takeStep: (id, step) =>
      writer.run(() => {
        const taken = database
          .update(people)
          .set({ totpStep: step })
          .where(and(eq(people.id, id), lt(people.totpStep, step)))
          .returning({ ref: people.ref })
          .all();
        return taken.length > 0;
      }),
    takeRecovery: (id, hash) =>
      writer.run((tell) => {
        const row = database.select({ recovery: people.recovery }).from(people).where(eq(people.id, id)).all()[0];
        const left: readonly string[] = JSON.parse(row?.recovery ?? "[]");
        if (!left.includes(hash)) return false;
        const recovery = JSON.stringify(left.filter((one_) => one_ !== hash));
        database.update(people).set({ recovery }).where(eq(people.id, id)).run();
        const sides = { before: { recoveryCodes: left.length }, after: { recoveryCodes: left.length - 1 } };
        tell(changeOf("recover", get(id) ?? missing(), sides));
        return true;
      }),
    signedIn: (id, atMs) =>
      writer.run(() => {
        database.update(people).set({ signedInMs: atMs }).where(eq(people.id, id)).run();
      }),
    setLink: (id, link) =>
      writer.run((tell) => {
        putLink(refOf(id), link);
        const after = { link: "changed", expiresMs: link.expiresMs };
        tell(changeOf("link", get(id) ?? missing(), { before: null, after }));
      }),
    findLink: (digest, nowMs) => linked(digest, nowMs),
    takeLink: (digest, nowMs) =>
      writer.run(() => {
        const person = linked(digest, nowMs);
        database.delete(personLinks).where(eq(personLinks.digest, digest)).run();
        return person;
      }),
  };

  /** In the place of the one before. */
  function putLink(personRef: number, { digest, expiresMs }: NewLink): void {
    database.delete(personLinks).where(eq(personLinks.personRef, personRef)).run();
    database.insert(personLinks).values({ digest, personRef, expiresMs }).run();
  }
  function linked(digest: string, nowMs: number): PersonRow | null {
    const row = database
      .select({ person: personColumns })
      .from(personLinks)
      .innerJoin(people, eq(people.ref, personLinks.personRef))
      .leftJoin(accounts, eq(accounts.ref, people.accountRef))
      .where(and(eq(personLinks.digest, digest), gt(personLinks.expiresMs, nowMs)))
      .all()[0];
    return row ? personRow(row.person) : null;
  }
}

/** Of a change that gives nobody more than they had. */
const never: BegunAnew = {
  newId: () => {
    throw new Error("whoever is given more begins anew, which takes an id");
  },
  link: null,
  atMs: 0,
};

/** Who may do everything; somebody who was only invited does not count. */
const isOwner = and(eq(people.role, "owner"), eq(people.kind, "person"), isNull(people.accountRef));
function columnsOf({ accountId, ...change }: PersonChange, accountRef: (id: string | null) => number | null) {
  return { ...change, ...(accountId !== undefined && { accountRef: accountRef(accountId) }) };
}
