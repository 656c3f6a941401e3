import { Database as Client } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BudgetWindow } from "../../core/storage/database.ts";
import { windowAt } from "../../core/storage/windows.ts";
import { aBudget } from "../contract/storage-samples.ts";
import { dayMs, daysOf, windowEnd, windowStart } from "./calendar.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const windows: readonly BudgetWindow[] = ["day", "week", "month", "lifetime"];
const at = (year: number, month: number, day: number, ms = 0) => daysOf(year, month, day) * dayMs + ms;
/** The first Monday of 1970 to 2200. */
const anyTime = fc.integer({ min: at(1970, 1, 5), max: at(2200, 1, 1) });

describe("windows", () => {
  test.each([
    ["month", at(2024, 2, 29, dayMs - 1), at(2024, 2, 1), at(2024, 3, 1)],
    ["month", at(2025, 2, 28, dayMs - 1), at(2025, 2, 1), at(2025, 3, 1)],
    ["month", at(2000, 2, 29), at(2000, 2, 1), at(2000, 3, 1)],
    ["month", at(2100, 2, 28, dayMs - 1), at(2100, 2, 1), at(2100, 3, 1)],
    ["month", at(2025, 12, 31, dayMs - 1), at(2025, 12, 1), at(2026, 1, 1)],
    ["month", at(2026, 1, 31), at(2026, 1, 1), at(2026, 2, 1)],
    // 2026-01-05 is a Monday.
    ["week", at(2026, 1, 4, dayMs - 1), at(2025, 12, 29), at(2026, 1, 5)],
    ["week", at(2026, 1, 5), at(2026, 1, 5), at(2026, 1, 12)],
    ["week", at(2024, 3, 2), at(2024, 2, 26), at(2024, 3, 4)],
    ["day", at(2024, 2, 29, 1), at(2024, 2, 29), at(2024, 3, 1)],
    ["lifetime", at(2024, 2, 29, 1), 0, null],
  ] as const)("%s at %d", (window, atMs, startMs, endMs) => {
    expect(windowAt(window, atMs)).toEqual({ startMs, endMs });
  });

  test.each(windows)("%s: as counted by days, and every moment is in exactly its own", (window) => {
    fc.assert(
      fc.property(anyTime, (atMs) => {
        const { startMs, endMs } = windowAt(window, atMs);
        expect({ startMs, endMs }).toEqual({ startMs: windowStart(window, atMs), endMs: windowEnd(window, atMs) });
        expect(startMs <= atMs && (endMs === null || atMs < endMs)).toBe(true);
        expect(windowAt(window, startMs)).toEqual({ startMs, endMs });
        if (endMs !== null) expect(windowAt(window, endMs).startMs).toBe(endMs);
        if (endMs !== null) expect(windowAt(window, endMs - 1)).toEqual({ startMs, endMs });
      }),
      { numRuns: 2_000 },
    );
  });

  describe("v_budget", () => {
    const folder = temporaryFolder();
    const path = folder.file();
    const statement = prepared();
    afterAll(async () => (await statement).close());

    test("shows the same window as the ledger counts in, at any time", async () => {
      const { shownAt } = await statement;
      const times = [...fc.sample(anyTime, 500), at(2024, 2, 29), at(2026, 1, 4, dayMs - 1), at(2026, 1, 5)];
      for (const atMs of times)
        expect([atMs, ...shownAt(atMs)]).toEqual([atMs, ...windows.map((window) => windowAt(window, atMs).startMs)]);
    });

    /** The view itself, with its `now` made a parameter. */
    async function prepared() {
      const database = await openAt(path);
      for (const window of windows) await database.budgets.create(aBudget({ window }));
      await database.close();
      const sql = rowsOf<{ sql: string }>(path, "SELECT sql FROM sqlite_master WHERE name = 'v_budget'")[0]?.sql ?? "";
      expect(sql.match(/'now'/g)?.length).toBeGreaterThan(3);
      const select = sql.slice(sql.indexOf("select")).replaceAll("'now'", "?1 / 1000.0, 'unixepoch'");
      const client = new Client(path, { readonly: true });
      const view = client.prepare<{ window_start_ms: number }, [number]>(`${select} ORDER BY b.ref`);
      return {
        shownAt: (atMs: number) => view.all(atMs).map((row) => row.window_start_ms),
        close: () => client.close(),
      };
    }
  });
});
