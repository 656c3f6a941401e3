import { expect, test } from "bun:test";
import { epochOf } from "../../core/runtime/epoch.ts";

test("a time is told the same though the clocks tick apart, and anew when one was set", () => {
  let [wallMs, elapsedMs] = [1_000_000, 0.7];
  const epoch = epochOf(
    () => wallMs,
    () => elapsedMs,
  );
  const told = epoch(5_000);
  expect(told).toBe(1_004_999);
  for (const [wall, elapsed] of [
    [1_000_001, 0.9],
    [1_000_001, 1.9],
    [1_060_000, 60_900.2],
  ] as const) {
    [wallMs, elapsedMs] = [wall, elapsed];
    expect(epoch(5_000)).toBe(told);
  }
  wallMs -= 3_600_000;
  expect(Math.abs(epoch(5_000) - (told - 3_600_000))).toBeLessThan(1_000);
  expect(epoch(5_000)).toBe(epoch(5_000));
});
