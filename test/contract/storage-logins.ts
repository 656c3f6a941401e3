import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import type { NewPerson, Vouched } from "../../core/storage/people.ts";
import { aPerson, aSession, aToken, startMs } from "./storage-samples.ts";

const aVouched = (changed: Partial<Vouched> = {}): Vouched => ({
  issuer: "https://login.example.com",
  subject: crypto.randomUUID(),
  email: `${crypto.randomUUID()}@example.com`,
  name: "Grace",
  role: "viewer",
  accountId: null,
  newId: crypto.randomUUID(),
  createPeople: true,
  atMs: startMs,
  ...changed,
});

/** What every `storage` plugin must do for those whom an issuer vouches for. */
export function testLogins(database: () => Database, restart: () => Promise<void>): void {
  describe("storage contract: logins of issuers", () => {
    test("somebody new is made once, and found again by issuer and subject", async () => {
      const vouched = aVouched({ role: "admin" });
      const made = await database().people.vouch(vouched);
      expect(made).toMatchObject({
        id: vouched.newId,
        kind: "person",
        email: vouched.email,
        name: "Grace",
        role: "admin",
        hasPassword: false,
        issuers: [vouched.issuer],
        signedInMs: startMs,
      });
      await restart();
      const again = {
        ...vouched,
        email: null,
        role: "member",
        accountId: "default",
        createPeople: false,
        atMs: startMs + 1,
      } as const;
      expect(await database().people.vouch(again)).toMatchObject({
        id: vouched.newId,
        email: vouched.email,
        role: "member",
        accountId: "default",
        signedInMs: startMs + 1,
      });
      const { email } = vouched;
      const elsewhere = { ...again, email, issuer: "https://other.example.com", newId: crypto.randomUUID() };
      expect(await database().people.vouch(elsewhere)).toMatchObject({
        id: elsewhere.newId,
        issuers: [vouched.issuer, elsewhere.issuer],
      });
    });

    test("an owner of the whole who can sign in is known of, and nobody else counts as one", async () => {
      const { people } = database();
      const joins = async (person: NewPerson) => {
        await people.create(person);
        await people.setPassword(person.id, "a hash", null);
      };
      await joins(aPerson({ role: "admin" }));
      await joins(aPerson({ role: "owner", accountId: "default" }));
      await people.create(aPerson({ role: "owner", kind: "service", email: null }));
      const invited = aPerson({ role: "owner" });
      await people.create(invited);
      await people.vouch(aVouched({ role: "admin" }));
      expect(await people.hasOwner()).toBe(false);
      await people.vouch(aVouched({ role: "owner", email: invited.email }));
      expect(await people.hasOwner()).toBe(true);
    });

    test("the password of an owner of the whole is enough", async () => {
      const { people } = database();
      const owner = aPerson({ role: "owner" });
      await people.create(owner);
      expect(await people.hasOwner()).toBe(false);
      await people.setPassword(owner.id, "a hash", null);
      expect(await people.hasOwner()).toBe(true);
    });

    test("many first sign-ins at once make one person", async () => {
      const vouched = aVouched();
      const all = await Promise.all(
        Array.from({ length: 20 }, () => database().people.vouch({ ...vouched, newId: crypto.randomUUID() })),
      );
      expect(new Set(all.map((one) => (typeof one === "string" ? one : one.id))).size).toBe(1);
      expect((await database().people.list({})).data).toHaveLength(1);
    });

    test("nobody is found without an address, made where nobody may come, or taken for another", async () => {
      const { people } = database();
      expect(await people.vouch(aVouched({ email: null }))).toBe("no-address");
      expect(await people.vouch(aVouched({ createPeople: false }))).toBe("unknown");
      const person = aPerson({ role: "member" });
      await people.create(person);
      const vouched = aVouched({ email: person.email, createPeople: false });
      expect(await people.vouch(vouched)).toMatchObject({ id: vouched.newId, role: "viewer", name: person.name });
      expect(await people.get(person.id)).toBeNull();
      expect(await people.vouch({ ...vouched, subject: "another", role: "owner" })).toBe("taken");
      expect(people.vouch({ ...vouched, accountId: "nowhere" })).rejects.toMatchObject({ kind: "not-found" });
      expect((await people.get(vouched.newId))?.role).toBe("viewer");
    });

    test("the last owner keeps the role whatever the issuer says, and counts as one as long as they have it", async () => {
      const { people, sessions, audit } = database();
      const owner = aVouched({ role: "owner" });
      await people.vouch(owner);
      const id = owner.newId;
      expect(people.remove(id)).rejects.toMatchObject({ kind: "conflict" });
      expect(await people.vouch({ ...owner, role: "viewer" })).toMatchObject({ id, role: "owner", accountId: null });
      expect(await people.vouch({ ...owner, accountId: "default" })).toMatchObject({ role: "owner", accountId: null });
      await sessions.create("open", aSession({ personId: id }));
      expect(await people.shutOut(owner.issuer, owner.subject)).toMatchObject({ id, role: "owner" });
      expect(await sessions.find("open", startMs)).toBeNull();
      const kept = (await audit.list({ action: "person.keep" }, {})).data;
      expect(kept.map(({ objectId, after }) => [objectId, JSON.parse(after ?? "").refused.role])).toEqual([
        [id, "member"],
        [id, "owner"],
        [id, "viewer"],
      ]);
      await people.vouch(aVouched({ role: "owner" }));
      expect(await people.vouch({ ...owner, role: "viewer" })).toMatchObject({ role: "viewer" });
      expect(await people.remove(id)).toBe(true);
      expect(await people.vouch({ ...owner, createPeople: false })).toBe("unknown");
    });

    test("an address alone does not link the last owner to an issuer that gives less", async () => {
      const { people } = database();
      const person = aPerson({ role: "owner" });
      await people.create(person);
      await people.setPassword(person.id, "hash", null);
      const vouched = aVouched({ email: person.email, role: "member" });
      expect(await people.vouch(vouched)).toBe("last-owner");
      expect(await people.get(person.id)).toMatchObject({ role: "owner", hasPassword: true, issuers: [] });
      expect(await people.vouch({ ...vouched, role: "owner" })).toMatchObject({ role: "owner", hasPassword: false });
    });

    test("at the first link everything ends by which somebody else could be that person", async () => {
      const { people, sessions, audit } = database();
      const planted = await plant(database(), aPerson({ role: "member", accountId: "default" }));
      const vouched = aVouched({ email: planted.email, role: "owner", createPeople: false });
      const person = await people.vouch(vouched);
      expect(person).toEqual({
        id: vouched.newId,
        kind: "person",
        email: planted.email,
        name: planted.name,
        role: "owner",
        accountId: null,
        createdMs: startMs,
        signedInMs: startMs,
        hasPassword: false,
        hasTotp: false,
        issuers: [vouched.issuer],
      });
      await expectEnded(database(), planted.id);
      expect(await people.secretsOf({ id: vouched.newId })).toMatchObject({ password: null, totp: null });
      for (const id of [planted.id, vouched.newId]) expect(await people.takeRecovery(id, "recovery")).toBe(false);
      expect(await people.tokensOf(vouched.newId)).toEqual([]);
      expect(await sessions.list(vouched.newId, startMs)).toEqual([]);
      const [gone] = (await audit.list({ action: "person.remove", objectId: planted.id }, {})).data;
      expect(JSON.parse(gone?.before ?? "")).toMatchObject({
        email: planted.email,
        hasPassword: true,
        hasTotp: true,
        sessionsEnded: 1,
        tokensEnded: 1,
        linksEnded: 1,
      });
      const [made] = (await audit.list({ action: "person.create", objectId: vouched.newId }, {})).data;
      expect(JSON.parse(made?.after ?? "")).toMatchObject({ role: "owner", replaces: planted.id });
    });

    test("what was begun for the person before the first link finds nobody after it", async () => {
      const { people, sessions } = database();
      const { id, email } = await people.create(aPerson({ role: "member" }));
      await people.vouch(aVouched({ email, role: "owner" }));
      const none = { kind: "not-found" };
      expect(sessions.create("late", aSession({ personId: id }))).rejects.toMatchObject(none);
      expect(people.setPassword(id, "hash", null)).rejects.toMatchObject(none);
      expect(people.addToken(id, aToken())).rejects.toMatchObject(none);
      expect(people.setLink(id, { digest: "late", expiresMs: startMs + 1 })).rejects.toMatchObject(none);
    });

    test.each<readonly [string, Partial<Vouched>, boolean]>([
      ["the same", {}, false],
      ["less of it", { role: "member" }, false],
      ["a place below", { accountId: "below" }, false],
      ["a higher role", { role: "admin" }, true],
      ["a place above", { accountId: "default" }, true],
      ["a place beside", { accountId: "beside" }, true],
      ["everything", { accountId: null }, true],
      ["a lower role and a wider place", { role: "member", accountId: null }, true],
    ])("whoever is linked and is given %s", async (_, given, ends) => {
      const { people, accounts } = database();
      for (const [id, parentId] of [
        ["own", "default"],
        ["below", "own"],
        ["beside", "default"],
      ] as const)
        await accounts.create({ id, name: id, parentId, createdMs: startMs });
      const first = aVouched({ accountId: "own" });
      await people.vouch(first);
      const elsewhere = { ...first, issuer: "https://other.example.com" };
      const both = await people.vouch({ ...elsewhere, newId: crypto.randomUUID() });
      if (typeof both === "string") throw new Error(both);
      await hold(database(), both.id);
      const after = await people.vouch({ ...first, ...given, newId: "anew" });
      expect(after).toMatchObject({
        id: ends ? "anew" : both.id,
        hasPassword: !ends,
        issuers: ends ? [first.issuer] : [first.issuer, elsewhere.issuer],
      });
      if (ends) await expectEnded(database(), both.id);
      else expect(await people.findToken("token", startMs)).toMatchObject({ id: both.id });
    });

    test("a service is nobody whom an issuer vouches for", async () => {
      const { people } = database();
      const service = aPerson({ kind: "service", role: "admin" });
      await people.create(service);
      await people.addToken(service.id, aToken({ digest: "token" }));
      expect(await people.vouch(aVouched({ email: service.email, role: "owner" }))).toBe("taken");
      expect(await people.findToken("token", startMs)).toMatchObject({ role: "admin", issuers: [] });
    });

    test("whoever is shut out is a member without sessions and tokens", async () => {
      const { people, sessions } = database();
      await people.vouch(aVouched({ role: "owner" }));
      const vouched = aVouched({ role: "owner" });
      await people.vouch(vouched);
      const id = vouched.newId;
      await sessions.create("open", aSession({ personId: id }));
      await people.addToken(id, aToken({ digest: "token" }));
      expect(await people.shutOut(vouched.issuer, "another")).toBeNull();
      expect(await people.shutOut("https://other.example.com", vouched.subject)).toBeNull();
      expect((await sessions.find("open", startMs))?.person?.role).toBe("owner");
      expect(await people.shutOut(vouched.issuer, vouched.subject)).toMatchObject({ id, role: "member" });
      expect(await sessions.find("open", startMs)).toBeNull();
      expect(await people.findToken("token", startMs)).toBeNull();
    });
  });
}

/** Somebody with everything that signs them in. */
async function plant(database: Database, made: NewPerson): Promise<NewPerson> {
  await database.people.create(made);
  await hold(database, made.id);
  return made;
}

async function hold({ people, sessions }: Database, id: string): Promise<void> {
  await people.setPassword(id, "hash", null);
  await people.setTotp(id, { secret: new Uint8Array([1]), recovery: ["recovery"] });
  await people.setLink(id, { digest: "link", expiresMs: startMs + 1_000 });
  await sessions.create("open", aSession({ personId: id }));
  await people.addToken(id, aToken({ digest: "token" }));
}

async function expectEnded({ people, sessions }: Database, id: string): Promise<void> {
  expect(await people.get(id)).toBeNull();
  expect(await sessions.find("open", startMs)).toBeNull();
  expect(await people.findToken("token", startMs)).toBeNull();
  expect(await people.findLink("link", startMs)).toBeNull();
  expect(await people.takeLink("link", startMs)).toBeNull();
}
