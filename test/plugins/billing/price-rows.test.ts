import { describe, expect, test } from "bun:test";
import type { PriceRow } from "llm-proxy/plugin";
import { atMs, makeLedger, target, usage } from "./ledger-fixture.ts";

const row = (at: string, input: string, more: Partial<PriceRow> = {}): PriceRow => ({
  target: at,
  input,
  output: "0",
  ...more,
});
const million = usage({ inputTokens: 1_000_000 });

describe("which row of prices: applies", () => {
  const rows = [
    row("*", "1"),
    row("lab/*", "2"),
    row("lab/llama-*", "3"),
    row("lab/llama-3", "4"),
    row("lab/llama-3", "5"),
    row("lab/*", "6"),
  ];
  test.each([
    ["lab", "llama-3", 4],
    ["lab", "llama-3.1", 3],
    ["lab", "qwen", 2],
    ["lab", "org/qwen", 2],
    ["other", "qwen", 1],
    ["Lab", "llama-3", 1],
  ])("%s/%s", (instance, model, usd) => {
    const biller = makeLedger(rows);
    expect(biller.rate(million, target(instance, model), atMs).costNano).toBe(usd * 1_000_000_000);
  });

  test("rows go by instance and win over the bundled book; other instances of the vendor keep it", () => {
    const biller = makeLedger([row("openai-eu/gpt-5", "9")]);
    const costAt = (provider: string) =>
      biller.rate(million, { provider, vendor: "openai", model: "gpt-5" }, atMs).costNano;
    expect(costAt("openai-eu")).toBe(9_000_000_000);
    expect(costAt("openai")).toBe(1_250_000_000);
  });

  test("a row for echo wins over its zero", () => {
    expect(makeLedger([row("echo/*", "7")]).rate(million, target("echo", "echo"), atMs).costNano).toBe(7_000_000_000);
  });
});

test("every field prices its own class, and the general one those without", () => {
  const used = usage({
    inputTokens: 6,
    cacheReadTokens: 2,
    cacheReadAudioTokens: 1,
    cacheWriteTokens: 2,
    cacheWrite1hTokens: 1,
    inputAudioTokens: 2,
    outputTokens: 3,
    reasoningTokens: 1,
    outputAudioTokens: 1,
  });
  const full: PriceRow = {
    target: "lab/*",
    input: "1",
    cacheRead: "10",
    cacheWrite: "100",
    cacheWrite1h: "1000",
    inputAudio: "10000",
    output: "100000",
    reasoning: "1000000",
    outputAudio: "10000000",
    request: "0.1",
  };
  const costOf = (price: PriceRow) => makeLedger([price]).rate(used, target("lab", "x"), atMs).costNano;
  // Cached audio has no field of its own: it is a cache read.
  expect(costOf(full)).toBe((1 + 2 * 10 + 100 + 1000 + 10_000 + 100_000 + 1_000_000 + 10_000_000) * 1000 + 100_000_000);
  expect(costOf({ target: "lab/*", input: "1", output: "100" })).toBe((6 + 300) * 1000);
  expect(costOf({ target: "lab/*", input: "1", output: "100", cacheWrite: "10" })).toBe((4 + 20 + 300) * 1000);
  expect(costOf({ target: "lab/*", input: "1", output: "100", inputAudio: "10" })).toBe((4 + 20 + 300) * 1000);
});

describe("the version of a row", () => {
  const versionOf = (price: PriceRow) => makeLedger([price]).rate(million, target("lab", "x"), atMs).priceVersion;
  const version = versionOf(row("lab/*", "0.5"));
  test("is a digest of its prices", () => {
    expect(version).toMatch(/^config:[0-9a-f]{12}$/);
    expect(versionOf(row("lab/*", "0.50"))).toBe(version);
    expect(versionOf(row("lab/*", "0.5", { contextWindow: 8_192 }))).toBe(version);
  });
  test("changes with any price and with the target", () => {
    const others = [
      row("lab/*", "0.6"),
      row("lab/x", "0.5"),
      row("lab/*", "0.5", { output: "1" }),
      row("lab/*", "0.5", { cacheRead: "0" }),
    ];
    expect(new Set([version, ...others.map(versionOf)]).size).toBe(5);
  });
});

test.each([
  [row("a/b", "free"), 'prices[1].input: "free" is not a decimal ≥ 0'],
  [row("a/b", "1", { cacheRead: "-1" }), 'prices[1].cacheRead: "-1" is not a decimal ≥ 0'],
  [
    row("a/b", "1", { request: "0.0000000000000000001" }),
    'prices[1].request: "0.0000000000000000001" has more than 18 decimals',
  ],
])("a bad price stops the boot and says where: %#", (bad, message) => {
  expect(() => makeLedger([row("lab/*", "1"), bad])).toThrow(message);
});

test("rows say how large a model is; the book fills what they leave out", () => {
  const biller = makeLedger([
    row("openai/gpt-5", "1", { maxOutputTokens: 9 }),
    row("lab/*", "1", { contextWindow: 8_192 }),
  ]);
  expect(biller.facts?.(target("openai", "gpt-5"), atMs)).toEqual({
    model: "gpt-5",
    contextWindow: 400_000,
    maxOutputTokens: 9,
  });
  expect(biller.facts?.(target("lab", "x"), atMs)).toEqual({ model: "x", contextWindow: 8_192, maxOutputTokens: null });
  expect(biller.models?.("openai")).toContainEqual({ model: "gpt-5" });
});
