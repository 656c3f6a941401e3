import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { GatewayError } from "llm-proxy/plugin";
import ledger from "../../../plugins/billing/ledger.ts";
import { testBilling } from "../../contract/billing.ts";
import { atMs, defaultPolicy, makeLedger, target, usage } from "./ledger-fixture.ts";

for (const priced of [
  target("anthropic", "claude-sonnet-4-5"),
  target("openai", "gpt-5.6-luna"),
  target("google", "gemini-2.5-flash"),
  target("deepseek", "deepseek-v4-pro"),
  target("perplexity", "sonar-deep-research"),
  target("perplexity", "sonar-pro"),
  target("openai", "gpt-4o-realtime-preview"),
  target("echo", "echo"),
]) {
  describe(`ledger at ${priced.vendor}/${priced.model}`, () => {
    testBilling(makeLedger, { priced, unpriced: target("openai", "no-such-model"), atMs, absent: ["authorize"] });
  });
}

describe("exact amounts", () => {
  const cases = [
    {
      name: "cache reads and writes have their own prices",
      at: target("anthropic", "claude-sonnet-4-5"),
      used: { inputTokens: 10_000, cacheReadTokens: 6_000, cacheWriteTokens: 2_000, outputTokens: 500 },
      costNano: 22_800_000,
    },
    {
      name: "cache writes for an hour cost more",
      at: target("anthropic", "claude-sonnet-4-5"),
      used: {
        inputTokens: 10_000,
        cacheReadTokens: 6_000,
        cacheWriteTokens: 2_000,
        cacheWrite1hTokens: 500,
        outputTokens: 500,
      },
      costNano: 23_925_000,
    },
    {
      name: "cached input",
      at: target("openai", "gpt-5"),
      used: { inputTokens: 10_000, cacheReadTokens: 6_000, outputTokens: 500 },
      costNano: 10_750_000,
    },
    {
      name: "a long input moves all tokens to the higher tier",
      at: target("google", "gemini-2.5-pro"),
      used: { inputTokens: 250_000, cacheReadTokens: 6_000, outputTokens: 500 },
      costNano: 619_000_000,
    },
    {
      name: "the last token of the lower tier",
      at: target("google", "gemini-2.5-pro"),
      used: { inputTokens: 200_000 },
      costNano: 250_000_000,
    },
    {
      name: "the first token of the higher tier",
      at: target("google", "gemini-2.5-pro"),
      used: { inputTokens: 200_001 },
      costNano: 500_002_500,
    },
    {
      name: "audio in, cached audio in, audio out",
      at: target("openai", "gpt-realtime"),
      used: {
        inputTokens: 1_000,
        inputAudioTokens: 600,
        cacheReadTokens: 300,
        cacheReadAudioTokens: 200,
        outputTokens: 100,
        outputAudioTokens: 80,
      },
      // 300 text at 4, 100 cached text at 0.4, 400 audio at 32, 200 cached audio at 0.4; 20 text at 16, 80 audio at 64
      costNano: 1_200_000 + 40_000 + 12_800_000 + 80_000 + 320_000 + 5_120_000,
    },
    {
      name: "a fee per call",
      at: target("perplexity", "sonar-pro"),
      used: { inputTokens: 1_000, outputTokens: 100 },
      costNano: 3_000_000 + 1_500_000 + 14_000_000,
    },
    {
      name: "reasoning priced apart",
      at: target("perplexity", "sonar-deep-research"),
      used: { inputTokens: 1_000, outputTokens: 5_000, reasoningTokens: 4_000 },
      costNano: 2_000_000 + 8_000_000 + 12_000_000,
    },
    {
      name: "reasoning that is output like any other",
      at: target("openai", "gpt-5"),
      used: { outputTokens: 5_000, reasoningTokens: 4_000 },
      costNano: 50_000_000,
    },
  ];
  test.each(cases)("$name", ({ at, used, costNano }) => {
    const rating = makeLedger().rate(usage(used), at, atMs);
    expect(rating).toMatchObject({ costNano, chargeNano: costNano, priceVersion: "genai-prices@0.1.8" });
  });

  test("a price takes effect at midnight UTC of its date, and at its time of day", () => {
    const biller = makeLedger();
    const costAt = (model: string, vendor: string, time: string) =>
      biller.rate(usage({ outputTokens: 1_000_000 }), target(vendor, model), Date.parse(time)).costNano;
    expect(costAt("o3", "openai", "2025-06-09T23:59:59.999Z")).toBe(40_000_000_000);
    expect(costAt("o3", "openai", "2025-06-10T00:00:00.000Z")).toBe(8_000_000_000);
    expect(costAt("deepseek-chat", "deepseek", "2026-11-01T00:29:59.999Z")).toBe(550_000_000);
    expect(costAt("deepseek-chat", "deepseek", "2026-11-01T00:30:00.000Z")).toBe(1_100_000_000);
    expect(costAt("deepseek-chat", "deepseek", "2026-11-01T16:30:00.000Z")).toBe(550_000_000);
  });

  test("one token at 0.0375 USD per million is 38 nano-USD, and a million such calls are 38,000,000", () => {
    const biller = makeLedger([{ target: "lab/*", input: "0.0375", output: "0" }]);
    let sumNano = 0;
    for (let call = 0; call < 1_000_000; call++) sumNano += biller.rate(oneToken, lab, atMs).costNano;
    expect(biller.rate(oneToken, lab, atMs).costNano).toBe(38);
    expect(sumNano).toBe(38_000_000);
  });
  const oneToken = usage({ inputTokens: 1 });
  const lab = target("lab", "tiny");

  test("the sum is rounded once, not each class", () => {
    const biller = makeLedger([{ target: "lab/*", input: "0.0001", output: "0.0001", cacheRead: "0.0001" }]);
    // 0.1 + 0.1 + 0.1 nano-USD
    expect(biller.rate(usage({ inputTokens: 2, cacheReadTokens: 1, outputTokens: 1 }), lab, atMs).costNano).toBe(1);
  });

  test("the lines show what was charged for", () => {
    const used = usage({
      inputTokens: 10_000,
      cacheReadTokens: 6_000,
      cacheWriteTokens: 2_000,
      cacheWrite1hTokens: 500,
      outputTokens: 500,
    });
    expect(makeLedger().rate(used, target("anthropic", "claude-sonnet-4-5"), atMs).lines).toEqual([
      { item: "input", quantity: 2_000, price: "3" },
      { item: "cacheRead", quantity: 6_000, price: "0.3" },
      { item: "cacheWrite", quantity: 1_500, price: "3.75" },
      { item: "cacheWrite1h", quantity: 500, price: "6" },
      { item: "output", quantity: 500, price: "15" },
    ]);
  });

  test("parts that exceed their totals take no more tokens than there are", () => {
    const used = usage({
      inputTokens: 100,
      cacheReadTokens: 5_000,
      cacheWriteTokens: 60,
      cacheWrite1hTokens: 90,
      inputAudioTokens: 700,
    });
    const { lines } = makeLedger().rate(used, target("anthropic", "claude-sonnet-4-5"), atMs);
    expect(lines.map(({ item, quantity }) => [item, quantity])).toEqual([
      ["cacheRead", 40],
      ["cacheWrite1h", 60],
    ]);
  });
});

describe("what has no price", () => {
  const refused = [
    { name: "an unknown model", at: target("openai", "gpt-99") },
    { name: "an unknown vendor", at: target("nobody", "gpt-5") },
    { name: "a vendor that only sounds like a known one", at: target("my-openai-clone", "gpt-5") },
    { name: "an entry without prices", at: target("github-copilot", "gpt-4o") },
    { name: "an entry that prices no tokens", at: target("groq", "whisper-large-v3") },
    { name: "a name longer than any model's", at: target("openai", `ft:gpt-3.5-turbo:${"x".repeat(300)}`) },
    { name: "output of a model that only has an input price", at: target("openai", "text-embedding-3-small") },
  ];
  test.each(refused)("$name is refused", ({ at }) => {
    for (const dearest of [false, true]) {
      expect(() => makeLedger().rate(usage({ inputTokens: 1, outputTokens: 1 }), at, atMs, { dearest })).toThrow(
        expect.objectContaining({
          kind: "invalid-request",
          details: expect.objectContaining({ code: "unpriced_model" }),
        }),
      );
    }
  });

  test("the input of a model that only has an input price is charged", () => {
    expect(
      makeLedger().rate(usage({ inputTokens: 1_000_000 }), target("openai", "text-embedding-3-small"), atMs).costNano,
    ).toBe(20_000_000);
  });

  test("the message does not grow with the name", () => {
    const at = target("openai", "x".repeat(100_000));
    expect(() => makeLedger().rate(usage({}), at, atMs)).toThrow(/^.{0,300}$/);
  });
});

test("an amount that JavaScript cannot count is an error, never a wrong number", () => {
  const biller = makeLedger([{ target: "lab/*", input: "9007199254.740991", output: "1" }]);
  expect(biller.rate(usage({ inputTokens: 1_000 }), target("lab", "x"), atMs).costNano).toBe(Number.MAX_SAFE_INTEGER);
  const tooMuch = () => biller.rate(usage({ inputTokens: 1_000, outputTokens: 1 }), target("lab", "x"), atMs);
  expect(tooMuch).toThrow(GatewayError);
  expect(tooMuch).toThrow(expect.objectContaining({ kind: "internal" }));
});

test("echo costs nothing and says by which version", () => {
  const rating = makeLedger().rate(
    usage({ inputTokens: 1_000_000, outputTokens: 5 }),
    target("echo", "echo/slow"),
    atMs,
  );
  expect(rating).toMatchObject({ costNano: 0, chargeNano: 0, priceVersion: "built-in" });
});

describe("options", () => {
  test("defaults", () => {
    expect(Value.Default(ledger.config, {})).toEqual({ ...defaultPolicy });
  });
  test.each([
    { unpriced: "deny" },
    { interrupted: "half" },
    { uncappedOutputTokens: 0 },
    { uncappedOutputTokens: 1.5 },
    { uncaped: 1 },
  ])("refuses %j", (options) => {
    expect(Value.Check(ledger.config, Value.Default(ledger.config, options))).toBe(false);
  });
  test("are the policy that core reads", () => {
    const policy = { unpriced: "allow", interrupted: "full", uncappedOutputTokens: 7 } as const;
    expect(makeLedger([], policy).policy).toEqual(policy);
  });
});
