import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import type { CallFilter } from "../../core/storage/database.ts";
import { prove } from "../../core/storage/prove.ts";
import { readsOf } from "../../core/storage/reads.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { insertCall, insertNames, instant, labels, type RolledCall, rolledCall } from "./rollup-calls.ts";

const folder = temporaryFolder();
/** Some blocks, the last of them not full. */
const stored = 900;

describe("lists through blocks", () => {
  test("show what looking through every call shows, page for page, however much is folded", async () => {
    const subject = await started();
    const all = fc.sample(rolledCall, { numRuns: stored, seed: 7 }).map((call, at) => ({ ...call, seq: at + 1 }));
    for (const [at, call] of all.entries()) {
      insertCall(subject.client, call);
      if (at % 7 === 0 && at < stored - 60) subject.fold(at % 3 === 0 ? 40 : 3);
    }
    expect(subject.folded()).toBeGreaterThan(512);
    expect(subject.folded()).toBeLessThan(stored);
    fc.assert(
      fc.property(filters, fc.integer({ min: 1, max: 60 }), (filter, limit) => {
        const expected = all.filter((call) => fits(call, filter)).toReversed();
        expect(subject.walk(filter, limit)).toEqual(expected.map(({ seq }) => seq));
      }),
      { numRuns: 300 },
    );
    subject.client.close();
  });

  test("find each key's last use, in blocks or in none", async () => {
    const subject = await started();
    const all = fc.sample(rolledCall, { numRuns: 700, seed: 8 });
    // The first key is not used any more when the last folds come.
    const calls = all.map((call, at) => (call.key === 1 && at > 300 ? { ...call, key: 2 } : call));
    for (const [at, call] of calls.entries()) {
      insertCall(subject.client, call);
      if (at % 100 === 99 && at < 650) while (subject.fold(1_000));
      if (at % 50 !== 0) continue;
      const keys = subject.reads["keys.list"]({}).data;
      for (const { id, lastUsedMs } of keys) {
        const newest = calls.slice(0, at + 1).findLast(({ key }) => `key-${key}` === id)?.createdMs ?? null;
        expect([at, id, lastUsedMs]).toEqual([at, id, newest]);
        expect(subject.reads["keys.get"](id)?.lastUsedMs).toBe(newest);
      }
    }
    subject.client.close();
  });

  test("a call that is missing in them is told by the proof", async () => {
    const subject = await started();
    for (const call of fc.sample(rolledCall, { numRuns: 20, seed: 9 })) insertCall(subject.client, call);
    const wrong = () => prove(subject.client).filter(({ ok, name }) => !ok && name.startsWith("each folded call"));
    subject.fold(100);
    expect(wrong()).toEqual([]);
    subject.client.exec("DELETE FROM call_blocks WHERE field = 'model' AND ref = 1");
    expect(wrong()).toHaveLength(1);
    subject.client.close();
  });
});

const filters: fc.Arbitrary<CallFilter> = fc
  .record(
    {
      key: fc.constantFrom("key-1", "key-2", "key-3", "nobody"),
      account: fc.constantFrom("default", "team", "user"),
      model: fc.constantFrom("fast", "smart", "a/b"),
      provider: fc.constantFrom("one", "two"),
      status: fc.constantFrom("ok", "client_aborted", "upstream_error", "refused"),
      from: instant,
      to: instant,
    },
    { requiredKeys: [] },
  )
  // The columns are declared so; fast-check widens them.
  .map((filter) => filter as CallFilter);

const accountIds = ["default", "team", "user"];

const fits = (call: RolledCall, { key, account, model, provider, status, from, to }: CallFilter): boolean =>
  (key === undefined || `key-${call.key}` === key) &&
  (account === undefined || accountIds[call.account - 1] === account) &&
  (model === undefined || labels[call.model - 1] === model) &&
  (provider === undefined || (call.provider !== null && labels[call.provider - 1] === provider)) &&
  (status === undefined || call.status === status) &&
  (from === undefined || call.createdMs >= from) &&
  (to === undefined || call.createdMs < to);

async function started() {
  const path = folder.file();
  await (await openAt(path)).close();
  const client = await openSqlite(path);
  client.exec("PRAGMA synchronous = OFF");
  const database = sqliteDatabase(client);
  insertNames(client);
  const reads = readsOf(client);
  const next = foldReader(database);
  const writer = rollupWriter(client, database);
  const seqOf = client.prepare("SELECT seq FROM calls WHERE id = ?");
  return {
    client,
    reads,
    fold(calls: number): boolean {
      const fold = next({ calls, groups: 1_000 });
      return fold !== null && writer.add(fold);
    },
    folded: () => Number(client.prepare("SELECT seq FROM watermarks WHERE name = 'blocks'").values()[0]?.[0] ?? 0),
    /** Every page of the list, as numbers of calls. */
    walk(filter: CallFilter, limit: number): number[] {
      const seen: number[] = [];
      for (let after: string | null = null; ;) {
        const { data, next: cursor } = listed({ after, limit });
        seen.push(...data.map(({ callId }) => Number(seqOf.values(callId)[0]?.[0])));
        if (cursor === null) return seen;
        after = cursor;
      }
      function listed(query: { readonly after: string | null; readonly limit: number }) {
        const page = reads["calls.list"](filter, query);
        if (page instanceof Promise) throw new Error("answers at once");
        return page;
      }
    },
  };
}
