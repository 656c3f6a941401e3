import { afterEach, expect, test } from "bun:test";
import fc from "fast-check";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { readsOf } from "../../core/storage/reads.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { added, noSums, type WholeSum } from "../../core/storage/usage-sums.ts";
import { startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { addedUp, insertCall, insertNames, type RolledCall, rolledCall } from "./rollup-calls.ts";

const folder = temporaryFolder();
const clients: SqliteClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const dayMs = 86_400_000;
const today = Math.floor(startMs / dayMs) * dayMs;
const fields = ["key", "account", "model", "provider", "status", "day", "hour"] as const;

const asked = fc.record({
  calls: fc.array(rolledCall, { maxLength: 60 }),
  folded: fc.nat(60),
  firstDay: fc.integer({ min: -1, max: 3 }),
  days: fc.integer({ min: 1, max: 3 }),
  groupBy: fc.subarray([...fields], { minLength: 1, maxLength: 2 }),
  isCompared: fc.boolean(),
  most: fc.integer({ min: 0, max: 12 }),
  by: fc.constantFrom(undefined, "costNano" as const, "chargeNano" as const),
});

test("a ranking is the reports of both ranges beside one another: every group once, what is cut off summed", async () => {
  await fc.assert(
    fc.asyncProperty(asked, async ({ calls, folded, firstDay, days, groupBy, isCompared, most, by }) => {
      const reads = await readsWith(calls, folded);
      const from = today + firstDay * dayMs;
      const [range, before] = [
        { from, to: from + days * dayMs },
        { from: from - days * dayMs, to: from },
      ];
      const { rows, others, total } = await reads["calls.ranking"]({
        ...range,
        groupBy,
        most,
        ...(isCompared && { before }),
        ...(by !== undefined && { by }),
      });

      const now = addedUp(calls, range, groupBy);
      const earlier = isCompared ? later(addedUp(calls, before, groupBy), days * dayMs) : new Map<string, WholeSum>();
      const groups = new Set([...now.keys(), ...earlier.keys()]);
      expect(rows).toHaveLength(Math.min(most, groups.size));
      expect(others?.groups ?? 0).toBe(groups.size - rows.length);
      for (const row of rows) {
        const group = JSON.stringify(row.group);
        expect([group, groups.delete(group)]).toEqual([group, true]);
        expect(row.now).toEqual(now.get(group) ?? noSums);
        expect(row.before).toEqual(isCompared ? (earlier.get(group) ?? noSums) : null);
      }
      const spent = (sums: WholeSum | undefined) => sums?.[by ?? "costNano"] ?? 0;
      const shown = rows.map((row) => spent(now.get(JSON.stringify(row.group))));
      expect(shown).toEqual(shown.toSorted((left, right) => (left === right ? 0 : right > left ? 1 : -1)));
      for (const rest of groups) expect(spent(now.get(rest))).toBeLessThanOrEqual(shown.at(-1) ?? Infinity);

      const sum = (of: ReadonlyMap<string, WholeSum>, which: Iterable<string>) =>
        [...which].reduce((so, group) => added(so, of.get(group) ?? noSums), noSums);
      const both = (which: ReadonlySet<string>) => ({
        now: sum(now, which),
        before: isCompared ? sum(earlier, which) : null,
      });
      expect(others).toEqual(groups.size === 0 ? null : { groups: groups.size, ...both(groups) });
      expect(total).toEqual(both(new Set([...now.keys(), ...earlier.keys()])));
      expect(total.now).toEqual((await reads["calls.usage"]({ ...range, groupBy })).total);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("a ranking of an account is that with all below it", async () => {
  const call = fc.sample(rolledCall, { numRuns: 1, seed: 1 })[0];
  const reads = await readsWith(
    [1, 2, 3].map((account) => ({ ...(call as RolledCall), createdMs: startMs, account })),
    0,
  );
  const calls = async (under: string) =>
    (await reads["calls.ranking"]({ from: today, to: today + dayMs, groupBy: ["account"], most: 5, under })).total.now
      .calls;
  expect([await calls("team"), await calls("user"), await calls("nobody")]).toEqual([2, 1, 0]);
});

test("names of keys are those of the ids that there are", async () => {
  const reads = await readsWith([], 0);
  expect(reads["keys.names"](["key-3", "nobody", "key-1", "key-1"])).toEqual([
    { id: "key-1", name: "", accountId: "default" },
    { id: "key-3", name: "", accountId: "default" },
  ]);
  expect(reads["keys.names"]([])).toEqual([]);
});

async function readsWith(calls: readonly RolledCall[], folded: number) {
  const path = folder.file();
  await (await openAt(path)).close();
  const client = await openSqlite(path);
  clients.push(client);
  insertNames(client);
  // The third account is below the second.
  client.exec(
    "INSERT INTO account_lines (account_ref, ancestor_ref, distance, from_ms) VALUES (2, 2, 0, 0), (3, 3, 0, 0), (3, 2, 1, 0)",
  );
  for (const call of calls) insertCall(client, call);
  const database = sqliteDatabase(client);
  const fold = folded === 0 ? null : foldReader(database)({ calls: folded, groups: 1_000 });
  if (fold) rollupWriter(client, database).add(fold);
  return readsOf(client);
}

/** The same groups where days and hours are so much later. */
const later = (groups: ReadonlyMap<string, WholeSum>, shiftMs: number): ReadonlyMap<string, WholeSum> =>
  new Map(
    [...groups].map(([group, sums]) => {
      // What `addedUp` wrote.
      const values = JSON.parse(group) as Record<string, string | number | null>;
      for (const field of ["day", "hour"]) if (typeof values[field] === "number") values[field] += shiftMs;
      return [JSON.stringify(values), sums];
    }),
  );
