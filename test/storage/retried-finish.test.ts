import { Database as Client } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, anAdmission } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe("the final record, while the database is locked by somebody", () => {
  test("waits and is written once the lock is gone; until then there is trouble, and nothing is admitted", async () => {
    const { database, path, release } = await lockedWithOpenCalls(3);
    let ended = 0;
    const finishes = Promise.all(
      ["call-0", "call-1", "call-2"].map(async (callId) => {
        await database.ledger.finish(aFinal(callId));
        ended += 1;
      }),
    );
    await until("trouble", () => database.trouble() !== null);
    const refused = await Promise.allSettled([database.ledger.admit(anAdmission())]);
    expect(refused).toMatchObject([
      { status: "rejected", reason: { kind: "unavailable", details: { retryAfterSeconds: 5 } } },
    ]);
    expect(ended).toBe(0);
    expect(rowsOf(path, "SELECT count(*) AS open FROM open_calls")).toEqual([{ open: 3 }]);

    release();
    await finishes;
    expect(rowsOf(path, "SELECT call_id, status, charge_nano FROM v_usage ORDER BY call_id")).toEqual(
      ["call-0", "call-1", "call-2"].map((call_id) => ({ call_id, status: "ok", charge_nano: 50 })),
    );
    expect(rowsOf(path, "SELECT spent_nano, held_nano FROM v_budget")).toEqual([{ spent_nano: 150, held_nano: 0 }]);
    await until("no trouble", () => database.trouble() === null);
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  });

  test("a second finish of a call that still waits changes nothing", async () => {
    const { database, path, release } = await lockedWithOpenCalls(1);
    const first = database.ledger.finish(aFinal("call-0"));
    await until("trouble", () => database.trouble() !== null);
    await database.ledger.finish(aFinal("call-0", { chargeNano: 77 }));
    release();
    await first;
    expect(rowsOf(path, "SELECT charge_nano FROM v_usage")).toEqual([{ charge_nano: 50 }]);
  });

  test("a process that ends meanwhile loses nothing: the next one sweeps the call", async () => {
    const { database, path, release } = await lockedWithOpenCalls(1);
    void Promise.resolve(database.ledger.finish(aFinal("call-0"))).catch(() => {});
    await until("trouble", () => database.trouble() !== null);
    release();
    // Before the retry comes around.
    await database.close();
    const next = await openAt(path);
    cleanups.push(() => next.close());
    await next.ledger.sweep("input", 0);
    expect(rowsOf(path, "SELECT call_id, status FROM v_usage")).toHaveLength(1);
    expect((await next.prove()).filter(({ ok }) => !ok)).toEqual([]);
  });
});

async function lockedWithOpenCalls(
  calls: number,
): Promise<{ readonly database: Database; readonly path: string; readonly release: () => void }> {
  const path = folder.file();
  const database = await openAt(path);
  await database.budgets.create(aBudget({ limitNano: 1_000_000 }));
  for (let at = 0; at < calls; at++) await database.ledger.admit(anAdmission({ callId: `call-${at}` }));
  const other = new Client(path);
  other.exec("BEGIN EXCLUSIVE");
  let open = true;
  cleanups.push(async () => {
    other.close();
    if (open) await database.close();
  });
  return {
    database: { ...database, close: () => ((open = false), database.close()) },
    path,
    release: () => other.exec("ROLLBACK"),
  };
}
