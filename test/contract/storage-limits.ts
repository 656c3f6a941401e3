import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { type LimitRow, maxLimitsOnScope } from "../../core/storage/limit.ts";
import type { FakeClock } from "./context.ts";
import { anId } from "./storage-samples.ts";

export interface LimitWorld {
  readonly database: () => Database;
  readonly clock: () => FakeClock;
  readonly restart: () => Promise<void>;
}

/** What every `storage` plugin must do with limits that were set. */
export function testLimits({ database, clock, restart }: LimitWorld): void {
  const aRow = (changed: Partial<LimitRow> = {}): LimitRow => ({
    id: anId(),
    scope: { kind: "account", id: "default" },
    limits: { requestsPerMinute: 60, usdPerDay: "2.5" },
    enforce: true,
    createdMs: clock().now(),
    ...changed,
  });

  describe("storage contract: limits", () => {
    test("what was set is there as it was, oldest first, also after a restart", async () => {
      const before = database().limits.all().length;
      const rows = [aRow(), aRow({ scope: { kind: "ip", id: null }, enforce: false })];
      for (const row of rows) expect(await database().limits.create(row)).toEqual(row);
      expect(database().limits.all().slice(before)).toEqual(rows);
      await restart();
      expect(database().limits.all().slice(before)).toEqual(rows);
    });

    test("a change replaces what it names, and stays", async () => {
      const row = await database().limits.create(aRow());
      const limits = { concurrency: 3 };
      expect(await database().limits.change(row.id, { limits })).toEqual({ ...row, limits });
      expect(await database().limits.change(row.id, { enforce: false })).toEqual({ ...row, limits, enforce: false });
      await restart();
      expect(database().limits.all()).toContainEqual({ ...row, limits, enforce: false });
      expect(await database().limits.change(anId(), { limits })).toBeNull();
    });

    test("what was removed is gone, once", async () => {
      const row = await database().limits.create(aRow());
      expect(await database().limits.remove(row.id)).toBe(true);
      expect(await database().limits.remove(row.id)).toBe(false);
      await restart();
      expect(
        database()
          .limits.all()
          .map(({ id }) => id),
      ).not.toContain(row.id);
    });

    test("one scope takes so many of those that come at once, and one more when one is removed", async () => {
      const scope = { kind: "key", id: anId() } as const;
      const create = () => database().limits.create(aRow({ scope }));
      const tries = await Promise.allSettled(Array.from({ length: maxLimitsOnScope + 5 }, create));
      const made = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value.id] : []));
      expect(made).toHaveLength(maxLimitsOnScope);
      await expect(create()).rejects.toMatchObject({ kind: "conflict" });
      await database().limits.create(aRow({ scope: { ...scope, id: anId() } }));
      await database().limits.create(aRow({ scope: { ...scope, kind: "account" } }));
      await database().limits.remove(made[0] ?? "");
      await create();
      await restart();
      await expect(create()).rejects.toMatchObject({ kind: "conflict" });
    });

    test("the list is the same array as long as nothing changes", async () => {
      const before = database().limits.all();
      expect(database().limits.all()).toBe(before);
      await database().limits.create(aRow());
      expect(database().limits.all()).not.toBe(before);
    });
  });
}
