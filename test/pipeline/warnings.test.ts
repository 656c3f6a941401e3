import { expect, test } from "bun:test";
import { addWarnings } from "../../core/pipeline/warnings.ts";

test("each is said once, and what they repeat of the client is cut", () => {
  const warnings = ["a"];
  addWarnings(warnings, ["a", "b", "b", "x".repeat(1_000)]);
  expect(warnings.slice(0, 2)).toEqual(["a", "b"]);
  expect(warnings).toHaveLength(3);
  expect(warnings[2]?.length).toBeLessThan(300);
});

test("a client that makes up a hundred thousand of them is told how many there are", () => {
  const warnings: string[] = [];
  addWarnings(
    warnings,
    Array.from({ length: 100_000 }, (_, n) => `no '${n}'`),
  );
  expect(warnings.length).toBeLessThan(100);
  expect(warnings.at(-1)).toBe(`${100_000 - warnings.length + 1} more`);
});
