import { describe, expect, test } from "bun:test";
import type { Author } from "../../core/storage/audit.ts";
import { asAuthor } from "../../core/storage/audit-author.ts";
import { emptyHead } from "../../core/storage/audit-chain.ts";
import type { Database } from "../../core/storage/database.ts";
import type { FakeClock } from "./context.ts";
import { aBudget, aKey, anId } from "./storage-samples.ts";

export interface AuditWorld {
  readonly database: () => Database;
  readonly clock: () => FakeClock;
  readonly restart: () => Promise<void>;
}

const ann: Author = {
  kind: "person",
  id: anId(),
  name: "ann@example.com",
  role: "admin",
  accountId: null,
  address: "192.0.2.7",
  route: "PATCH /api/accounts/:id",
};

/** What every `storage` plugin must do with the log of who changed what. */
export function testAudit({ database, clock, restart }: AuditWorld): void {
  const newest = async () => (await database().audit.list({}, { limit: 1 })).data[0];
  const account = (id: string, parentId: string | null = null) =>
    database().accounts.create({ id, parentId, name: id, createdMs: clock().now() });

  describe("storage contract: audit", () => {
    test("a change is there with who did it, from where, and what was changed, also after a restart", async () => {
      await account("team");
      clock().advance(5);
      await asAuthor(ann, () => database().accounts.change("team", { name: "Team", disabled: false }));
      await restart();
      const row = await newest();
      expect(row).toEqual({
        seq: 2,
        createdMs: clock().now(),
        actorKind: "person",
        actorId: ann.id,
        actorName: "ann@example.com",
        actorRole: "admin",
        actorAccountId: null,
        address: "192.0.2.7",
        route: "PATCH /api/accounts/:id",
        action: "account.change",
        objectKind: "account",
        objectId: "team",
        accountId: "team",
        before: '{"name":"team"}',
        after: '{"name":"Team"}',
        times: 1,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(await database().audit.get(2)).toEqual(row ?? null);
      expect(await database().audit.head()).toEqual({ seq: 2, hash: row?.hash ?? "" });
    });

    test("what is asked for together is told apart, and what fails or changes nothing is not told", async () => {
      await account("team");
      const bob = { ...ann, id: anId(), name: "bob@example.com" };
      const { accounts, keys } = database();
      await Promise.allSettled([
        asAuthor(ann, () => accounts.change("team", { name: "by ann" })),
        asAuthor(bob, () => accounts.create({ id: "bobs", parentId: "nowhere", name: "x", createdMs: 0 })),
        asAuthor(bob, () => keys.create(aKey({ accountId: "team" }), null)),
        asAuthor(bob, () => accounts.change("team", { name: "by ann" })),
      ]);
      const told = (await database().audit.list({}, {})).data.map(({ actorName, action }) => `${actorName} ${action}`);
      expect(told).toEqual([
        "bob@example.com key.create",
        "ann@example.com account.change",
        "llm-proxy account.create",
      ]);
    });

    test("a key is told without its digest, and what looks like a secret is masked", async () => {
      const key = aKey({ name: `pasted sk-llmp-${"a".repeat(12)}-${"b".repeat(49)}` });
      await database().keys.create(key, aBudget({ scope: { kind: "key", id: key.id } }));
      const digest = `digest-${anId()}`;
      const secret = { digest, prefix: "sk-llmp-new", last4: "wxyz", imported: false };
      await database().keys.rotate(key.id, secret, clock().now(), clock().now());
      const all = JSON.stringify((await database().audit.list({}, {})).data);
      expect(all).toContain("key.rotate");
      expect(all).toContain("wxyz");
      for (const kept of [key.digest, digest, "b".repeat(10)]) expect(all).not.toContain(kept);
    });

    test("is found by actor, action, object and time, newest first, page after page", async () => {
      await account("a");
      clock().advance(10);
      await asAuthor(ann, () => account("b"));
      clock().advance(10);
      await asAuthor(ann, () => database().accounts.change("a", { name: "A" }));
      const found = async (filter: Parameters<Database["audit"]["list"]>[0]) =>
        (await database().audit.list(filter, {})).data.map(({ seq }) => seq);
      const [from, to] = [clock().now() - 10, clock().now()];
      expect(await found({})).toEqual([3, 2, 1]);
      expect(await found({ actor: ann.id ?? "" })).toEqual([3, 2]);
      expect(await found({ actor: "process" })).toEqual([1]);
      expect(await found({ action: "account.create" })).toEqual([2, 1]);
      expect(await found({ objectKind: "account", objectId: "a" })).toEqual([3, 1]);
      expect(await found({ from, to })).toEqual([2]);
      expect(await found({ from: to + 1 })).toEqual([]);
      const first = await database().audit.list({}, { limit: 2 });
      expect((await database().audit.list({}, { limit: 2, after: first.next })).data.map(({ seq }) => seq)).toEqual([
        1,
      ]);
    });

    test("of an account and those below it shows no other's, and neither place nor address of those above", async () => {
      await account("top");
      await account("a", "top");
      await account("a1", "a");
      await account("b");
      const [above, boss] = [
        { ...ann, accountId: "top" },
        { ...ann, accountId: "a" },
      ];
      await asAuthor(above, () => database().accounts.change("a1", { name: "from above" }));
      await asAuthor(boss, () => database().accounts.change("a1", { name: "from a" }));
      const { data } = await database().audit.list({ under: "a" }, {});
      expect(data.map(({ objectId, address, actorAccountId }) => [objectId, address, actorAccountId])).toEqual([
        ["a1", "192.0.2.7", "a"],
        ["a1", null, null],
        ["a1", null, null],
        ["a", null, null],
      ]);
      // With the fields beside it an address, which is left out, could be tried out.
      expect(data.map(({ hash }) => hash)).toEqual([null, null, null, null]);
      const [whole] = (await database().audit.list({ action: "account.change" }, { limit: 2 })).data.toReversed();
      expect(whole).toMatchObject({
        address: "192.0.2.7",
        actorAccountId: "top",
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect((await database().audit.list({ under: "b" }, {})).data.map(({ objectId }) => objectId)).toEqual(["b"]);
      expect(await database().audit.get(4, { under: "a" })).toBeNull();
      expect(await database().audit.get(4, { under: "b" })).toMatchObject({ hash: null });
    });

    test("of an account does not say from where something was moved to it, or where to", async () => {
      await account("a");
      await account("b");
      await account("b1", "b");
      await database().accounts.change("b1", { parentId: "a" });
      const moved = async (under?: string) => {
        const [row] = (await database().audit.list({ action: "account.change", ...(under && { under }) }, {})).data;
        return [row?.before, row?.after];
      };
      expect(await moved()).toEqual(['{"parentId":"b"}', '{"parentId":"a"}']);
      expect(await moved("a")).toEqual(['{"parentId":null}', '{"parentId":"a"}']);
      expect(await moved("b")).toEqual([undefined, undefined]);
    });

    test("is one chain, whose times never go back", async () => {
      await account("a");
      clock().advance(-1_000);
      for (const name of ["x", "y", "z"]) await database().accounts.change("a", { name });
      const { data } = await database().audit.list({}, {});
      expect(new Set(data.map(({ createdMs }) => createdMs))).toEqual(new Set([clock().now() + 1_000]));
      const head = await database().audit.head();
      expect(await database().audit.verify(emptyHead, 100)).toEqual({ through: head, broken: null, more: false });
      const part = await database().audit.verify(emptyHead, 3);
      expect(part).toMatchObject({ through: { seq: 3 }, broken: null, more: true });
      expect((await database().audit.verify(part.through, 3)).through).toEqual(head);
    });
  });
}
