import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BookEntry, ChargeRow } from "llm-proxy/plugin";
import { timelineOf, valueAt, valuesIn } from "../../../plugins/billing/timeline.ts";
import { atMs, defaultPolicy, makeLedger, makeNamingLedger, target, usage } from "./ledger-fixture.ts";

const hourMs = 3_600_000;
const million = usage({ inputTokens: 1_000_000 });
const usd = (nano: number) => nano / 1e9;

let made = 0;
const price = (at: string, input: string | null, fromMs = atMs): BookEntry => ({
  id: `p${(made += 1)}`,
  kind: "price",
  target: at,
  effectiveMs: fromMs,
  prices: input === null ? null : { input, output: "0" },
});
const terms = (
  account: string | null,
  at: string,
  given: (BookEntry & { kind: "charge" })["terms"],
  fromMs = atMs,
): BookEntry => ({ id: `t${(made += 1)}`, kind: "charge", account, target: at, effectiveMs: fromMs, terms: given });

describe("prices that were set", () => {
  const biller = () => makeLedger([{ target: "openai/gpt-5", input: "7", output: "0" }]);
  const costAt = (ledger: ReturnType<typeof biller>, model: string, time: number) =>
    usd(ledger.rate(million, target("openai", model), time).costNano);

  test("one that could not be set any more stays in use, and stops no start", () => {
    const ledger = biller();
    const prices = { input: "9", output: "0", image: "2", most: { image: 1_000_000 } };
    ledger.adopt?.([{ id: "dear", kind: "price", target: "openai/gpt-5", effectiveMs: atMs, prices }]);
    expect(costAt(ledger, "gpt-5", atMs)).toBe(9);
  });

  test("hold from their time on, before the file and the book, and not before it", () => {
    const ledger = biller();
    ledger.adopt?.([price("openai/gpt-5", "9", atMs + 5), price("openai/gpt-4o", "8", atMs + 5)]);
    expect([costAt(ledger, "gpt-5", atMs + 4), costAt(ledger, "gpt-5", atMs + 5)]).toEqual([7, 9]);
    expect([costAt(ledger, "gpt-4o", atMs + 4), costAt(ledger, "gpt-4o", atMs + 5)]).toEqual([2.5, 8]);
  });

  test("the exact target holds before prefixes, the longer before the shorter, whenever they were set", () => {
    const ledger = biller();
    ledger.adopt?.([
      price("openai/gpt-5", "1"),
      price("openai/gpt-*", "2", atMs + 10),
      price("openai/*", "3", atMs + 20),
    ]);
    const costs = ["gpt-5", "gpt-4o", "o3"].map((model) => costAt(ledger, model, atMs + 30));
    expect(costs).toEqual([1, 2, 3]);
  });

  test("one that takes its target's price back lets what lies below hold", () => {
    const ledger = biller();
    ledger.adopt?.([price("openai/*", "3"), price("openai/gpt-5", "9"), price("openai/gpt-5", null, atMs + 10)]);
    expect(costAt(ledger, "gpt-5", atMs + 9)).toBe(9);
    expect(costAt(ledger, "gpt-5", atMs + 10)).toBe(3);
    ledger.adopt?.([price("openai/gpt-5", "9"), price("openai/gpt-5", null, atMs + 10)]);
    expect(costAt(ledger, "gpt-5", atMs + 10)).toBe(7);
  });

  test("what was taken over before is gone with the next take-over; the row says which price it was", () => {
    const ledger = biller();
    const entry = price("openai/gpt-5", "9");
    ledger.adopt?.([entry]);
    expect(ledger.rate(million, target("openai", "gpt-5"), atMs).priceVersion).toBe(`database:${entry.id}`);
    ledger.adopt?.([]);
    expect(ledger.rate(million, target("openai", "gpt-5"), atMs).priceVersion).toMatch(/^config:/);
  });

  test("a model that nobody knew gets a price, and a size, from its entry", () => {
    const ledger = biller();
    const entry: BookEntry = {
      id: "new",
      kind: "price",
      target: "lab/x",
      effectiveMs: atMs,
      prices: { input: "1", output: "2", contextWindow: 4_096, maxOutputTokens: 512 },
    };
    ledger.adopt?.([entry]);
    expect(() => ledger.rate(million, target("lab", "x"), atMs - 1)).toThrow("has no price");
    expect(costAt(ledger, "gpt-5", atMs)).toBe(7);
    expect(usd(ledger.rate(million, target("lab", "x"), atMs).costNano)).toBe(1);
    expect(ledger.facts?.(target("lab", "x"), atMs)).toEqual({
      model: "x",
      contextWindow: 4_096,
      maxOutputTokens: 512,
    });
  });

  describe("say how large a model is while they hold", () => {
    const size = (at: string, contextWindow: number | null, fromMs = atMs, more: object = {}): BookEntry => ({
      id: `s${(made += 1)}`,
      kind: "price",
      target: at,
      effectiveMs: fromMs,
      prices: { input: "1", output: "2", ...(contextWindow !== null && { contextWindow }), ...more },
    });
    const sized = (entries: readonly BookEntry[]) => {
      const ledger = makeLedger([
        { target: "lab/x", input: "1", output: "0", contextWindow: 400, maxOutputTokens: 40 },
      ]);
      ledger.adopt?.(entries);
      return ledger;
    };
    const windowAt = (entries: readonly BookEntry[], time: number) =>
      sized(entries).facts?.(target("lab", "x"), time)?.contextWindow;

    test("not before, and not after they were taken back", () => {
      const entries = [size("lab/x", 10, atMs + 5), price("lab/x", null, atMs + 10)];
      expect([4, 5, 9, 10].map((after) => windowAt(entries, atMs + after))).toEqual([400, 10, 10, 400]);
    });

    test("the exact target before prefixes, whenever they were set", () => {
      const entries = [size("lab/x", 300), size("lab/*", 10, atMs + 5)];
      expect(windowAt(entries, atMs + 5)).toBe(300);
      expect(windowAt([...entries, price("lab/x", null, atMs + 9)], atMs + 9)).toBe(10);
    });

    test("what they leave out is what lies below says, but for the most units, which go with the price", () => {
      const units = { image: "0.1", most: { image: 3 } };
      const ledger = sized([size("lab/x", null, atMs, units), size("lab/x", 10, atMs + 5)]);
      const below = { model: "x", contextWindow: 400, maxOutputTokens: 40 };
      expect(ledger.facts?.(target("lab", "x"), atMs - 1)).toEqual(below);
      expect(ledger.facts?.(target("lab", "x"), atMs)).toEqual({ ...below, most: { image: 3 } });
      expect(ledger.facts?.(target("lab", "x"), atMs + 5)).toEqual({ ...below, contextWindow: 10 });
    });

    test("a hold is told of all that hold before the call can have ended", () => {
      const ledger = sized([
        size("lab/x", 10),
        size("lab/x", 200, atMs + hourMs),
        size("lab/x", 500, atMs + 2 * hourMs),
      ]);
      const ahead = (time: number) =>
        ledger.factsAhead?.(target("lab", "x"), time).map(({ contextWindow }) => contextWindow);
      expect(ahead(atMs)).toContain(200);
      expect(ahead(atMs)).not.toContain(500);
      expect(ahead(atMs - 1)).not.toContain(200);
      expect(ahead(atMs + hourMs)).toContain(500);
      expect(makeLedger().factsAhead?.(target("nobody", "x"), atMs)).toEqual([]);
    });
  });

  test("a hold covers a price that begins before the call can have ended", () => {
    const ledger = biller();
    ledger.adopt?.([price("openai/gpt-5", "90", atMs + hourMs), price("openai/gpt-5", "900", atMs + 2 * hourMs)]);
    const held = (time: number) =>
      usd(ledger.rate(million, target("openai", "gpt-5"), time, { dearest: true }).costNano);
    expect(held(atMs - 1)).toBe(7);
    expect(held(atMs)).toBe(90);
    expect(held(atMs + hourMs)).toBe(900);
    expect(held(atMs + 3 * hourMs)).toBe(900);
  });

  test("one that cannot be used changes nothing", () => {
    const ledger = biller();
    ledger.adopt?.([price("openai/gpt-5", "9")]);
    expect(() => ledger.adopt?.([price("openai/gpt-5", "free")])).toThrow("is not a decimal");
    expect(costAt(ledger, "gpt-5", atMs)).toBe(9);
  });
});

test("a timeline is what a look at all claims at each moment says", () => {
  const claims = fc.array(
    fc.record({
      fromMs: fc.nat(20),
      rank: fc.constantFrom(1, 2, 3),
      value: fc.option(fc.nat(99), { nil: null }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(claims, fc.integer({ min: -1, max: 25 }), fc.nat(10), (found, time, ahead) => {
      const dated = found.map((claim) => ({ ...claim, claimant: `of rank ${claim.rank}` }));
      const naive = (atTime: number) => {
        for (const rank of [3, 2, 1]) {
          const of = dated.filter((claim) => claim.rank === rank && claim.fromMs <= atTime);
          const lastMs = Math.max(...of.map(({ fromMs }) => fromMs));
          const value = of.findLast(({ fromMs }) => fromMs === lastMs)?.value ?? null;
          if (value !== null) return value;
        }
        return -1;
      };
      const timeline = timelineOf(-1, dated);
      expect(valueAt(timeline, time)).toBe(naive(time));
      const every = Array.from({ length: ahead + 1 }, (_, at) => naive(time + at));
      expect(new Set(valuesIn(timeline, time, time + ahead))).toEqual(new Set(every));
    }),
    { numRuns: 2_000 },
  );
});

describe("what is charged", () => {
  const ledgerWith = (charges: readonly ChargeRow[]) =>
    makeNamingLedger([{ target: "lab/*", input: "1", output: "0" }], { ...defaultPolicy, charges });
  const at = target("lab", "x");
  const rated = async (charges: readonly ChargeRow[], accounts: readonly string[] = [], inputTokens = 1_000_000) =>
    (await ledgerWith(charges)).rate(usage({ inputTokens }), at, atMs, { accounts });

  test.each<[string, ChargeRow, number]>([
    ["a margin", { margin: "20" }, 1_200_000_000],
    ["a discount", { discount: "12.5" }, 875_000_000],
    ["the whole as a discount", { discount: "100" }, 0],
    ["a fee", { fee: "0.000000001" }, 1_000_000_001],
    ["all of them", { margin: "10", discount: "10", fee: "0.01" }, 1_000_000_000],
  ])("%s leaves the cost as it is", async (_, row, chargeNano) => {
    expect(await rated([row])).toMatchObject({ costNano: 1_000_000_000, chargeNano });
    expect((await rated([row])).terms).toEqual({ version: expect.stringMatching(/^config:[0-9a-f]{12}$/), ...row });
  });

  test("no row: the charge is the cost, and nothing is said of terms", async () => {
    expect(await rated([])).toEqual(expect.not.objectContaining({ terms: expect.anything() }));
    expect((await rated([{ account: "acme", margin: "50" }], ["other"])).chargeNano).toBe(1_000_000_000);
  });

  test("is rounded up once, from the exact sum", async () => {
    // 1 token at 1 USD per million is 1,000 nano-USD; a third of a percent of it is 3.333…
    expect((await rated([{ margin: "0.333333333333333333" }], [], 1)).chargeNano).toBe(1_004);
    const tiny = makeLedger([{ target: "lab/*", input: "0.0001", output: "0" }], {
      ...defaultPolicy,
      charges: [{ margin: "100" }],
    });
    // 0.1 nano-USD: 1 of cost, and 0.2 of charge, not twice the rounded cost.
    expect(tiny.rate(usage({ inputTokens: 1 }), at, atMs)).toMatchObject({ costNano: 1, chargeNano: 1 });
  });

  test("the nearest account's row holds, of one account's the most specific", async () => {
    const rows: readonly ChargeRow[] = [
      { margin: "1" },
      { account: "org", target: "lab/x", margin: "2" },
      { account: "Team", target: "lab/*", margin: "3" },
      { account: "team", margin: "4" },
    ];
    const ledger = await ledgerWith(rows);
    const charge = (accounts: readonly string[], model = "x") =>
      ledger.rate(million, target("lab", model), atMs, { accounts }).chargeNano / 10_000_000 - 100;
    expect(charge(["user", "team", "org"])).toBe(3);
    expect(charge(["other", "org"])).toBe(2);
    expect(charge(["other", "org"], "y")).toBe(1);
    expect(charge([])).toBe(1);
  });

  test("terms that were set hold from their time on, by the same order, until they are taken back", async () => {
    const ledger = await ledgerWith([{ account: "org", margin: "1" }]);
    ledger.adopt?.([
      terms(null, "*", { margin: "50" }),
      terms("org", "*", { discount: "50" }, atMs + 10),
      terms("org", "*", null, atMs + 20),
    ]);
    const charge = (time: number) => usd(ledger.rate(million, at, time, { accounts: ["org"] }).chargeNano);
    expect([atMs - 1, atMs, atMs + 10, atMs + 20].map(charge)).toEqual([1.01, 1.5, 0.5, 1.5]);
  });

  test("a hold covers the dearest charge to come, and any charge of an end", async () => {
    const ledger = await ledgerWith([{ margin: "5", fee: "0.001" }]);
    ledger.adopt?.([terms(null, "*", { margin: "90" }, atMs + 60_000)]);
    const held = ledger.rate(million, at, atMs, { dearest: true });
    expect(usd(held.chargeNano)).toBe(1.9);
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(120_000), (inputTokens, after) => {
        const { chargeNano } = ledger.rate(usage({ inputTokens }), at, atMs + after);
        expect(chargeNano).toBeLessThanOrEqual(held.chargeNano);
      }),
    );
  });

  test.each<[string, readonly ChargeRow[]]>([
    ["charges[0].discount: more than 100 percent", [{ discount: "101" }]],
    ["charges[0].margin: not a decimal", [{ margin: "much" }]],
    ["charges[1].account: no account has this id or name", [{ fee: "1" }, { account: "Nobody", fee: "1" }]],
    ["charges[1]: the same account and target as charges[0]", [{ fee: "1" }, { target: "*", fee: "2" }]],
    [
      "charges[2]: the same account and target as charges[0]",
      [
        { account: "org", target: "lab/x", fee: "1" },
        { account: "org", target: "lab/*", fee: "1" },
        { account: "Org", target: "lab/x", fee: "2" },
      ],
    ],
  ])("what is wrong stops the boot and says where: %s", async (message, rows) => {
    expect(await ledgerWith(rows).catch(String)).toContain(message);
  });
});

describe("the list of the book", () => {
  const rows = makeLedger([{ target: "lab/*", input: "1", output: "2", request: "0.5" }]).prices?.([
    { provider: "openai", vendor: "openai" },
    { provider: "openai-eu", vendor: "openai" },
    { provider: "lab", vendor: "lab" },
  ]);
  test("has the rows of the file first, as they are written", () => {
    expect(rows?.[0]).toMatchObject({
      target: "lab/*",
      source: "config",
      effectiveMs: null,
      prices: { input: "1", output: "2", request: "0.5" },
    });
  });
  test("has the bundled prices of every vendor, with times and tiers, and under an instance's own name", () => {
    const of = (name: string) => rows?.filter((row) => row.target === name) ?? [];
    expect(of("google/gemini-2.5-pro")[0]?.prices).toEqual({
      input: "1.25",
      cacheRead: "0.125",
      output: "10",
      contextTiers: [{ above: 200_000, input: "2.5", cacheRead: "0.25", output: "15" }],
    });
    expect(of("openai/o3").map(({ effectiveMs }) => effectiveMs)).toEqual([null, Date.parse("2025-06-10T00:00:00Z")]);
    expect(of("deepseek/deepseek-chat")[1]?.daily).toEqual({ startMs: 1_800_000, endMs: 59_400_000 });
    expect(of("openai-eu/gpt-5")[0]).toMatchObject({ contextWindow: 400_000, maxOutputTokens: 128_000 });
    expect(of("perplexity/sonar-pro")[0]?.prices?.request).toBe("0.014");
  });
  test("prices as it says: a row of prices: with what is listed costs the same as the book", () => {
    const biller = makeLedger();
    const used = usage({
      inputTokens: 300_000,
      cacheReadTokens: 1_001,
      cacheWriteTokens: 707,
      outputTokens: 333,
      reasoningTokens: 31,
      inputImageTokens: 55,
      webSearches: 2,
      fileSearches: 3,
    });
    const differing: string[] = [];
    let compared = 0;
    for (const { target: name, prices, effectiveMs, daily } of biller.prices?.([]) ?? []) {
      const { input, output } = prices ?? {};
      // What holds at a time of day, or has no general price, is no row of the file.
      if (daily || input === undefined || output === undefined) continue;
      const slash = name.indexOf("/");
      const at = target(name.slice(0, slash), name.slice(slash + 1));
      const row = makeLedger([{ target: "lab/*", ...prices, input, output }]);
      const time = effectiveMs ?? 0;
      const listed = row.rate(used, target("lab", "x"), time).costNano;
      const booked = costOrNull(() => biller.rate(used, at, time).costNano);
      // An id that no clause of its entry names is not what the vendor calls the model.
      if (booked === null) continue;
      compared += 1;
      if (booked !== listed) differing.push(name);
    }
    expect(compared).toBeGreaterThan(1_300);
    expect(differing).toEqual([]);
  });
});

function costOrNull(cost: () => number): number | null {
  try {
    return cost();
  } catch {
    return null;
  }
}
