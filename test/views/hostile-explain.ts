import type { ExplainModel } from "../../views/explain.ts";

/** Why a call went as it did, with `text` wherever text from outside can come. */
export const explained = (text: string): ExplainModel => ({
  outcome: { stage: "targets", code: text },
  estimate: { expectedInputTokens: 1, mostInputTokens: 2, mostOutputTokens: null },
  limits: [
    { text, scope: { kind: text, id: text }, measure: "tokens", left: 1, needed: 2, enforced: false },
    { text, scope: { kind: text, id: text }, measure: "spend", left: null },
  ],
  budgets: [
    { ...held(text), kind: "budget", scope: { kind: text, id: text } },
    { ...held(text), kind: "budget", scope: null },
    { ...held(text), kind: "balance", scope: null },
  ],
  limitsAbove: 1,
  budgetsAbove: 2,
  hold: { heldNano: 1, target: text, lines: [{ item: text, quantity: 1, price: text }] },
  targets: [
    { target: text, state: "chosen", reason: null },
    { target: text, state: "passed-over", reason: text },
  ],
  plugins: [{ plugin: text, tookUs: 1 }],
  unknown: [{ field: text, because: text }],
});

const held = (text: string) => ({ id: text, window: text, limitNano: 1, heldNano: 1, leftNano: 1 });
