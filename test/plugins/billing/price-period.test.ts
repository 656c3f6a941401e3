import { describe, expect, test } from "bun:test";
import { dearestAt, type Period, sheetAt } from "../../../plugins/billing/price-period.ts";
import { completeSheet, flat } from "../../../plugins/billing/price-sheet.ts";

const sheet = (input: bigint, output: bigint) => completeSheet({ input: flat(input), output: flat(output) });
const at = (time: string) => Date.parse(time);
const inputAt = (periods: readonly Period[], time: string) => sheetAt(periods, at(time))?.tariffs.input?.base.value;

const dated: readonly Period[] = [
  { when: { type: "always" }, sheet: sheet(1n, 1n) },
  { when: { type: "from", fromMs: at("2026-03-01T00:00:00Z") }, sheet: sheet(5n, 2n) },
  { when: { type: "from", fromMs: at("2026-06-01T00:00:00Z") }, sheet: sheet(3n, 9n) },
];
const nightly: readonly Period[] = [
  { when: { type: "always" }, sheet: sheet(4n, 4n) },
  { when: { type: "daily", startMs: 22 * 3_600_000, endMs: 6 * 3_600_000 }, sheet: sheet(2n, 7n) },
];

describe("the price in effect", () => {
  test.each([
    ["2025-12-31T23:59:59.999Z", 1n],
    ["2026-03-01T00:00:00.000Z", 5n],
    ["2026-05-31T23:59:59.999Z", 5n],
    ["2026-06-01T00:00:00.000Z", 3n],
  ])("by date: %s", (time, input) => {
    expect(inputAt(dated, time)).toBe(input);
  });

  test.each([
    ["2026-01-01T21:59:59.999Z", 4n],
    ["2026-01-01T22:00:00.000Z", 2n],
    ["2026-01-02T00:00:00.000Z", 2n],
    ["2026-01-02T05:59:59.999Z", 2n],
    ["2026-01-02T06:00:00.000Z", 4n],
    ["1969-12-31T23:00:00.000Z", 2n],
  ])("by time of day, over midnight: %s", (time, input) => {
    expect(inputAt(nightly, time)).toBe(input);
  });

  test("is the first when none fits", () => {
    expect(inputAt(dated.slice(1), "2020-01-01T00:00:00Z")).toBe(5n);
    expect(inputAt([], "2020-01-01T00:00:00Z")).toBeUndefined();
  });
});

describe("the dearest prices of a date", () => {
  const dearest = (periods: readonly Period[], time: string) => {
    const { input, output } = dearestAt(periods, at(time)) ?? {};
    return [input?.value, output?.value];
  };
  test("are those of the date, not of earlier or later ones", () => {
    expect(dearest(dated, "2026-01-01T00:00:00Z")).toEqual([1n, 1n]);
    expect(dearest(dated, "2026-04-01T00:00:00Z")).toEqual([5n, 2n]);
    expect(dearest(dated, "2026-07-01T00:00:00Z")).toEqual([3n, 9n]);
  });
  test("are the highest of each side at any time of the day", () => {
    expect(dearest(nightly, "2026-01-01T12:00:00Z")).toEqual([4n, 7n]);
    expect(dearest(nightly, "2026-01-01T23:00:00Z")).toEqual([4n, 7n]);
  });
  test("leave out what has no price", () => {
    const unpriced: Period = { when: { type: "always" }, sheet: null };
    expect(dearestAt([unpriced], 0)).toBeNull();
    expect(dearest([unpriced, ...nightly.slice(1)], "2026-01-01T12:00:00Z")).toEqual([2n, 7n]);
  });
});
