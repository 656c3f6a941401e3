import { describe, expect, test } from "bun:test";
import { calcPrice, type Provider, waitForUpdate } from "@pydantic/genai-prices";
import fc from "fast-check";
import type { Usage } from "llm-proxy/plugin";
import packageJson from "../../../package.json";
import { bundledNames, bundledVendors, bundledVersion, findBundled } from "../../../plugins/billing/bundled-book.ts";
import { knownMaxima, maxOutputTokensOf } from "../../../plugins/billing/model-facts.ts";
import { costOf } from "../../../plugins/billing/rating.ts";
import { sheetAt } from "../../../plugins/billing/price-period.ts";
import { atMs, makeLedger, target, usage } from "./ledger-fixture.ts";

const providers: readonly Provider[] = (await waitForUpdate()) ?? [];
/** A name that each entry answers to, for all entries that spell one out. */
const named = providers.flatMap(({ id }) => bundledNames(id).map((name) => ({ vendor: id, name })));

test("the version is that of the data", () => {
  expect(bundledVersion).toBe(`genai-prices@${packageJson.dependencies["@pydantic/genai-prices"]}`);
});

test("its vendors are those of the data", () => {
  expect(bundledVendors).toEqual(providers.map(({ id }) => id));
});

test("the data is there, and all its prices fit the decimals", () => {
  expect(providers.length).toBeGreaterThanOrEqual(43);
  expect(named.length).toBeGreaterThan(1_500);
  for (const { vendor, name } of named) {
    for (const { when } of findBundled(vendor, name)?.periods ?? []) {
      if (when.type === "from") expect(when.fromMs).toBeGreaterThan(0);
      if (when.type === "daily") expect(when.startMs + when.endMs).toBeGreaterThan(0);
    }
  }
});

test("finds what the package finds, for every name", () => {
  for (const { vendor, name } of named) {
    for (const variant of [
      name,
      name.toUpperCase(),
      `${name}-20250514`,
      `${name}-2025-05-14`,
      `x${name}`,
      `${name}:free`,
    ]) {
      const theirs = calcPrice({}, variant, { providerId: vendor });
      const ours = findBundled(vendor, variant);
      if (ours?.id !== theirs?.model.id)
        throw new Error(`${vendor}/${variant}: ${ours?.id} here, ${theirs?.model.id} there`);
    }
  }
});

describe("against the package's own calculator", () => {
  /** Within what doubles can tell, and our rounding up to a whole nano-USD. */
  function expectEqual(vendor: string, name: string, used: Usage, time: number): "equal" | "unpriced" {
    const model = findBundled(vendor, name);
    const sheet = model && sheetAt(model.periods, time);
    const theirs = calcPrice(theirUsage(used), name, { providerId: vendor, timestamp: new Date(time) });
    if (theirs === null) throw new Error(`${vendor}/${name} is unknown there`);
    const ours = sheet && costOf(used, sheet);
    if (ours === null) {
      // It takes a missing price for zero; we refuse to.
      expect(unpricedThere(theirs.model_price, used)).toBe(true);
      return "unpriced";
    }
    const theirNano = theirs.total_price * 1e9;
    const difference = ours.costNano - theirNano;
    if (difference < -theirNano * 1e-12 - 1e-6 || difference > theirNano * 1e-12 + 1 + 1e-6) {
      throw new Error(`${vendor}/${name}: ${ours.costNano} here, ${theirNano} there for ${JSON.stringify(used)}`);
    }
    return "equal";
  }

  test("every model, all classes, in every tier and at several times", () => {
    let unpriced = 0;
    for (const { vendor, name } of named) {
      for (const inputTokens of [10_000, 200_000, 272_000, 700_000]) {
        for (const time of [
          "2024-01-01T01:00:00Z",
          "2026-07-30T00:00:00Z",
          "2026-11-01T08:00:00Z",
          "2027-01-01T16:29:59.999Z",
        ]) {
          const outcome = expectEqual(vendor, name, allClasses(inputTokens), Date.parse(time));
          if (outcome === "unpriced") unpriced++;
        }
      }
    }
    expect(unpriced).toBeGreaterThan(0);
  });

  test("random usage", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...named),
        wellFormedUsages,
        fc.integer({ min: 1.7e12, max: 1.81e12 }),
        ({ vendor, name }, used, time) => {
          expectEqual(vendor, name, used, time);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

test("the dearest rating bounds every model, whatever the split and the hour", () => {
  const biller = makeLedger();
  const dayMs = 86_400_000;
  const priced = named.filter(({ vendor, name }) => findBundled(vendor, name)?.periods[0]?.sheet?.dearest.output);
  fc.assert(
    fc.property(
      fc.constantFrom(...priced),
      anyUsages,
      fc.nat(100_000),
      fc.nat(100_000),
      fc.integer({ min: 19_700, max: 20_900 }),
      fc.nat(dayMs - 1),
      fc.nat(dayMs - 1),
      ({ vendor, name }, used, moreInput, moreOutput, day, heldAt, endedAt) => {
        const bound = usage({
          inputTokens: used.inputTokens + moreInput,
          outputTokens: used.outputTokens + moreOutput,
        });
        const held = biller.rate(bound, target(vendor, name), day * dayMs + heldAt, { dearest: true });
        const ended = biller.rate(used, target(vendor, name), day * dayMs + endedAt);
        if (ended.costNano > held.costNano)
          throw new Error(`${vendor}/${name}: ${ended.costNano} over ${held.costNano}`);
      },
    ),
    { numRuns: 5_000 },
  );
});

describe("names and sizes", () => {
  test("a vendor's names are found again, and only once each", () => {
    const names = bundledNames("openai");
    expect(names).toContain("gpt-5");
    expect(names).toContain("gpt-5-2025-08-07");
    expect(new Set(names).size).toBe(names.length);
    // An id of the data that the vendor itself does not know is no name.
    expect(bundledNames("fireworks")).not.toContain("kimi-k2p5");
    expect(bundledNames("fireworks")).toContain("accounts/fireworks/models/kimi-k2p5");
  });

  test("a reseller prices its maker's models but does not claim their names", () => {
    expect(findBundled("azure", "gpt-5")).toMatchObject({ vendor: "openai", id: "gpt-5" });
    expect(bundledNames("azure")).not.toContain("gpt-5");
  });

  test("unknown vendors have none", () => {
    expect(makeLedger().models?.("nobody")).toEqual([]);
    expect(makeLedger().models?.("echo")).toEqual([]);
    expect(makeLedger().facts?.(target("nobody", "x"), atMs)).toBeNull();
  });

  test("sizes come from the data and our own table, by name before entry", () => {
    const facts = (vendor: string, model: string) => makeLedger().facts?.(target(vendor, model), atMs);
    expect(facts("anthropic", "claude-opus-4-1-20250805")).toMatchObject({
      contextWindow: 200_000,
      maxOutputTokens: 32_000,
    });
    expect(facts("openai", "gpt-5-chat-latest")).toMatchObject({ maxOutputTokens: 16_384 });
    expect(facts("openai", "gpt-5-codex")).toMatchObject({ maxOutputTokens: 128_000 });
    expect(facts("azure", "gpt-4o")).toMatchObject({ contextWindow: 128_000, maxOutputTokens: 16_384 });
    expect(facts("groq", "constructor")).toBeNull();
    expect(maxOutputTokensOf("openai", "constructor", "toString")).toBeNull();
  });

  test("every model of our table is one of the book", () => {
    expect(knownMaxima.filter(({ vendor, model }) => findBundled(vendor, model) === null)).toEqual([]);
  });
});

function theirUsage(used: Usage) {
  return {
    input_tokens: used.inputTokens,
    output_tokens: used.outputTokens,
    cache_read_tokens: used.cacheReadTokens,
    cache_write_tokens: used.cacheWriteTokens,
    cache_write_1h_tokens: used.cacheWrite1hTokens,
    output_reasoning_tokens: used.reasoningTokens,
    input_audio_tokens: used.inputAudioTokens,
    cache_audio_read_tokens: used.cacheReadAudioTokens,
    output_audio_tokens: used.outputAudioTokens,
  };
}

function unpricedThere(prices: Readonly<Record<string, unknown>>, used: Usage): boolean {
  const has = (key: string) => prices[key] !== undefined;
  return (
    !(has("input_mtok") || has("output_mtok")) ||
    (used.inputTokens > 0 && !has("input_mtok")) ||
    (used.outputTokens > 0 && !has("output_mtok"))
  );
}

const allClasses = (inputTokens: number): Usage => ({
  inputTokens,
  outputTokens: 1_007,
  cacheReadTokens: 2_003,
  cacheReadAudioTokens: 501,
  cacheWriteTokens: 1_009,
  cacheWrite1hTokens: 401,
  inputAudioTokens: 1_501,
  reasoningTokens: 307,
  outputAudioTokens: 203,
});

/** Parts within their totals, as the calculator insists. */
const wellFormedUsages: fc.Arbitrary<Usage> = fc
  .record({
    fresh: fc.nat(300_000),
    audio: fc.nat(500),
    read: fc.nat(9_000),
    readAudio: fc.nat(500),
    write: fc.nat(9_000),
    hour: fc.nat(900),
  })
  .chain((input) =>
    fc.record({ text: fc.nat(9_000), reasoning: fc.nat(9_000), audio: fc.nat(900) }).map((output) => ({
      inputTokens: input.fresh + input.audio + input.read + input.readAudio + input.write + input.hour,
      outputTokens: output.text + output.reasoning + output.audio,
      cacheReadTokens: input.read + input.readAudio,
      cacheReadAudioTokens: input.readAudio,
      cacheWriteTokens: input.write + input.hour,
      cacheWrite1hTokens: input.hour,
      inputAudioTokens: input.audio + input.readAudio,
      reasoningTokens: output.reasoning,
      outputAudioTokens: output.audio,
    })),
  );

const count = fc.oneof(fc.nat(1_000), fc.nat(1_500_000));
const anyUsages: fc.Arbitrary<Usage> = fc.record({
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheReadAudioTokens: count,
  cacheWriteTokens: count,
  cacheWrite1hTokens: count,
  inputAudioTokens: count,
  reasoningTokens: count,
  outputAudioTokens: count,
});
