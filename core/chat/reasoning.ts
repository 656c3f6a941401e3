import type { Reasoning } from "./request.ts";

/** The effort in a word, for protocols that have no budget; `null`: the model's own. */
export function effortOf({ effort, budgetTokens }: Reasoning): string | null {
  if (effort !== null || budgetTokens === null || budgetTokens < 0) return effort;
  if (budgetTokens === 0) return "none";
  return budgetTokens <= 2_048 ? "low" : budgetTokens <= 16_384 ? "medium" : "high";
}

/**
 * The budget in tokens, for protocols that have no words; 0: off, -1: as the model finds right, `null`: not said. The
 * figures are those of Google's own OpenAI-compatible endpoint (https://ai.google.dev/gemini-api/docs/openai#thinking).
 */
export function budgetOf({ effort, budgetTokens }: Reasoning): number | null {
  if (budgetTokens !== null || effort === null) return budgetTokens;
  return budgets.get(effort) ?? -1;
}

const budgets: ReadonlyMap<string, number> = new Map([
  ["none", 0],
  ["minimal", 1_024],
  ["low", 1_024],
  ["medium", 8_192],
  ["high", 24_576],
  ["xhigh", 32_768],
  ["max", 32_768],
]);
