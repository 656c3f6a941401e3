import { describe, expect, test } from "bun:test";
import type { NewBookEntry } from "../../core/storage/book.ts";
import type { Database } from "../../core/storage/database.ts";
import type { FakeClock } from "./context.ts";
import { anId } from "./storage-samples.ts";

export interface BookWorld {
  readonly database: () => Database;
  readonly clock: () => FakeClock;
  readonly restart: () => Promise<void>;
}

/** What every `storage` plugin must do with prices that were set. */
export function testBook({ database, clock, restart }: BookWorld): void {
  const aPrice = (changed: { readonly effectiveMs?: number | null } = {}): NewBookEntry => ({
    id: anId(),
    kind: "price",
    target: "lab/*",
    prices: { input: "0.10", output: "2", contextTiers: [{ above: 5, input: "0.2" }] },
    effectiveMs: null,
    author: "somebody",
    ...changed,
  });
  const failure = (work: () => unknown): Promise<unknown> =>
    Promise.try(work).then(
      () => null,
      (error: unknown) => error,
    );

  describe("storage contract: prices that were set", () => {
    test("what was added is there as it was, oldest first, also after a restart", async () => {
      const first = await database().book.add(aPrice());
      const terms = await database().book.add({
        id: anId(),
        kind: "charge",
        account: "default",
        target: "*",
        terms: { margin: "20", fee: "0.001" },
        effectiveMs: clock().now() + 5_000,
        author: "somebody",
      });
      const withdrawn = await database().book.add({ ...aPrice(), kind: "price", prices: null });
      expect(database().book.entries()).toEqual([first, terms, withdrawn]);
      await restart();
      expect(database().book.entries()).toEqual([first, terms, withdrawn]);
      expect(terms).toMatchObject({
        account: "default",
        terms: { margin: "20", fee: "0.001" },
        createdMs: clock().now(),
      });
    });

    test("one holds from after now on: a call that has ended by now keeps its price", async () => {
      const made = await database().book.add(aPrice());
      expect(made.effectiveMs).toBeGreaterThan(clock().now());
      expect(made.effectiveMs).toBeLessThanOrEqual(clock().now() + 1);
      const ahead = await database().book.add(aPrice({ effectiveMs: clock().now() + 1 }));
      expect(ahead.effectiveMs).toBe(clock().now() + 1);
      for (const effectiveMs of [clock().now(), clock().now() - 1, 0])
        expect(await failure(() => database().book.add(aPrice({ effectiveMs })))).toMatchObject({
          kind: "invalid-request",
        });
      expect(database().book.entries()).toEqual([made, ahead]);
    });

    test("only what is not in effect yet can be taken back", async () => {
      const { id, effectiveMs } = await database().book.add(aPrice({ effectiveMs: clock().now() + 1_000 }));
      const other = await database().book.add(aPrice({ effectiveMs: clock().now() + 500 }));
      expect(await database().book.remove(id)).toBe("removed");
      expect(await database().book.remove(id)).toBe("unknown");
      clock().advance(effectiveMs - 500 - clock().now());
      expect(await database().book.remove(other.id)).toBe("effective");
      await restart();
      expect(database().book.entries()).toEqual([other]);
    });

    test("targets without a price are counted, the latest first, and the oldest of too many are forgotten", async () => {
      const { book } = database();
      for (const model of ["a", "b", "a"]) {
        clock().advance(1);
        await book.countUnpriced("lab", model);
      }
      expect(await book.unpriced()).toEqual([
        { provider: "lab", model: "a", asked: 2, lastMs: clock().now() },
        { provider: "lab", model: "b", asked: 1, lastMs: clock().now() - 1 },
      ]);
      clock().advance(1);
      await Promise.all(Array.from({ length: 999 }, (_, at) => book.countUnpriced("lab", `invented-${at}`)));
      const rows = await book.unpriced();
      expect(rows).toHaveLength(1_000);
      expect(rows.at(-1)).toMatchObject({ model: "a" });
    });
  });
}
