import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { AttemptOutcome, AttemptReport, AttemptSums } from "../../core/storage/attempts.ts";
import { attemptReports } from "../../core/storage/repositories/attempt-report.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { planOf, recording, scannedTables } from "./scans.ts";

/** Charts of attempts against adding every attempt up, however much of the calls is folded. */
const folder = temporaryFolder();
const hourMs = 3_600_000;
const nowMs = 1_800_000_000_000 + 25 * 60_000 + 7_000;
const names = ["one", "two", "a", "b"];

interface Try {
  readonly provider: number;
  readonly model: number;
  readonly status: number | null;
}
interface Tried {
  readonly ageMs: number;
  readonly status: "ok" | "client_aborted" | "upstream_error" | "shutdown" | "refused";
  readonly ttftMs: number | null;
  readonly tries: readonly Try[];
}

const aTry: fc.Arbitrary<Try> = fc.record({
  provider: fc.integer({ min: 1, max: 2 }),
  model: fc.integer({ min: 3, max: 4 }),
  status: fc.constantFrom(null, 200, 200, 400, 401, 429, 503),
});
const tried: fc.Arbitrary<Tried> = fc.record({
  ageMs: fc.oneof(fc.nat(2 * hourMs), fc.nat(9 * 24 * hourMs), fc.nat(70_000)),
  status: fc.constantFrom("ok", "ok", "client_aborted", "upstream_error", "shutdown", "refused"),
  ttftMs: fc.option(fc.oneof(fc.nat(3_000), fc.nat(90_000))),
  tries: fc.array(aTry, { maxLength: 3 }),
});

let path: string;
beforeAll(async () => {
  path = folder.file();
  await (await openAt(path)).close();
});
let client: SqliteClient | null = null;
afterAll(() => client?.close());

async function started() {
  client ??= await openSqlite(path);
  client.exec("PRAGMA synchronous = OFF");
  const opened = client;
  for (const table of ["calls", "attempts", "attempts_hourly", "watermarks", "call_blocks", "labels", "usage_hourly"])
    opened.exec(`DELETE FROM ${table}`);
  names.forEach((name, at) => opened.prepare("INSERT INTO labels (ref, text) VALUES (?, ?)").run(at + 1, name));
  const database = sqliteDatabase(opened);
  let seq = 0;
  return {
    client: opened,
    reports: attemptReports(database),
    insert(calls: readonly Tried[]) {
      for (const { ageMs, status, ttftMs, tries } of calls) {
        const [first = null] = tries;
        seq += 1;
        opened
          .prepare(
            `INSERT INTO calls (seq, id, created_ms, finished_ms, account_ref, principal_ref, dialect_ref, operation_ref, model_ref,
              provider_ref, upstream_model_ref, status, source, stream, ttft_ms, held_nano, attempt_count, upstream_status)
             VALUES (?, ?, ?, ?, 1, 1, 1, 1, 1, ?, ?, ?, 'none', 0, ?, 0, ?, ?)`,
          )
          .run(
            seq,
            crypto.randomUUID(),
            nowMs - ageMs,
            nowMs - ageMs + 10,
            tries.at(-1)?.provider ?? null,
            tries.at(-1)?.model ?? null,
            status,
            ttftMs,
            tries.length,
            tries.length === 1 ? (first?.status ?? null) : null,
          );
        if (tries.length > 1)
          tries.forEach((one, at) =>
            opened
              .prepare(
                "INSERT INTO attempts (call_seq, n, provider_ref, upstream_model_ref, status, billed) VALUES (?, ?, ?, ?, ?, 0)",
              )
              .run(seq, at + 1, one.provider, one.model, one.status),
          );
      }
    },
    fold(calls: number) {
      const fold = foldReader(database)({ calls, groups: 1_000 });
      if (fold) opened.transaction(() => void rollupWriter(opened, database).add(fold)).immediate();
    },
  };
}

const outcomeIn = (call: Tried, at: number): AttemptOutcome | null => {
  const status = call.tries[at]?.status ?? null;
  const isLast = at === call.tries.length - 1;
  if (isLast && call.status === "ok") return "ok";
  if (isLast && call.status === "client_aborted") return "left";
  if (isLast && call.status !== "upstream_error") return null;
  return status === 429 ? "limited" : status === 400 ? "refused" : "failed";
};

const bounds = [20, 50, 100, 200, 350, 500, 750, 1_000, 1_500, 2_500, 5_000, 10_000, 20_000, 60_000];

/** Of the tries that `wants`, of calls admitted in `[from, to)`. */
function addedUp(calls: readonly Tried[], from: number, to: number, wants: (one: Try) => boolean): AttemptSums {
  const sums = { ok: 0, failed: 0, limited: 0, refused: 0, left: 0 };
  const took: number[] = [];
  for (const call of calls) {
    const createdMs = nowMs - call.ageMs;
    if (createdMs < from || createdMs >= to) continue;
    call.tries.forEach((one, at) => {
      const outcome = wants(one) ? outcomeIn(call, at) : null;
      if (outcome === null) return;
      sums[outcome] += 1;
      if (outcome === "ok" && call.tries.length === 1 && call.ttftMs !== null) took.push(call.ttftMs);
    });
  }
  took.sort((left, right) => left - right);
  const at = (part: number) => {
    const ms = took[Math.ceil(took.length * part) - 1] ?? 0;
    return bounds.find((bound) => ms <= bound) ?? null;
  };
  return { ...sums, firstByteMs: took.length === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99) } };
}

function expected(calls: readonly Tried[], over: "hour" | "day" | "week", model?: number) {
  const [stepMs, steps, endMs] = {
    hour: [60_000, 60, Math.floor(nowMs / 60_000) * 60_000 + 60_000],
    day: [hourMs, 24, Math.floor(nowMs / hourMs) * hourMs + hourMs],
    week: [4 * hourMs, 42, Math.floor(nowMs / hourMs) * hourMs + hourMs],
  }[over] as [number, number, number];
  const fromMs = endMs - steps * stepMs;
  const isOne = ({ provider, model: own }: Try) => provider === 1 && (model === undefined || own === model);
  return {
    stepMs,
    steps: Array.from({ length: steps }, (_, at) => {
      const startMs = fromMs + at * stepMs;
      return { startMs, ...addedUp(calls, startMs, startMs + stepMs, isOne) };
    }),
    models: [3, 4]
      .map((own) => ({
        model: names[own - 1] ?? "",
        ...addedUp(calls, fromMs, endMs, (one) => one.provider === 1 && one.model === own),
      }))
      .filter((sums) => sums.ok + sums.failed + sums.limited + sums.refused + sums.left > 0),
    total: addedUp(calls, fromMs, endMs, isOne),
  };
}

describe("reports of attempts", () => {
  test("are what adding up every attempt gives, however much is folded, by provider and by model", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(tried, { maxLength: 40, size: "max" }),
        fc.nat(30),
        fc.nat(30),
        async (calls, ...folds) => {
          const subject = await started();
          subject.insert(calls);
          for (const size of folds) if (size > 0) subject.fold(size);
          for (const over of ["hour", "day", "week"] as const)
            for (const model of [undefined, 3, 4]) {
              const report = await subject.reports.report({
                provider: "one",
                over,
                nowMs,
                ...(model !== undefined && { model: names[model - 1] ?? "" }),
              });
              const { models, ...rest } = expected(calls, over, model);
              expect(report).toMatchObject({ ...rest, moreModels: false, sinceMs: null });
              expect(report.models.toSorted(byName)).toEqual(models);
            }
          const day = Math.floor(nowMs / hourMs) * hourMs + hourMs;
          expect(await subject.reports.lastDay(["one", "two", "nobody"], nowMs)).toEqual(
            new Map([
              ["one", addedUp(calls, day - 24 * hourMs, day, ({ provider }) => provider === 1)],
              ["two", addedUp(calls, day - 24 * hourMs, day, ({ provider }) => provider === 2)],
              ["nobody", addedUp([], 0, 0, () => false)],
            ]),
          );
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);

  test("of an hour with more calls than are read say from when on they tell, and read no more", async () => {
    const subject = await started();
    subject.client.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)
      INSERT INTO calls (seq, id, created_ms, finished_ms, account_ref, principal_ref, dialect_ref, operation_ref, model_ref,
        provider_ref, upstream_model_ref, status, source, stream, ttft_ms, held_nano, attempt_count, upstream_status)
      SELECT i, 'n' || i, ${nowMs} - 1800000 + i * 60, ${nowMs} - 1800000 + i * 60 + 5, 1, 1, 1, 1, 1, 1, 3, 'ok', 'none', 0, 7, 0, 1, 200 FROM n`);
    const { total, sinceMs } = await subject.reports.report({ provider: "one", over: "hour", nowMs });
    expect([total.ok, sinceMs]).toEqual([10_000, nowMs - 1_800_000 + 5_001 * 60]);
    while (subject.client.prepare("SELECT 1 FROM watermarks WHERE seq >= 15000").values().length === 0)
      subject.fold(5_000);
    expect((await subject.reports.report({ provider: "one", over: "day", nowMs })).total.ok).toBe(15_000);
  });

  test("read no table from end to end, and what is folded by provider and time", async () => {
    const subject = await started();
    subject.insert([{ ageMs: 5, status: "ok", ttftMs: 5, tries: [{ provider: 1, model: 3, status: 200 }] }]);
    subject.fold(10);
    const watched = recording(subject.client);
    const reports = attemptReports(sqliteDatabase(watched.client));
    for (const over of ["hour", "day", "week"] as const)
      for (const model of [{}, { model: "a" }]) await reports.report({ provider: "one", over, nowMs, ...model });
    await reports.lastDay(["one"], nowMs);
    const statements = [...watched.statements];
    expect(statements.flatMap((sql) => scannedTables(subject.client, sql))).toEqual([]);
    const plans = new Set(statements.flatMap((sql) => planOf(subject.client, sql)));
    expect(plans).toContain("SEARCH attempts_hourly USING PRIMARY KEY (provider_ref=? AND start_ms>?)");
    expect([...plans].filter((plan) => /^SEARCH (calls|attempts) /.test(plan)).toSorted()).toEqual([
      "SEARCH attempts USING PRIMARY KEY (call_seq=?)",
      "SEARCH calls USING INTEGER PRIMARY KEY (rowid<?)",
      "SEARCH calls USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ]);
  });

  test("keep five weeks of a provider that is used", async () => {
    const subject = await started();
    const one = { status: "ok", ttftMs: 5, tries: [{ provider: 1, model: 3, status: 200 }] } as const;
    const hours = () => subject.client.prepare("SELECT start_ms FROM attempts_hourly ORDER BY 1").values().length;
    subject.insert([
      { ...one, ageMs: 36 * 24 * hourMs },
      { ...one, ageMs: 30 * 24 * hourMs },
    ]);
    subject.fold(10);
    expect(hours()).toBe(2);
    subject.insert([{ ...one, ageMs: 0 }]);
    subject.fold(10);
    expect(hours()).toBe(2);
  });
});

const byName = (one: AttemptReport["models"][number], other: AttemptReport["models"][number]) =>
  one.model < other.model ? -1 : 1;
