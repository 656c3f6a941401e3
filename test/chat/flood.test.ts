import { expect, test } from "bun:test";
import { processLogger } from "../../core/commands/logger.ts";
import { floodGate } from "../../core/chat/flood.ts";

test("so many a second pass; the others are counted and told with the first of a later second", () => {
  let nowMs = 500;
  const told: number[] = [];
  const passes = floodGate({ perSecond: 3, now: () => nowMs, onSkipped: (count) => void told.push(count) });
  const passed = (times: number) => Array.from({ length: times }, passes).filter(Boolean).length;
  expect(passed(2)).toBe(2);
  expect(passed(10)).toBe(1);
  expect(told).toEqual([]);
  nowMs = 1_000;
  expect(passed(3)).toBe(3);
  expect(told).toEqual([9]);
  nowMs = 60_000;
  expect(passed(1)).toBe(1);
  expect(told).toEqual([9]);
});

test("the process's log keeps back what it has said often in a second, each text for itself", () => {
  let nowMs = 0;
  const lines: string[] = [];
  const logger = processLogger("info", () => nowMs, { write: (line) => void lines.push(line) });
  const plugin = logger.child({ plugin: "auth/one" });
  for (let time = 0; time < 5_000; time++) {
    plugin.error({ error: new Error("broken") }, "a plugin failed");
    logger.debug({}, "not at this level");
  }
  expect(lines).toHaveLength(20);
  logger.warn({}, "another");
  expect(lines).toHaveLength(21);
  nowMs = 1_000;
  plugin.error({ error: new Error("broken") }, "a plugin failed");
  const told = lines.slice(21).map((line): unknown => JSON.parse(line));
  expect(told).toMatchObject([{ level: "warn", lines: 4_980, of: "a plugin failed" }, { plugin: "auth/one" }]);
});
