import { afterAll, afterEach, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole, type Turn } from "../support/spoken.ts";

const setup = await setUp({ dialects: ["anthropic-messages", "gemini"] });
afterEach(async () => {
  // What does not fit is counted by its provider first, which is no attempt.
  const counts = setup.upstream.log.filter(({ request }) => /count_tokens|:countTokens/.test(request.start));
  await invariants(setup, { unreached: -counts.length });
});
afterAll(() => setup.stop());
const { gateway, upstream } = setup;

const turn: Turn = { text: "hello there", usage: { input: 10, output: 5 } };
const thinks: readonly (readonly [DialectName, Readonly<Record<string, unknown>>])[] = [
  ["anthropic-messages", { max_tokens: 9_000, thinking: { type: "enabled", budget_tokens: 4_000 } }],
  ["gemini", { generationConfig: { maxOutputTokens: 9_000, thinkingConfig: { thinkingBudget: 4_000 } } }],
];
test.each(thinks)("a cap that is lowered for a budget stays above what %s gives to thinking", async (dialect, more) => {
  upstream.on("thinking", json(200, spokenWhole(dialect, turn)));
  const model = `mock-${dialect}/thinking`;
  const [plenty, scarce] = await Promise.all(
    ["0.012", "0.008"].map((usd) => gateway.createKey({ budget: { usd, window: "day" } })),
  );
  const lowered = await ask(gateway, plenty?.key ?? "", dialect, { model, more });
  expect(lowered.status).toBe(200);
  expect(lowered.headers.get("x-llm-proxy-warnings")).toContain("lowered from 9000");
  const refused = await ask(gateway, scarce?.key ?? "", dialect, { model, more });
  expect(refused.status).toBe(402);
  const [fits = 0] = refused.text.match(/(?<="fittingMaxOutputTokens":)\d+/)?.map(Number) ?? [];
  expect(fits).toBeGreaterThan(2_000);
  expect(fits).toBeLessThan(4_001);
});

test("reasoning that would not fit the cap of calls without one either is no reason to refuse", async () => {
  upstream.on("much", json(200, spokenWhole("gemini", turn)));
  const { key } = await gateway.createKey({ budget: { usd: "0.012", window: "day" } });
  const more = { generationConfig: { thinkingConfig: { thinkingBudget: 24_576 } } };
  expect((await ask(gateway, key, "gemini", { model: "mock-gemini/much", more })).status).toBe(200);
});
