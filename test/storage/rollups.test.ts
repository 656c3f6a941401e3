import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { GroupField } from "../../core/storage/database.ts";
import { prove } from "../../core/storage/prove.ts";
import { type Reads, readsOf } from "../../core/storage/reads.ts";
import { groupCommit } from "../../core/storage/group-commit.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupLoop } from "../../core/storage/rollup-loop.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { watermarkOf } from "../../core/storage/watermarks.ts";
import { aFinal, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";
import { addedUp, insertCall, insertNames, instant, type RolledCall, rolledCall, tookAtMost } from "./rollup-calls.ts";

const folder = temporaryFolder();
const fields: readonly GroupField[] = ["key", "account", "model", "provider", "status", "day", "hour", "label:team"];

type Step =
  | { readonly kind: "calls"; readonly calls: readonly RolledCall[] }
  | { readonly kind: "fold" | "lost fold"; readonly calls: number; readonly groups: number }
  | { readonly kind: "report"; readonly from: number; readonly to: number; readonly groupBy: readonly GroupField[] }
  | { readonly kind: "restart" };

const foldSizes = { calls: fc.integer({ min: 1, max: 12 }), groups: fc.integer({ min: 1, max: 8 }) };
const report = fc
  .record({
    kind: fc.constant("report" as const),
    from: fc.oneof(instant, fc.constant(0)),
    to: fc.oneof(instant, fc.constant(Number.MAX_SAFE_INTEGER)),
    groupBy: fc.subarray([...fields], { maxLength: 3 }),
  })
  .map((step) => ({ ...step, from: Math.min(step.from, step.to), to: Math.max(step.from, step.to) }));
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("calls" as const),
        calls: fc.array(rolledCall, { minLength: 1, maxLength: 20 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("fold" as const), ...foldSizes }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("lost fold" as const), ...foldSizes }) },
    { weight: 6, arbitrary: report },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  ),
  { minLength: 1, maxLength: 40, size: "max" },
);

describe("rollups", () => {
  test("reports are what adding up every call gives, however much is folded, after restarts and lost folds too", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const subject = await started();
        const calls: RolledCall[] = [];
        for (const step of all)
          switch (step.kind) {
            case "calls":
              for (const call of step.calls) insertCall(subject.client, call);
              calls.push(...step.calls);
              break;
            case "fold":
              subject.fold(step);
              break;
            case "lost fold":
              expect(() => subject.fold(step, true)).toThrow("killed");
              break;
            case "report":
              await reported(subject.reads, calls, step);
              break;
            case "restart":
              await subject.restart();
          }
        for (const field of fields)
          await reported(subject.reads, calls, { from: 0, to: Number.MAX_SAFE_INTEGER, groupBy: [field] });
        subject.provesClean();
        while (subject.fold({ calls: 10, groups: 10 }));
        subject.provesClean();
        for (const field of fields)
          await reported(subject.reads, calls, { from: 0, to: Number.MAX_SAFE_INTEGER, groupBy: [field] });
        const ofKeys = (key?: string) =>
          subject.reads["calls.usage"]({
            from: 0,
            to: Number.MAX_SAFE_INTEGER,
            groupBy: key === undefined ? ["key"] : [],
            ...(key !== undefined && { key }),
          });
        for (const { group, ...row } of (await ofKeys()).data)
          if (typeof group.key === "string") expect((await ofKeys(group.key)).total).toEqual(row);
        expect((await ofKeys("nobody")).total.calls).toBe(0);
        subject.client.close();
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  test("a fold counts once: made twice from the same calls, the second does nothing", async () => {
    const subject = await started();
    insertCall(subject.client, fc.sample(rolledCall, { numRuns: 1, seed: 1 })[0] ?? never());
    const fold = foldReader(subject.database)({ calls: 10, groups: 10 }) ?? never();
    expect(subject.writer.add(fold)).toBe(true);
    expect(subject.writer.add(fold)).toBe(false);
    subject.provesClean();
    expect(foldReader(subject.database)({ calls: 10, groups: 10 })).toBeNull();
    subject.client.close();
  });

  test("a fold of more money than a number holds is made of smaller ones, and loses none of it", async () => {
    const subject = await started();
    const sample = fc.sample(rolledCall, { numRuns: 1, seed: 1 })[0] ?? never();
    const costly = { ...sample, costNano: 5e15 + 1, chargeNano: 5e15 + 1 };
    // Of one group, and of several that the totals have as one.
    const calls = Array.from({ length: 9 }, (_, at) => ({ ...costly, account: at < 6 ? 1 : at - 5 }));
    for (const call of calls) insertCall(subject.client, call);
    while (subject.fold({ calls: 100, groups: 100 }));
    for (const groupBy of [[], ["account"], ["model"]] as const)
      await reported(subject.reads, calls, { from: 0, to: Number.MAX_SAFE_INTEGER, groupBy });
    subject.provesClean();
    subject.client.close();
  });

  test("a fold is as small as asked for, and one call at least", async () => {
    const subject = await started();
    for (const call of fc.sample(rolledCall, { numRuns: 64, seed: 2 })) insertCall(subject.client, call);
    const fold = foldReader(subject.database)({ calls: 1_000, groups: 5 }) ?? never();
    expect(fold.usage.length).toBeLessThanOrEqual(5);
    expect(fold.more).toBe(true);
    expect(foldReader(subject.database)({ calls: 1_000, groups: 0 })).toMatchObject({ from: 0, through: 1 });
    expect(foldReader(subject.database)({ calls: 64, groups: 1_000 })).toMatchObject({ through: 64, more: false });
    subject.client.close();
  });

  test.each(["totals_hourly", "totals_daily", "usage_hourly", "usage_daily"])("a lie in %s is found", async (table) => {
    const subject = await started();
    for (const call of fc.sample(rolledCall, { numRuns: 8, seed: 3 })) insertCall(subject.client, call);
    subject.fold({ calls: 100, groups: 100 });
    subject.client.exec(`UPDATE ${table} SET charge_nano = charge_nano + 1`);
    const wrong = prove(subject.client).filter(({ ok, name }) => !ok && name.startsWith("the rollups"));
    expect(wrong.map(({ detail }) => detail)).toEqual(["1 of the rollup tables differ"]);
    subject.client.close();
  });

  test("a serving database folds by itself, and its reports are exact before, meanwhile and after", async () => {
    const path = folder.file();
    const database = await openSqliteDatabase({
      path,
      synchronous: "normal",
      now: () => startMs,
      onBackup: () => {},
      threads: { onDeath: never, afterMs: 0, foldEveryMs: 1 },
    });
    const total = async () => (await database.calls.usage({ from: 0, to: startMs * 2, groupBy: [] })).total;
    for (let made = 1; made <= 50; made++) {
      const call = anAdmission({ startedMs: startMs + made * 60_000 });
      await database.ledger.admit(call);
      await database.ledger.finish(aFinal(call.callId, { finishedMs: startMs + made * 60_000 + 300 }));
      await database.ledger.refuse(aRefusal({ startedMs: startMs + made * 60_000 }));
      expect(await total()).toMatchObject({ calls: made * 2, errors: made, chargeNano: made * 50 });
    }
    await until("all is folded", () => folded(path) === 100);
    expect(await total()).toMatchObject({ calls: 100, errors: 50, chargeNano: 2_500, inputTokens: 500 });
    expect(await database.calls.latency({ from: 0, to: startMs * 2 })).toEqual({
      durationMs: { p50: 300, p95: 300, p99: 300 },
      ttftMs: { p50: 20, p95: 20, p99: 20 },
    });
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await database.close();
  });

  test("statements that could not be built once are built again: the rollups do not stay behind for ever", async () => {
    const subject = await started();
    for (const call of fc.sample(rolledCall, { numRuns: 8, seed: 4 })) insertCall(subject.client, call);
    const nextFold = foldReader(subject.database);
    let tries = 0;
    const loop = rollupLoop({
      writer: groupCommit(subject.client, { beforeCommit() {}, afterRollback() {} }),
      rollups: {
        ...subject.writer,
        async prepare() {
          tries += 1;
          if (tries === 1) throw new Error("disk I/O error");
          await subject.writer.prepare();
        },
      },
      next: async (size) => nextFold(size),
      changes: () => tries,
      everyMs: 1,
    });
    await until("all is folded", () => watermarkOf(subject.database, "rollups") === 8);
    loop.stop();
    expect(tries).toBe(2);
    subject.provesClean();
    subject.client.close();
  });
});

const folded = (path: string) =>
  rowsOf<{ seq: number }>(path, "SELECT seq FROM watermarks WHERE name = 'rollups'")[0]?.seq ?? 0;

async function reported(
  reads: Reads,
  calls: readonly RolledCall[],
  { from, to, groupBy }: { readonly from: number; readonly to: number; readonly groupBy: readonly GroupField[] },
) {
  const { data, total } = await reads["calls.usage"]({ from, to, groupBy });
  const expected = addedUp(calls, { from, to }, groupBy);
  const found = new Map(data.map(({ group, ...sums }) => [JSON.stringify(group), sums]));
  expect(found.size).toBe(data.length);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  expect(total).toMatchObject({ calls: [...expected.values()].reduce((so, sums) => so + sums.calls, 0) });

  const { durationMs } = await reads["calls.latency"]({ from, to });
  for (const [quantile, part] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const longest = tookAtMost(calls, { from, to }, part);
    if (longest === null) expect(durationMs).toBeNull();
    else if (longest > 3_600_000) expect(durationMs?.[quantile]).toBeNull();
    else {
      // The bucket's upper bound: not below it, and not a bucket too high.
      const bound = durationMs?.[quantile] ?? Number.NaN;
      expect(bound).toBeGreaterThanOrEqual(longest);
      expect(bound).toBeLessThanOrEqual(Math.max(longest * 6, 5));
    }
  }
}

async function started() {
  const path = folder.file();
  await (await openAt(path)).close();
  let parts = await opened(path);
  insertNames(parts.client);
  return {
    get client() {
      return parts.client;
    },
    get database() {
      return parts.database;
    },
    get reads() {
      return parts.reads;
    },
    get writer() {
      return parts.writer;
    },
    /** Whether there was anything to fold. A lost one dies before its commit. */
    fold(size: { readonly calls: number; readonly groups: number }, lost = false): boolean {
      const fold = foldReader(parts.database)(size);
      parts.client
        .transaction(() => {
          if (fold) expect(parts.writer.add(fold)).toBe(true);
          if (lost) throw new Error("killed");
        })
        .immediate();
      return fold !== null;
    },
    async restart() {
      parts.client.close();
      parts = await opened(path);
    },
    /** What the rows of this test can be held to: they have no ledger. */
    provesClean() {
      const rolled = prove(parts.client).filter(({ name }) => name.startsWith("the rollups"));
      expect(rolled.map(({ ok }) => ok)).toEqual([true]);
    },
  };
}

async function opened(path: string) {
  const client: SqliteClient = await openSqlite(path);
  client.exec("PRAGMA synchronous = OFF");
  const database = sqliteDatabase(client);
  return { client, database, reads: readsOf(client), writer: rollupWriter(client, database) };
}

function never(): never {
  throw new Error("this must not happen");
}
