import type { ExplainModel } from "../../views/explain.ts";
import { dryRunPage } from "../../views/explain-form.ts";
import type { Html } from "../../views/html.ts";

/** Why a call went as it did, with `text` wherever text from outside can come. */
export const explained = (text: string): ExplainModel => ({
  kind: "dry-run",
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
  hold: { heldNano: 1, target: `a/${text}`, lines: [{ item: text, quantity: 1, price: text }] },
  targets: [
    { target: `a/${text}`, state: "chosen", reason: null, words: null, score: 1.5 },
    { target: `a/${text}`, state: "passed-over", reason: text, words: null, score: null },
    { target: `a/${text}`, state: "excluded", reason: text, words: text, score: null },
  ],
  plugins: [{ plugin: text, tookUs: 1 }],
  unknown: [{ field: text, because: text }],
});

const held = (text: string) => ({ id: text, window: text, limitNano: 1, heldNano: 1, leftNano: 1 });

export const notMade = (text: string): Html =>
  dryRunPage({
    fields: { key: text, account: text, model: text, input: text, output: text, stream: true },
    keys: [{ id: text, label: text }],
    accounts: [{ id: text, label: text }],
    models: [text],
    error: text,
    told: {
      ...explained(text),
      asked: { model: text, atMs: 1 },
      principal: { name: text, accountId: text },
      outcome: { stage: "budgets", code: text, status: "would-refuse", httpStatus: 402, message: text },
      warnings: [text],
    },
    names: new Map([[text, text]]),
  });
