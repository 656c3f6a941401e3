import { beforeEach, describe, expect, test } from "bun:test";
import type { Awaitable, Json } from "llm-proxy/plugin";
import type { Database } from "../../core/storage/database.ts";
import { type FakeClock, fakeClock } from "./context.ts";
import { testAccounts } from "./storage-accounts.ts";
import { testAlerts } from "./storage-alerts.ts";
import { testAudit } from "./storage-audit.ts";
import { testBook } from "./storage-book.ts";
import { testCredentials } from "./storage-credentials.ts";
import { testLimits } from "./storage-limits.ts";
import { testBudgets } from "./storage-budgets.ts";
import { testContent } from "./storage-content.ts";
import { testCalls } from "./storage-calls.ts";
import { testCredits } from "./storage-credits.ts";
import { testLogins } from "./storage-logins.ts";
import { testPeople } from "./storage-people.ts";
import { aBudget, aKey, aSession, startMs } from "./storage-samples.ts";

export interface StorageContract {
  /** Opens a new store with nothing in it. */
  readonly open: (now: () => number) => Awaitable<Database>;
  /** Opens the store of the last `open` again, after it was closed: as the next process finds it. */
  readonly reopen: (now: () => number) => Awaitable<Database>;
}

/** What every `storage` plugin must do. Whatever it opened is left open: the plugin's own test clears up. */
export function testStorage({ open, reopen }: StorageContract): void {
  let clock: FakeClock;
  let database: Database;
  beforeEach(async () => {
    clock = fakeClock(startMs);
    database = await open(clock.now);
  });
  const restart = async () => {
    await database.close();
    database = await reopen(clock.now);
  };

  describe("storage contract: state of plugins", () => {
    test("what was set is got, as it was, also after a restart", async () => {
      const value = { list: [1, "two", null, { deep: true }], text: "ü\u0000😀" };
      await database.namespace("a").set("key", value);
      expect(await database.namespace("a").get("key")).toEqual(value);
      expect(await database.namespace("a").get("other")).toBeNull();
      await restart();
      expect(await database.namespace("a").get("key")).toEqual(value);
    });

    test("instances are apart", async () => {
      await database.namespace("a").set("key", 1);
      await database.namespace("b").add("key", 5);
      expect(await database.namespace("a").get("key")).toBe(1);
      expect(await database.namespace("b").get("key")).toBe(5);
    });

    test("a hundred adds at the same time all count", async () => {
      const space = database.namespace("a");
      const sums = await Promise.all(Array.from({ length: 100 }, () => space.add("count", 1)));
      expect(sums.map(Number).toSorted((left, right) => left - right)).toEqual(
        Array.from({ length: 100 }, (_, at) => at + 1),
      );
      expect(await space.get("count")).toBe(100);
    });

    test("what cannot be kept is refused, and takes nothing back", async () => {
      const space = database.namespace("a");
      // As plain JavaScript may.
      const odd = [undefined, () => 1, 5n] as unknown as Json[];
      const tries = odd.map((value) => space.set("odd", value));
      tries.push(Promise.resolve(space.add("odd", Number.NaN)).then(() => {}));
      const beside = space.set("beside", 1);
      for (const one of tries) await expect(Promise.resolve(one)).rejects.toThrow(TypeError);
      await beside;
      await space.set("text", "x");
      await expect(Promise.resolve(space.add("text", 1))).rejects.toThrow('"text" does not hold a number');
      expect([await space.get("odd"), await space.get("beside"), await space.get("text")]).toEqual([null, 1, "x"]);
    });

    test("add stops at the floor, and then changes nothing", async () => {
      const space = database.namespace("a");
      await space.set("credit", 10);
      expect(await space.add("credit", -10, { floor: 0 })).toBe(0);
      expect(await space.add("credit", -1, { floor: 0 })).toBeNull();
      expect(await space.get("credit")).toBe(0);
      const taken = await Promise.all(Array.from({ length: 20 }, () => space.add("fresh", -1, { floor: -5 })));
      expect(taken.filter((sum) => sum !== null)).toHaveLength(5);
    });

    test("what has outlived its time is gone, for get and for add", async () => {
      const space = database.namespace("a");
      await space.set("short", 7, { ttlMs: 1_000 });
      await space.add("sum", 7, { ttlMs: 1_000 });
      clock.advance(999);
      expect(await space.get("short")).toBe(7);
      clock.advance(1);
      expect(await space.get("short")).toBeNull();
      expect(await space.add("sum", 1)).toBe(1);
    });
  });

  describe("storage contract: settings, sessions, accounts, keys", () => {
    test("a setting is taken once, by who knows its value, of many at the same time", async () => {
      await database.settings.set("link", "secret");
      expect(await database.settings.take("link", "guess")).toBe(false);
      const taken = await Promise.all(Array.from({ length: 10 }, () => database.settings.take("link", "secret")));
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect(await database.settings.get("link")).toBeNull();
    });

    test("a session lives until it expires or is removed", async () => {
      const session = aSession({ expiresMs: startMs + 100 });
      await database.sessions.create("one", session);
      await database.sessions.create("two", session);
      await restart();
      const { personId: _, ...kept } = session;
      expect(await database.sessions.find("one", startMs + 99)).toEqual({ ...kept, digest: "one", person: null });
      expect(await database.sessions.find("one", startMs + 100)).toBeNull();
      await database.sessions.remove("two");
      expect(await database.sessions.find("two", startMs)).toBeNull();
    });

    test("the account default is there from the start, and is its own line", async () => {
      expect((await database.accounts.lineage("default", startMs)).map(({ id }) => id)).toEqual(["default"]);
      expect(await database.accounts.lineage("nobody", startMs)).toEqual([]);
      expect(await database.accounts.get("nobody")).toBeNull();
    });

    test("a key is found by its digest as it was made, and revoked once", async () => {
      const { digest, ...row } = aKey({
        models: ["a", "b*"],
        limits: { concurrency: 2 },
        cidrs: ["10.0.0.0/8"],
        expiresMs: startMs + 5,
      });
      const shown = { ...row, disabledMs: null, revokedMs: null, lastUsedMs: null };
      expect(await database.keys.create({ ...row, digest }, null)).toEqual(shown);
      await restart();
      expect(await database.keys.findByDigest(digest)).toEqual({ row: shown, untilMs: null });
      expect(await database.keys.findByDigest("another")).toBeNull();
      await database.keys.revoke(row.id, startMs + 1);
      expect((await database.keys.revoke(row.id, startMs + 2))?.revokedMs).toBe(startMs + 1);
      expect((await database.keys.findByDigest(digest))?.row.revokedMs).toBe(startMs + 1);
      expect(await database.keys.revoke("nobody", startMs)).toBeNull();
    });

    test("a key changes only in what is given, and comes back as it was changed", async () => {
      const { digest, ...row } = aKey({ models: ["a"], metadata: { owner: "me" } });
      await database.keys.create({ ...row, digest }, null);
      const change = {
        name: "other",
        models: "all" as const,
        operations: ["chat" as const],
        routes: ["/v1/*"],
        disabledMs: startMs + 1,
      };
      const changed = { ...row, ...change, revokedMs: null, lastUsedMs: null };
      expect(await database.keys.change(row.id, change)).toEqual(changed);
      await restart();
      expect(await database.keys.get(row.id)).toEqual(changed);
      expect(await database.keys.change(row.id, {})).toEqual(changed);
      expect(await database.keys.change("nobody", { name: "x" })).toBeNull();
    });

    test("a rotated key has a new secret, and the older ones until their time", async () => {
      const { digest, ...row } = aKey();
      await database.keys.create({ ...row, digest }, null);
      const secret = (n: number) => ({ digest: `${digest}-${n}`, prefix: `p${n}`, last4: `l${n}`, imported: false });
      const untilMs = startMs + 60_000;
      expect(await database.keys.rotate(row.id, secret(2), startMs, untilMs)).toMatchObject({ prefix: "p2" });
      expect(await database.keys.rotate(row.id, secret(3), startMs, untilMs + 5)).toMatchObject({ last4: "l3" });
      await restart();
      expect(await database.keys.findByDigest(digest)).toMatchObject({ row: { id: row.id }, untilMs });
      expect(await database.keys.findByDigest(`${digest}-2`)).toMatchObject({ untilMs: untilMs + 5 });
      expect(await database.keys.findByDigest(`${digest}-3`)).toMatchObject({ row: { prefix: "p3" }, untilMs: null });
      expect(await database.keys.olderSecrets(row.id, startMs)).toMatchObject([
        { prefix: "p2" },
        { prefix: row.prefix },
      ]);
      // No older one may outlive the grace of the newest.
      await database.keys.rotate(row.id, secret(4), startMs + 1, startMs + 1);
      for (const old of [digest, `${digest}-2`, `${digest}-3`])
        expect(await database.keys.findByDigest(old)).toBeNull();
      await database.keys.revoke(row.id, startMs + 2);
      expect(() => database.keys.rotate(row.id, secret(5), startMs, startMs)).toThrow("revoked");
      expect(await database.keys.rotate("nobody", secret(6), startMs, startMs)).toBeNull();
    });

    test("no two keys have one secret, also not one that another key had", async () => {
      const { digest, ...row } = aKey();
      await database.keys.create({ ...row, digest }, null);
      await database.keys.rotate(row.id, { ...row, digest: `${digest}-2` }, startMs, startMs + 1_000);
      for (const taken of [digest, `${digest}-2`])
        expect(() => database.keys.create(aKey({ digest: taken }), null)).toThrow("already");
    });

    test("whether there are imported keys is known", async () => {
      const before = database.keys.hasImported();
      await database.keys.create(aKey({ imported: true }), null);
      expect(database.keys.hasImported()).toBe(true);
      await restart();
      expect([before, database.keys.hasImported()]).toEqual([false, true]);
    });

    test("a key and its budget are made together or not at all", async () => {
      const key = aKey();
      const budget = aBudget({ scope: { kind: "key", id: key.id } });
      await database.keys.create(key, budget);
      // Its digest exists already, so the key cannot be made, and its budget must not be.
      const second = aKey({ digest: key.digest });
      const lost = aBudget({ scope: { kind: "key", id: second.id } });
      expect(await failure(() => database.keys.create(second, lost))).not.toBeNull();
      expect(await database.budgets.get(budget.id)).toMatchObject({ limitNano: 1_000, spentNano: 0, heldNano: 0 });
      expect(await database.budgets.get(lost.id)).toBeNull();
      expect(await database.budgets.inScope([lost.scope])).toBe("none");
    });

    test("a key for an account that does not exist is refused", async () => {
      const error = await failure(() => database.keys.create(aKey({ accountId: "nobody" }), null));
      expect(error).toMatchObject({ kind: "not-found" });
    });
  });

  testPeople(() => database, restart);
  testLogins(() => database, restart);
  testAccounts({ database: () => database, restart, advance: (ms) => clock.advance(ms), now: () => clock.now() });
  testBudgets({ database: () => database, restart, advance: (ms) => clock.advance(ms), now: () => clock.now() });
  testAlerts({ database: () => database, restart, advance: (ms) => clock.advance(ms), now: () => clock.now() });
  testCredits({ database: () => database, restart, advance: (ms) => clock.advance(ms), now: () => clock.now() });
  testCalls({ database: () => database, restart });
  testContent({ database: () => database, clock: () => clock, restart });
  testBook({ database: () => database, clock: () => clock, restart });
  testCredentials({ database: () => database, restart });
  testLimits({ database: () => database, clock: () => clock, restart });
  testAudit({ database: () => database, clock: () => clock, restart });
}

async function failure(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    return error;
  }
}
