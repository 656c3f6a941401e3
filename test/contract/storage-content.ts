import { describe, expect, test } from "bun:test";
import type { StoredContent } from "../../core/storage/content.ts";
import type { Database } from "../../core/storage/database.ts";
import type { FakeClock } from "./context.ts";
import { aKey, anId } from "./storage-samples.ts";

export interface ContentWorld {
  readonly database: () => Database;
  readonly clock: () => FakeClock;
  readonly restart: () => Promise<void>;
}

const unbounded = Number.MAX_SAFE_INTEGER;

/** What every `storage` plugin must do with prompts and answers that are kept. */
export function testContent({ database, clock, restart }: ContentWorld): void {
  const some = (changed: Partial<StoredContent> = {}): StoredContent => ({
    callId: anId(),
    keyId: null,
    accountId: "default",
    createdMs: clock().now(),
    sealed: crypto.getRandomValues(Buffer.alloc(100)),
    ...changed,
  });
  const write = async (changed: Partial<StoredContent> = {}, maxTotalBytes = unbounded) => {
    const content = some(changed);
    await database().content.write(content, maxTotalBytes);
    return content.callId;
  };
  const isThere = async (callId: string) => (await database().content.read(callId)) !== null;

  describe("storage contract: content", () => {
    test("is read as it was written, also after a restart, and once for each call", async () => {
      const content = some({ keyId: "key" });
      await database().content.write(content, unbounded);
      await database().content.write({ ...content, keyId: null }, unbounded);
      await restart();
      expect(await database().content.read(content.callId)).toEqual(content);
      expect(await database().content.read(anId())).toBeNull();
      expect(await database().content.size()).toEqual({ calls: 1, bytes: 100 });
    });

    test("settings are remembered, also after a restart, and null takes one back", async () => {
      const key = { kind: "key", id: "same" } as const;
      const account = { kind: "account", id: "same" } as const;
      const said = () => [key, account].map((owner) => database().content.setting(owner));
      expect([said(), database().content.isOnForSome()]).toEqual([[null, null], false]);
      await database().accounts.create(
        { id: "same", parentId: null, name: "A", createdMs: clock().now() },
        { content: "forbid" },
      );
      await database().keys.create(aKey({ id: "same" }), null, "on");
      expect([said(), database().content.isOnForSome()]).toEqual([["on", "forbid"], true]);
      await restart();
      expect([said(), database().content.isOnForSome()]).toEqual([["on", "forbid"], true]);
      await database().keys.change("same", { content: "off" });
      expect([said(), database().content.isOnForSome()]).toEqual([["off", "forbid"], false]);
      await database().keys.change("same", { content: null });
      await database().accounts.change("same", { content: null });
      await restart();
      expect(said()).toEqual([null, null]);
    });

    test("above the total, the oldest makes place, also of what was there before a restart", async () => {
      const calls: string[] = [];
      for (let at = 0; at < 10; at++) {
        calls.push(await write({ createdMs: clock().now() + at }, 500));
        if (at === 4) await restart();
      }
      expect(await database().content.size()).toEqual({ calls: 5, bytes: 500 });
      expect(await Promise.all(calls.map(isThere))).toEqual([...Array(5).fill(false), ...Array(5).fill(true)]);
      await write({ createdMs: clock().now() + 100, sealed: Buffer.alloc(501) }, 500);
      expect(await database().content.size()).toEqual({ calls: 0, bytes: 0 });
    });

    test("is removed by call, by age, by key, and by account with all below it", async () => {
      const { content, accounts, keys } = database();
      await accounts.create({ id: "team", parentId: "default", name: "Team", createdMs: clock().now() });
      await accounts.create({ id: "user", parentId: "team", name: "User", createdMs: clock().now() });
      const key = await keys.create(aKey({ accountId: "user" }), null);
      const old = await write({ createdMs: clock().now() - 10 });
      const one = await write();
      const ofKey = await write({ keyId: key.id, accountId: "user" });
      const ofUser = await write({ accountId: "user" });
      const ofTeam = await write({ accountId: "team" });
      const left = async () => {
        const all = { old, one, ofKey, ofUser, ofTeam };
        const there = await Promise.all(Object.values(all).map(isThere));
        return Object.keys(all).filter((_, at) => there[at]);
      };
      expect(await content.remove({ beforeMs: clock().now() })).toBe(1);
      expect(await left()).toEqual(["one", "ofKey", "ofUser", "ofTeam"]);
      expect([await content.remove({ callId: one }), await content.remove({ callId: one })]).toEqual([1, 0]);
      expect(await content.remove({ owner: { kind: "key", id: key.id } })).toBe(1);
      expect(await left()).toEqual(["ofUser", "ofTeam"]);
      expect(await content.remove({ owner: { kind: "account", id: "team" } })).toBe(2);
      expect(await content.size()).toEqual({ calls: 0, bytes: 0 });
    });

    test("many are removed a few at a time", async () => {
      await Promise.all(Array.from({ length: 130 }, () => write()));
      let removed = 0;
      let turns = 0;
      for (let now = -1; now !== 0; removed += now) {
        now = await database().content.remove({ beforeMs: clock().now() + 1 });
        turns += 1;
        expect(now).toBeLessThanOrEqual(100);
      }
      expect(removed).toBe(130);
      expect(turns).toBeGreaterThan(2);
    });
  });
}
