import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aPerson, aSession, aToken, startMs } from "./storage-samples.ts";

/** What every `storage` plugin must do for people, their sessions, links and tokens. */
export function testPeople(database: () => Database, restart: () => Promise<void>): void {
  describe("storage contract: people", () => {
    test("somebody is found by id and address as they were made, and lists are newest first", async () => {
      const first = aPerson({ role: "owner" });
      const second = aPerson({ kind: "service", email: null });
      await database().people.create(first);
      await database().people.create(second);
      await restart();
      const shown = { ...first, signedInMs: null, hasPassword: false, hasTotp: false, issuers: [] };
      expect(await database().people.get(first.id)).toEqual(shown);
      expect((await database().people.secretsOf({ email: first.email ?? "" }))?.person).toEqual(shown);
      expect(await database().people.secretsOf({ email: "nobody@example.com" })).toBeNull();
      expect((await database().people.list({})).data.map(({ id }) => id)).toEqual([second.id, first.id]);
      expect(await database().people.get("nobody")).toBeNull();
    });

    test("lists under an account hold those who belong to it or to one below, and nobody of the whole", async () => {
      for (const [id, parentId] of [
        ["a", null],
        ["a1", "a"],
        ["b", null],
      ] as const)
        await database().accounts.create({ id, parentId, name: id, createdMs: startMs });
      const people = [
        aPerson({ accountId: "a" }),
        aPerson({ accountId: "a1" }),
        aPerson({ accountId: "b" }),
        aPerson(),
      ];
      for (const person of people) await database().people.create(person);
      const under = async (id: string) =>
        (await database().people.list({ under: id })).data.map((row) => row.accountId);
      expect(await under("a")).toEqual(["a1", "a"]);
      expect(await under("a1")).toEqual(["a1"]);
      expect(await under("nobody")).toEqual([]);
      await database().accounts.change("a1", { parentId: "b" });
      expect(await under("a")).toEqual(["a"]);
    });

    test("an address is somebody's once", async () => {
      const person = aPerson();
      const other = aPerson();
      await database().people.create(person);
      await database().people.create(other);
      expect(database().people.create(aPerson({ email: person.email }))).rejects.toMatchObject({ kind: "conflict" });
      expect(database().people.change(other.id, { email: person.email })).rejects.toMatchObject({ kind: "conflict" });
      expect((await database().people.change(person.id, { email: person.email }))?.email).toBe(person.email);
    });

    test("the last owner of the whole stays: neither removed, nor demoted, nor put under an account", async () => {
      const owner = aPerson({ role: "owner" });
      const { people } = database();
      const joins = async (person: ReturnType<typeof aPerson>) => {
        await people.create(person);
        await people.setPassword(person.id, "a hash", null);
      };
      await joins(owner);
      await joins(aPerson({ role: "owner", accountId: "default" }));
      await people.create(aPerson({ role: "owner", kind: "service", email: null }));
      const invited = aPerson({ role: "owner" });
      await people.create(invited);
      expect(people.change(owner.id, { role: "admin" })).rejects.toMatchObject({ kind: "conflict" });
      expect(people.change(owner.id, { accountId: "default" })).rejects.toMatchObject({ kind: "conflict" });
      expect(people.remove(owner.id)).rejects.toMatchObject({ kind: "conflict" });
      const second = aPerson({ role: "owner" });
      await joins(second);
      expect(await people.remove(invited.id)).toBe(true);
      const both = await Promise.allSettled([people.remove(owner.id), people.remove(second.id)]);
      expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const left = (await people.list({})).data.filter((row) => row.kind === "person" && row.accountId === null);
      expect(left.map(({ role }) => role)).toEqual(["owner"]);
    });

    test("whoever gets a role or a place that they had not begins anew: nothing that signed them in is left", async () => {
      const { people, sessions } = database();
      for (const [id, parentId] of [
        ["a", null],
        ["a1", "a"],
        ["b", null],
      ] as const)
        await database().accounts.create({ id, parentId, name: id, createdMs: startMs });
      let made = 0;
      const raised = async (
        before: Partial<ReturnType<typeof aPerson>>,
        change: Parameters<typeof people.change>[1],
      ) => {
        const person = aPerson(before);
        await people.create(person);
        await people.setPassword(person.id, "a hash", null);
        await people.setTotp(person.id, { secret: new Uint8Array([1]), recovery: ["a"] });
        await sessions.create(`session ${++made}`, aSession({ personId: person.id }));
        await people.addToken(person.id, aToken({ digest: `token ${made}` }));
        await people.setLink(person.id, { digest: `planted ${made}`, expiresMs: startMs + 10 });
        const link = { digest: `link ${made}`, expiresMs: startMs + 10 };
        const newId = `anew-${made}`;
        const after = await people.change(person.id, change, { newId: () => newId, link, atMs: startMs + 1 });
        const left = {
          session: await sessions.find(`session ${made}`, startMs),
          token: await people.findToken(`token ${made}`, startMs),
          planted: await people.findLink(`planted ${made}`, startMs),
          old: await people.get(person.id),
        };
        return { person, after, newId, left, link: await people.findLink(link.digest, startMs) };
      };
      for (const [before, change] of [
        [{ role: "member" }, { role: "viewer" }],
        [{ role: "admin", accountId: "a" }, { accountId: null }],
        [{ role: "viewer", accountId: "a" }, { accountId: "b" }],
        [
          { role: "viewer", accountId: "a1" },
          { accountId: "a", role: "member" },
        ],
      ] as const) {
        const { person, after, newId, left, link } = await raised(before, change);
        expect(after).toEqual({
          ...person,
          ...change,
          id: newId,
          createdMs: startMs + 1,
          signedInMs: null,
          hasPassword: false,
          hasTotp: false,
          issuers: [],
        });
        expect(left).toEqual({ session: null, token: null, planted: null, old: null });
        expect(link?.id).toBe(newId);
      }
      for (const [before, change] of [
        [{ role: "admin" }, { role: "viewer", accountId: "a" }],
        [
          { role: "viewer", accountId: "a" },
          { accountId: "a1", name: "another" },
        ],
      ] as const) {
        const { person, after, left } = await raised(before, change);
        expect(after).toMatchObject({ id: person.id, hasPassword: true, hasTotp: true, ...change });
        expect([left.session, left.token, left.planted, left.old]).not.toContain(null);
      }
      const nowhere = aPerson({ accountId: "a" });
      await people.create(nowhere, { digest: "nowhere", expiresMs: startMs + 10 });
      const anew = { newId: () => "never", link: null, atMs: startMs };
      expect(people.change(nowhere.id, { accountId: "none" }, anew)).rejects.toMatchObject({ kind: "not-found" });
      expect((await people.findLink("nowhere", startMs))?.id).toBe(nowhere.id);
    });

    test("a session is its person's as they are now, and ends with them", async () => {
      const person = aPerson({ role: "admin" });
      const { people, sessions } = database();
      await people.create(person);
      await sessions.create("one", aSession({ personId: person.id }));
      await sessions.create("operator", aSession());
      expect((await sessions.find("one", startMs))?.person?.role).toBe("admin");
      await people.change(person.id, { role: "viewer" });
      expect((await sessions.find("one", startMs))?.person?.role).toBe("viewer");
      expect((await sessions.list(person.id, startMs)).map(({ digest }) => digest)).toEqual(["one"]);
      expect((await sessions.list(null, startMs)).map(({ digest }) => digest)).toEqual(["operator"]);
      await people.remove(person.id);
      expect(await sessions.find("one", startMs)).toBeNull();
      expect(sessions.create("late", aSession({ personId: person.id }))).rejects.toMatchObject({ kind: "not-found" });
      expect((await sessions.find("operator", startMs))?.person).toBeNull();
    });

    test("sessions end all at once", async () => {
      const { sessions } = database();
      await sessions.create("one of many", aSession());
      await sessions.removeAll();
      await restart();
      expect(await database().sessions.find("one of many", startMs)).toBeNull();
      expect(await database().sessions.list(null, startMs)).toEqual([]);
    });

    test("a new password ends the other sessions and the links", async () => {
      const person = aPerson();
      const { people, sessions } = database();
      await people.create(person);
      for (const digest of ["this", "other"]) await sessions.create(digest, aSession({ personId: person.id }));
      await people.setLink(person.id, { digest: "link", expiresMs: startMs + 10 });
      expect(await people.canSignIn()).toBe(false);
      await people.setPassword(person.id, "a hash", "this");
      expect(await people.canSignIn()).toBe(true);
      expect((await sessions.list(person.id, startMs)).map(({ digest }) => digest)).toEqual(["this"]);
      expect(await people.findLink("link", startMs)).toBeNull();
      expect(await people.secretsOf({ id: person.id })).toMatchObject({
        password: "a hash",
        person: { hasPassword: true },
      });
    });

    test("a link works once, until it expires or another one is made", async () => {
      const person = aPerson();
      const { people } = database();
      await people.create(person);
      await people.setLink(person.id, { digest: "old", expiresMs: startMs + 10 });
      await people.setLink(person.id, { digest: "new", expiresMs: startMs + 10 });
      expect(await people.takeLink("old", startMs)).toBeNull();
      expect(await people.findLink("new", startMs + 10)).toBeNull();
      expect((await people.findLink("new", startMs + 9))?.id).toBe(person.id);
      const taken = await Promise.all(Array.from({ length: 10 }, () => people.takeLink("new", startMs)));
      expect(taken.filter((row) => row !== null)).toHaveLength(1);
    });

    test("no code and no recovery code is taken twice, of many at the same time", async () => {
      const person = aPerson();
      const { people } = database();
      await people.create(person);
      await people.setTotp(person.id, { secret: new Uint8Array([1, 255]), recovery: ["a", "b"] });
      expect([...((await people.secretsOf({ id: person.id }))?.totp ?? [])]).toEqual([1, 255]);
      const once = async (take: () => unknown) =>
        (await Promise.all(Array.from({ length: 10 }, take))).filter((taken) => taken === true).length;
      expect(await once(() => people.takeStep(person.id, 5))).toBe(1);
      expect(await people.takeStep(person.id, 4)).toBe(false);
      expect(await people.takeStep(person.id, 6)).toBe(true);
      expect(await once(() => people.takeRecovery(person.id, "a"))).toBe(1);
      expect(await people.takeRecovery(person.id, "c")).toBe(false);
      expect(await people.takeRecovery(person.id, "b")).toBe(true);
      await people.setTotp(person.id, null);
      expect((await people.get(person.id))?.hasTotp).toBe(false);
    });

    test("a token is its person's until it expires or is removed, by nobody else", async () => {
      const person = aPerson();
      const other = aPerson();
      const { people } = database();
      for (const one of [person, other]) await people.create(one);
      const token = aToken({ expiresMs: startMs + 10, digest: "one" });
      await people.addToken(person.id, token);
      const kept = aToken({ digest: "two" });
      await people.addToken(person.id, kept);
      expect((await people.findToken("one", startMs + 9))?.id).toBe(person.id);
      expect(await people.findToken("one", startMs + 10)).toBeNull();
      expect((await people.findToken("two", Number.MAX_SAFE_INTEGER))?.id).toBe(person.id);
      expect((await people.tokensOf(person.id)).map(({ id }) => id)).toEqual([kept.id, token.id]);
      expect(await people.removeToken(other.id, kept.id)).toBe(false);
      expect(await people.removeToken(person.id, kept.id)).toBe(true);
      expect(await people.findToken("two", startMs)).toBeNull();
      await people.remove(person.id);
      expect(await people.findToken("one", startMs)).toBeNull();
    });

    test("an account with people stays", async () => {
      await database().accounts.create({ id: "team", parentId: null, name: "Team", createdMs: startMs });
      const person = aPerson({ accountId: "team" });
      await database().people.create(person);
      expect(database().accounts.remove("team")).rejects.toMatchObject({ kind: "conflict" });
      expect(database().people.create(aPerson({ accountId: "none" }))).rejects.toMatchObject({ kind: "not-found" });
      await database().people.remove(person.id);
      expect(await database().accounts.remove("team")).toBe(true);
    });
  });
}
