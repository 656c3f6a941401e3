import { Database as Client } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BudgetWindow } from "../../core/storage/budget.ts";
import { rollsOutMs, windowAt, type WindowTerms } from "../../core/storage/windows.ts";
import { aBudget, aFinal, anAdmission, startMs as sampleMs } from "../contract/storage-samples.ts";
import { type CalendarWindow, dayMs, daysOf, windowEnd, windowStart } from "./calendar.ts";
import { budgetViewAt, openAt, rowsOf, temporaryFolder } from "./folder.ts";

const windows: readonly CalendarWindow[] = ["day", "week", "month", "lifetime"];
const at = (year: number, month: number, day: number, ms = 0) => daysOf(year, month, day) * dayMs + ms;
const terms = (window: BudgetWindow, more: Partial<WindowTerms> = {}): WindowTerms => ({
  window,
  timeZone: null,
  resetMs: 0,
  ...more,
});
const folder = temporaryFolder();
/** 1971 to 2200. */
const anyTime = fc.integer({ min: at(1971, 1, 1), max: at(2200, 1, 1) });

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
    expect(windowAt(terms(window), atMs)).toMatchObject({ startMs, endMs, rowMs: startMs });
  });

  test.each(windows)("%s: as counted by days, and every moment is in exactly its own", (window) => {
    fc.assert(
      fc.property(anyTime, (atMs) => {
        const { startMs, endMs } = windowAt(terms(window), atMs);
        expect({ startMs, endMs }).toEqual({ startMs: windowStart(window, atMs), endMs: windowEnd(window, atMs) });
        expect(startMs <= atMs && (endMs === null || atMs < endMs)).toBe(true);
        expect(windowAt(terms(window), startMs)).toMatchObject({ startMs, endMs });
        if (endMs !== null) expect(windowAt(terms(window), endMs).startMs).toBe(endMs);
        if (endMs !== null) expect(windowAt(terms(window), endMs - 1)).toMatchObject({ startMs, endMs });
      }),
      { numRuns: 2_000 },
    );
  });

  describe("in a time zone", () => {
    const zones = [
      "Europe/Berlin",
      "America/New_York",
      "Australia/Lord_Howe",
      "Asia/Kathmandu",
      "America/Santiago",
      "Africa/Cairo",
      "Pacific/Apia",
    ];
    test.each([
      // 23 and 25 hours.
      ["Europe/Berlin", "day", "2026-03-29T05:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
      ["Europe/Berlin", "day", "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
      ["Europe/Berlin", "week", "2026-03-29T21:59:59Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"],
      ["America/New_York", "month", "2026-03-01T04:59:59Z", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z"],
      ["America/New_York", "month", "2026-03-31T12:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"],
      // No midnight: the clocks go from 23:59 to 1:00.
      ["Africa/Cairo", "day", "2025-04-25T12:00:00Z", "2025-04-24T22:00:00Z", "2025-04-25T21:00:00Z"],
      // No such day: 30 December 2011.
      ["Pacific/Apia", "day", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
    ] as const)("%s: the %s of %s", (timeZone, window, atMs, startMs, endMs) => {
      const span = windowAt(terms(window, { timeZone }), Date.parse(atMs));
      expect([span.startMs, span.endMs].map((ms) => new Date(ms ?? 0))).toEqual([new Date(startMs), new Date(endMs)]);
    });

    test.each(zones)(
      "%s: each day, week and month is whole days by the calendar on its walls, and all of them",
      (timeZone) => {
        const format = new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" });
        const weekday = new Intl.DateTimeFormat("en", { timeZone, weekday: "short" });
        const dateAt = (ms: number) => format.format(ms);
        const from = at(2009, 1, 1);
        fc.assert(
          fc.property(fc.integer({ min: from, max: at(2030, 1, 1) }), (atMs) => {
            for (const window of ["day", "week", "month"] as const) {
              const { startMs, endMs, untilMs } = windowAt(terms(window, { timeZone }), atMs);
              if (endMs === null) throw new Error("a window of the calendar has an end");
              expect(startMs <= atMs && atMs < endMs && untilMs === endMs).toBe(true);
              for (const edgeMs of [startMs, endMs]) expect(dateAt(edgeMs)).not.toBe(dateAt(edgeMs - 1));
              if (window === "day") expect(dateAt(startMs)).toBe(dateAt(endMs - 1));
              if (window === "week") expect(weekday.format(startMs)).toBe("Mon");
              if (window === "month") expect(dateAt(startMs)).toEndWith("-01");
              expect(windowAt(terms(window, { timeZone }), endMs).startMs).toBe(endMs);
            }
          }),
          { numRuns: 300 },
        );
      },
    );
  });

  describe("rolling hours", () => {
    test("a call counts for at least the hours, and at most a sixtieth longer", () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 999 }), anyTime, fc.nat(2 * 999 * 3_600_000), (hours, atMs, laterBy) => {
          const rolling = terms(`${hours}h`);
          const { rowMs, untilMs, endMs } = windowAt(rolling, atMs);
          expect(rowMs <= atMs && atMs < untilMs && untilMs - rowMs === hours * 60_000 && endMs === null).toBe(true);
          const laterMs = atMs + laterBy;
          const counts = windowAt(rolling, laterMs).startMs <= rowMs;
          expect(counts).toBe(laterMs < rollsOutMs(hours, rowMs));
          if (laterBy < hours * 3_600_000) expect(counts).toBe(true);
          if (laterBy > hours * 3_660_000) expect(counts).toBe(false);
        }),
      );
    });
  });

  test("a reset begins a window and a row of its own", () => {
    for (const window of [...windows, "5h"] as const) {
      const resetMs = at(2026, 1, 7, 1_234);
      const reset = terms(window, { resetMs });
      expect(windowAt(reset, resetMs)).toMatchObject({ startMs: resetMs, rowMs: resetMs });
      const before = windowAt(reset, resetMs - 1);
      expect(before.startMs).toBe(windowAt(terms(window), resetMs - 1).startMs);
      expect(before.untilMs).toBe(resetMs);
      expect(windowAt(reset, at(2027, 1, 1)).endMs).toBe(windowAt(terms(window), at(2027, 1, 1)).endMs);
    }
  });

  test("rolling hours keep no more rows than may count, and those of calls in flight", async () => {
    const path = folder.file();
    const clock = { nowMs: sampleMs };
    const database = await openAt(path, () => clock.nowMs);
    const { id } = await database.budgets.create(aBudget({ window: "1h", limitNano: 1_000_000 }));
    const long = anAdmission({ startedMs: sampleMs });
    await database.ledger.admit(long);
    for (let minute = 1; minute <= 300; minute++) {
      clock.nowMs += 60_000;
      const admission = anAdmission({ startedMs: clock.nowMs });
      await database.ledger.admit(admission);
      await database.ledger.finish(aFinal(admission.callId));
    }
    const rows = () => rowsOf<{ n: number }>(path, "SELECT count(*) AS n FROM budget_windows")[0]?.n ?? 0;
    expect(rows()).toBeLessThanOrEqual(123);
    expect(await database.budgets.get(id)).toMatchObject({ spentNano: 61 * 50 });
    await database.ledger.finish(aFinal(long.callId));
    await database.close();
    // A call whose row is forgotten, rated again, changes no budget any more.
    const later = await openAt(path, () => clock.nowMs);
    const reprice = { costNano: 1, chargeNano: 1, priceVersion: "later" };
    await later.adjustments.write([{ seq: 1, ...reprice }], { reason: "test", author: "test" });
    expect(await later.budgets.get(id)).toMatchObject({ spentNano: 61 * 50 });
    expect((await later.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await later.close();
  });

  test("rolling hours keep what a call may count that started an hour before, also of one admitted after a reset", async () => {
    const startMs = Math.ceil(sampleMs / 60_000) * 60_000;
    const clock = { nowMs: startMs };
    const database = await openAt(folder.file(), () => clock.nowMs);
    const { id } = await database.budgets.create(aBudget({ window: "1h", limitNano: 1_000, createdMs: startMs }));
    const spend = async (startedMs: number, nano: number) => {
      const need = { inputNano: nano, outputNano: 0, expectedNano: nano, outputTokens: 1, leastOutputTokens: 1 };
      const admission = anAdmission({ startedMs, need });
      const result = await database.ledger.admit(admission);
      if (result.admitted) await database.ledger.finish(aFinal(admission.callId, { chargeNano: nano }));
      return result;
    };
    await spend(startMs, 900);
    for (const minute of [70, 80, 90, 100]) {
      clock.nowMs = startMs + minute * 60_000;
      await spend(clock.nowMs, 1);
    }
    clock.nowMs = startMs + 120 * 60_000 + 30_000;
    await database.budgets.reset(id);
    clock.nowMs += 1;
    await spend(clock.nowMs, 1);
    expect(await spend(clock.nowMs - 3_600_000, 200)).toMatchObject({ admitted: false, neededNano: 200 });
    await database.close();
  });

  describe("v_budget", () => {
    const path = folder.file();
    const shownWindows = [...windows, "1h", "5h", "168h"].map((window) => terms(window as BudgetWindow));
    const zoned = (["day", "week", "month"] as const).flatMap((window) =>
      ["Europe/Berlin", "America/New_York"].map((timeZone) => terms(window, { timeZone })),
    );
    const statement = prepared();
    afterAll(async () => (await statement).close());

    test("shows the same window as the ledger counts in, at any time", async () => {
      const { shownAt } = await statement;
      const times = [...fc.sample(anyTime, 500), at(2024, 2, 29), at(2026, 1, 4, dayMs - 1), at(2026, 1, 5)];
      for (const atMs of times)
        expect([atMs, ...shownAt(atMs)]).toEqual([atMs, ...shownWindows.map((shown) => windowAt(shown, atMs).startMs)]);
      // Of a time zone it shows what was noted: here of the next two years.
      for (const atMs of fc.sample(fc.integer({ min: sampleMs, max: sampleMs + 700 * dayMs }), 300))
        expect([atMs, ...(await statement).zonedAt(atMs)]).toEqual([
          atMs,
          ...zoned.map((shown) => windowAt(shown, atMs).startMs),
        ]);
    });

    async function prepared() {
      const database = await openAt(path);
      for (const { window, timeZone } of [...shownWindows, ...zoned])
        await database.budgets.create(aBudget({ window, timeZone }));
      await database.close();
      const client = new Client(path, { readonly: true });
      const view = client.prepare<{ window_start_ms: number }, [number]>(
        `${budgetViewAt((query) => rowsOf(path, query))} ORDER BY b.ref`,
      );
      const startsAt = (atMs: number) => view.all(atMs).map((row) => row.window_start_ms);
      return {
        shownAt: (atMs: number) => startsAt(atMs).slice(0, shownWindows.length),
        zonedAt: (atMs: number) => startsAt(atMs).slice(shownWindows.length),
        close: () => client.close(),
      };
    }
  });
});
