import { expect, test } from "bun:test";
import fc from "fast-check";
import { change, count, duration, share, splitUsd, took, usd } from "../../views/format.ts";
import { cut, name, time } from "../../views/text.ts";

test("money is shown to the last digit", () => {
  expect(usd(123_000)).toBe("$0.000123");
  expect(usd(1)).toBe("$0.000000001");
  expect(usd(0)).toBe("$0.00");
  expect(usd(1_234_567_890_000_000)).toBe("$1,234,567.89");
  expect(usd(-1_500_000_000)).toBe("−$1.50");
  expect(usd(9_007_199_254_740_991)).toBe("$9,007,199.254740991");
  expect(usd(10n ** 30n)).toBe("$1,000,000,000,000,000,000,000.00");
  expect(usd(null)).toBe("–");
  expect(usd(Number.NaN)).toBe("–");
  expect(usd(0.5)).toBe("–");
  expect(splitUsd(12_345_678_912)).toEqual({ whole: "$12.34", fine: "5678912" });
});

test("the shown amount reads back as the same number of nano-dollars", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), (nano) => {
      const [whole = "", decimals = ""] = usd(nano).replace(/[$,]/g, "").replace("−", "-").split(".");
      const size = BigInt(whole.replace("-", "")) * 1_000_000_000n + BigInt(decimals.padEnd(9, "0"));
      expect(whole.startsWith("-") ? -size : size).toBe(nano);
      expect(decimals.length).toBeGreaterThanOrEqual(2);
    }),
  );
});

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1_234_567, "1,234,567"],
  [null, "–"],
])("count %p is %p", (value, text) => expect(count(value)).toBe(text));

test.each([
  [0, "0 ms"],
  [999.9, "999 ms"],
  [1000, "1.00 s"],
  [59_999, "59.99 s"],
  [60_000, "1 min 00 s"],
  [3_599_999, "59 min 59 s"],
  [3_840_000, "1 h 04 min"],
  [-1, "–"],
  [null, "–"],
])("duration %p is %p", (value, text) => expect(duration(value)).toBe(text));

test.each([
  [0, "0 µs"],
  [9_999, "9,999 µs"],
  [10_000, "10 ms"],
  [1_845_000, "1.84 s"],
])("%p microseconds are %p", (value, text) => expect(took(value)).toBe(text));

test("a share is cut and never hides what is there", () => {
  expect([share(1, 3), share(0, 5), share(5, 5), share(1, 100_000), share(1, 0)]).toEqual([
    "33.3 %",
    "0.0 %",
    "100.0 %",
    "< 0.1 %",
    "–",
  ]);
});

test.each([
  [112, 100, "+12.0 %"],
  [2, 3, "−33.3 %"],
  [0, 5, "−100.0 %"],
  [5, 5, "0.0 %"],
  [1_000_001, 1_000_000, "+0.0 %"],
  [999_999, 1_000_000, "−0.0 %"],
  [9_007_199_254_740_991, 1, "+900,719,925,474,099,000.0 %"],
  [-1, -2, "+50.0 %"],
  [7, 0, "new"],
  [0, 0, "–"],
  [Number.NaN, 1, "–"],
  [18_014_398_509_481_982n, 9_007_199_254_740_991, "+100.0 %"],
  [0, 18_014_398_509_481_982n, "−100.0 %"],
])("%p after %p is %p", (now, before, text) => expect(change(now, before)).toBe(text));

test("times are UTC and machine-readable; what is no time is none", () => {
  const shown = time(Date.UTC(2025, 10, 23, 4, 6, 5, 78)).value;
  expect(shown).toContain('datetime="2025-11-23T04:06:05.078Z"');
  expect(shown).toContain(">23 Nov 04:06:05</time>");
  for (const none of [null, Number.NaN, 8.64e15 + 1]) expect(time(none).value).toContain("–");
});

test("names are isolated, cut by characters, and keep the rest as a tooltip", () => {
  expect(cut("😀".repeat(10), 3)).toBe("😀😀😀…");
  expect(cut("abc", 3)).toBe("abc");
  const long = name("\u202eevil".repeat(40_000)).value;
  expect(long).toStartWith('<bdi class="name"');
  expect(long.length).toBeLessThan(600);
});

test("a name shows what would turn it around", () => {
  expect(name("\u202egnp.exe").value).toContain(">⟨U+202E⟩gnp.exe</bdi>");
  expect(cut("a\u2066b\u2069", 40)).toBe("a⟨U+2066⟩b⟨U+2069⟩");
});
