import { expect, test } from "bun:test";
import { budgetOf, effortOf } from "../../core/chat/reasoning.ts";

test("efforts and budgets stand for each other, and one that was said stays", () => {
  for (const effort of ["none", "low", "medium", "high"]) {
    const budgetTokens = budgetOf({ effort, budgetTokens: null, show: null });
    expect(effortOf({ effort: null, budgetTokens, show: null })).toBe(effort);
  }
  expect(budgetOf({ effort: "high", budgetTokens: 5, show: null })).toBe(5);
  expect(effortOf({ effort: "high", budgetTokens: 5, show: null })).toBe("high");
});

test("what the model finds right, and what nobody said, is no figure", () => {
  expect(effortOf({ effort: null, budgetTokens: -1, show: null })).toBeNull();
  expect(budgetOf({ effort: "a new word", budgetTokens: null, show: null })).toBe(-1);
  expect(budgetOf({ effort: null, budgetTokens: null, show: true })).toBeNull();
});
