import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import type { Vouched } from "../../core/storage/people.ts";
import { aPerson, aSession, aToken, startMs } from "./storage-samples.ts";

const aVouched = (changed: Partial<Vouched> = {}): Vouched => ({
  issuer: "https://login.example.com",
  subject: crypto.randomUUID(),
  email: `${crypto.randomUUID()}@example.com`,
  name: "Grace",
  role: "viewer",
  accountId: null,
  newId: crypto.randomUUID(),
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
        newId: null,
        atMs: startMs + 1,
      } as const;
      expect(await database().people.vouch(again)).toMatchObject({
        id: vouched.newId,
        email: vouched.email,
        role: "member",
        accountId: "default",
        signedInMs: startMs + 1,
      });
      const elsewhere = { ...vouched, issuer: "https://other.example.com", newId: null };
      expect(await database().people.vouch(elsewhere)).toMatchObject({
        id: vouched.newId,
        issuers: [vouched.issuer, elsewhere.issuer],
      });
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
      expect(await people.vouch(aVouched({ newId: null }))).toBe("unknown");
      const person = aPerson({ role: "member" });
      await people.create(person);
      const vouched = aVouched({ email: person.email, newId: null });
      expect(await people.vouch(vouched)).toMatchObject({ id: person.id, role: "viewer", name: person.name });
      expect(await people.vouch({ ...vouched, subject: "another", role: "owner" })).toBe("taken");
      expect(people.vouch({ ...vouched, accountId: "nowhere" })).rejects.toMatchObject({ kind: "not-found" });
      expect((await people.get(person.id))?.role).toBe("viewer");
    });

    test("the last owner loses the role when the issuer takes it, and counts as one as long as they have it", async () => {
      const { people } = database();
      const owner = aVouched({ role: "owner" });
      await people.vouch(owner);
      const id = owner.newId ?? "";
      expect(people.remove(id)).rejects.toMatchObject({ kind: "conflict" });
      await people.vouch(aVouched({ role: "owner" }));
      expect(await people.vouch({ ...owner, role: "viewer" })).toMatchObject({ role: "viewer" });
      expect(await people.remove(id)).toBe(true);
      expect(await people.vouch({ ...owner, newId: null })).toBe("unknown");
    });

    test("whoever is shut out is a member without sessions and tokens", async () => {
      const { people, sessions } = database();
      const vouched = aVouched({ role: "owner" });
      await people.vouch(vouched);
      const id = vouched.newId ?? "";
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
