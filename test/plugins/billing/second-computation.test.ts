import { afterAll, describe, expect, test } from "bun:test";
import { type Provider, waitForUpdate } from "@pydantic/genai-prices";
import fc from "fast-check";
import type { PriceRow, PriceSet, Usage } from "llm-proxy/plugin";
import type { ReportedUsage } from "../../../core/chat/usage.ts";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { bundledNames } from "../../../plugins/billing/bundled-book.ts";
import { bytesOf, meterSse } from "../../contract/dialect.ts";
import { type Recording, recordingsOf } from "../../dialects/recordings.ts";
import { bundledNano, rowNano } from "./fractions.ts";
import { atMs, makeLedger, target, usage } from "./ledger-fixture.ts";

const providers: readonly Provider[] = (await waitForUpdate()) ?? [];
const named = providers.flatMap(({ id }) => bundledNames(id).map((name) => ({ vendor: id, name })));

/** A row that prices everything apart, with odd digits, so that a token in the wrong class shows. */
const full: PriceRow = {
  target: "lab/*",
  input: "1.0000000001",
  output: "9.70300000000000007",
  cacheRead: "0.1130000000000001",
  cacheWrite: "1.2710000001",
  cacheWrite1h: "2.0390001",
  reasoning: "11.1700001",
  inputAudio: "31.0000003",
  outputAudio: "63.0000007",
  inputImage: "7.77000000001",
  outputImage: "29.9100000000003",
  request: "0.00123456789012",
  webSearch: "0.0101000000003",
  fileSearch: "0.00250000000007",
  image: "0.0421000000007",
  second: "0.000100000000003",
  character: "15.0300000000001",
  most: { image: 9, second: 9, character: 9_000 },
  contextTiers: [
    { above: 5_000, input: "1.9", output: "15.3" },
    { above: 1_000, input: "1.5", cacheRead: "0.19" },
  ],
  serviceTiers: {
    batch: { input: "0.503", output: "4.87" },
    priority: {
      input: "2.11",
      output: "20.9",
      cacheRead: "0.3",
      request: "0.5",
      contextTiers: [{ above: 900, output: "33.1" }],
    },
  },
};

/** Names of the recordings that are not those of the book. */
const vendorOf: Readonly<Record<string, string>> = { xai: "x-ai" };

describe("recordings", () => {
  const covered: Record<string, number> = {};
  const count = (what: string) => (covered[what] = (covered[what] ?? 0) + 1);
  afterAll(() => console.log(`costs of recordings: ${JSON.stringify(covered)}`));

  for (const dialect of dialects.values()) {
    test(`every one of ${dialect.name} with usage costs what the second computation says`, () => {
      const biller = makeLedger([full]);
      for (const recording of recordingsOf(dialect.name)) {
        const reported = usageIn(dialect, recording);
        if (reported === null) continue;
        const { usage: used, serviceTier } = reported;
        const tiers = serviceTier === undefined ? {} : { serviceTier };
        if (used.webSearches !== undefined) count(`${dialect.name} with searches`);
        if (used.fileSearches !== undefined) count(`${dialect.name} with searches of files`);
        if (used.outputImageTokens !== undefined) count(`${dialect.name} with images in the output`);
        const own = biller.rate(used, target("lab", "any"), atMs, tiers);
        expect({ id: recording.id, nano: BigInt(own.costNano) }).toEqual({
          id: recording.id,
          nano: rowNano(full, used, standardOr(serviceTier)) ?? -1n,
        });
        count(`${dialect.name} by a row of ours`);
        const vendor = vendorOf[recording.provider] ?? recording.provider;
        const model = modelIn(recording);
        // The package guesses vendors from parts of their names, the book does not.
        const known = providers.some(({ id }) => id === vendor);
        const expected = known ? bundledNano(vendor, model, used, atMs) : null;
        if (expected === null) {
          expect(() => biller.rate(used, target(vendor, model), atMs, tiers)).toThrow("has no price");
          count(`${dialect.name} without a price in the book`);
          continue;
        }
        const { costNano } = biller.rate(used, target(vendor, model), atMs, tiers);
        expect({ id: recording.id, model, nano: BigInt(costNano) }).toEqual({
          id: recording.id,
          model,
          nano: expected,
        });
        count(`${dialect.name} by the book`);
      }
    });
  }
});

test("random usages cost what the second computation says, by every row of the book", () => {
  const biller = makeLedger();
  fc.assert(
    fc.property(fc.constantFrom(...named), usages(), fc.integer({ min: 1.7e12, max: 1.81e12 }), (model, used, time) => {
      const expected = bundledNano(model.vendor, model.name, used, time);
      const at = target(model.vendor, model.name);
      if (expected === null) expect(() => biller.rate(used, at, time)).toThrow("has no price");
      else expect(BigInt(biller.rate(used, at, time).costNano)).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
});

test("random usages cost what the second computation says, by random rows, in every tier; the dearest is not below", () => {
  fc.assert(
    fc.property(rows(), usages(), fc.constantFrom(undefined, "batch", "priority"), (row, used, serviceTier) => {
      const biller = makeLedger([row]);
      const options = serviceTier === undefined ? {} : { serviceTier };
      const { costNano } = biller.rate(used, target("lab", "x"), atMs, options);
      expect(BigInt(costNano)).toBe(rowNano(row, used, serviceTier) ?? -1n);
      const most = biller.rate(used, target("lab", "x"), atMs, { dearest: true });
      expect(most.costNano).toBeGreaterThanOrEqual(costNano);
    }),
    { numRuns: 3_000 },
  );
});

describe("service tiers", () => {
  const used = usage({ inputTokens: 1_000, outputTokens: 100 });
  const costOf = (serviceTier: string) => makeLedger([full]).rate(used, target("lab", "x"), atMs, { serviceTier });
  test.each([
    ["batch", "batch"],
    ["flex", "batch"],
    ["ON_DEMAND_FLEX", "batch"],
    ["PRIORITY", "priority"],
    ["priority-us", "priority"],
    ["swift-batch", "batch"],
    ["swift-us", undefined],
    ["default", undefined],
    ["standard", undefined],
    ["ON_DEMAND", undefined],
    ["a tier nobody knows", undefined],
  ])("%s is priced as %s", (reported, tier) => {
    const { costNano, lines } = costOf(reported);
    expect(BigInt(costNano)).toBe(rowNano(full, used, tier) ?? -1n);
    expect(new Set(lines.map((line) => line.tier))).toEqual(new Set([tier]));
  });
  test("a hold covers the dearest of them", () => {
    const held = makeLedger([full]).rate(used, target("lab", "x"), atMs, { dearest: true }).costNano;
    expect(held).toBeGreaterThanOrEqual(costOf("priority").costNano);
    expect(held).toBeGreaterThan(costOf("default").costNano);
  });
  test.each([
    ["nobody knows what", "fast-us", "4"],
    ["fast", "fast-us", "4"],
    ["fast-us", "fast-us", "4"],
    ["standard", "us", "2"],
    ["us", "us", "2"],
  ])("a hold of a call that asks for %s covers all up to %s", (serviceTier, most, each) => {
    const row = {
      target: "lab/*",
      input: "1",
      output: "1",
      serviceTiers: {
        fast: { input: "3", output: "3" },
        us: { input: "2", output: "2" },
        "fast-us": { input: "4", output: "4" },
      },
    };
    const biller = makeLedger([row]);
    const asked = serviceTier === "nobody knows what" ? {} : { serviceTier };
    const { costNano, lines } = biller.rate(used, target("lab", "x"), atMs, {
      dearest: true,
      itemised: true,
      ...asked,
    });
    expect(BigInt(costNano)).toBe(rowNano(row, used, most) ?? -1n);
    expect(new Set(lines.map(({ price }) => price))).toEqual(new Set([each]));
  });
  test("a price for long inputs alone is refused, by its place", () => {
    const row = { ...full, contextTiers: [{ above: 9, reasoning: "1" }], reasoning: undefined };
    const { reasoning: _, ...rest } = row;
    expect(() => makeLedger([rest])).toThrow("prices[0].contextTiers[0].reasoning: has no price for shorter inputs");
  });
});

function usageIn(dialect: Dialect, { status, body, sse }: Recording): ReportedUsage | null {
  if (status !== 200) return null;
  if (sse !== null) return meterSse(dialect, [bytesOf(sse)]).metered.usage;
  return body === null ? null : dialect.relay.meterResponse(body).usage;
}

/** The provider's own name of the model where it says one. */
function modelIn({ request, body, sse }: Recording): string {
  const streamed = /"model(?:Version)?"\s*:\s*"([^"]+)"/.exec(sse ?? "")?.[1];
  return String(streamed ?? body?.["model"] ?? body?.["modelVersion"] ?? request?.["model"] ?? "");
}

const standardOr = (serviceTier: string | undefined): string | undefined =>
  serviceTier === "flex" ? "batch" : serviceTier;

const made = { images: fc.nat(9), seconds: fc.nat(9), characters: fc.nat(9_000) };

/** Parts within their totals. */
function usages(): fc.Arbitrary<Usage> {
  const some = fc.oneof(fc.constant(0), fc.nat(50), fc.nat(9_000), fc.nat(400_000));
  return fc
    .record({ text: some, audio: some, image: some, read: some, readAudio: some, write: some, hour: some })
    .chain((input) =>
      fc
        .record({
          text: some,
          reasoning: some,
          audio: some,
          image: some,
          searches: fc.nat(9),
          ofFiles: fc.nat(9),
          ...made,
        })
        .map((output) => ({
          inputTokens: Object.values(input).reduce((sum, part) => sum + part, 0),
          outputTokens: output.text + output.reasoning + output.audio + output.image,
          cacheReadTokens: input.read + input.readAudio,
          cacheReadAudioTokens: input.readAudio,
          cacheWriteTokens: input.write + input.hour,
          cacheWrite1hTokens: input.hour,
          inputAudioTokens: input.audio + input.readAudio,
          inputImageTokens: input.image,
          reasoningTokens: output.reasoning,
          outputAudioTokens: output.audio,
          outputImageTokens: output.image,
          webSearches: output.searches,
          fileSearches: output.ofFiles,
          images: output.images,
          seconds: output.seconds,
          characters: output.characters,
        })),
    );
}

function rows(): fc.Arbitrary<PriceRow> {
  const price = fc
    .tuple(fc.nat(99), fc.stringMatching(/^\d{0,18}$/))
    .map(([whole, digits]) => (digits === "" ? String(whole) : `${whole}.${digits}`));
  const others = fc.record(
    {
      cacheRead: price,
      cacheWrite: price,
      cacheWrite1h: price,
      reasoning: price,
      inputAudio: price,
      outputAudio: price,
      inputImage: price,
      outputImage: price,
      request: price,
      webSearch: price,
      fileSearch: price,
      image: price,
      second: price,
      character: price,
    },
    { requiredKeys: [] },
  );
  const tiers = fc.array(
    fc.record({ above: fc.nat(300_000), input: price, output: price }, { requiredKeys: ["above"] }),
    { maxLength: 3 },
  );
  const distinct = tiers.map((found) => [...new Map(found.map((tier) => [tier.above, tier])).values()]);
  const set: fc.Arbitrary<PriceSet> = fc
    .record({ input: price, output: price, others, contextTiers: distinct })
    .map(({ others: more, ...general }) => ({ ...general, ...more }));
  return fc
    .record({ set, serviceTiers: fc.record({ batch: set, priority: set }, { requiredKeys: [] }) })
    .map(({ set: standard, serviceTiers }) => ({ target: "lab/*", ...standard, serviceTiers, most: { ...full.most } }));
}
