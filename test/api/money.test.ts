import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "llm-proxy/plugin";
import { nanoOf } from "../../core/api/money.ts";

const outcome = (usd: number | string): number | string => {
  try {
    return nanoOf(usd, "usd");
  } catch (error) {
    return error instanceof GatewayError ? `${error.status} ${String(error.details.param)}` : String(error);
  }
};

describe("an amount in USD", () => {
  test.each([
    [1, 1_000_000_000],
    [0.1, 100_000_000],
    [0.3, 300_000_000],
    [1.005, 1_005_000_000],
    [19.99, 19_990_000_000],
    [0.000000001, 1],
    [1e-9, 1],
    [1e-7, 100],
    [2.5e-8, 25],
    [9.99e-7, 999],
    [123456.789, 123_456_789_000_000],
    [1e6, 1_000_000_000_000_000],
    ["1", 1_000_000_000],
    ["0.1", 100_000_000],
    ["1.000000001", 1_000_000_001],
    ["0.000000001", 1],
    ["007", 7_000_000_000],
    ["1.50", 1_500_000_000],
    ["9007199.254740991", 9_007_199_254_740_991],
  ] as const)("%p is %d nano-USD", (usd, nano) => expect(outcome(usd)).toBe(nano));

  test.each([
    0,
    -0,
    -1,
    -0.1,
    1e-10,
    1.5e-9,
    0.0000000001,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
    1e21,
    1e30,
    2 ** 53,
    9_007_199.254740993,
    1e7,
    "",
    " ",
    "0",
    "0.000000000",
    "-1",
    "+1",
    "1e9",
    "1e-3",
    "1.",
    ".5",
    "1,5",
    "1_000",
    "0x10",
    "1 ",
    " 1",
    "1\n",
    "１",
    "$1",
    "Infinity",
    "NaN",
    "1.0000000001",
    "9007199.254740992",
    "99999999999999999",
    "1".repeat(32),
  ])("%p is refused", (usd) => expect(outcome(usd)).toBe("400 usd"));

  test("any amount that can be written is read to the last digit, as text and, where it can say it, as a number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (nano) => {
        const digits = String(nano).padStart(10, "0");
        const text = `${digits.slice(0, -9)}.${digits.slice(-9)}`;
        expect(outcome(text)).toBe(nano);
        // Fifteen digits are what every double keeps.
        if (nano < 1e15) expect(outcome(Number(text))).toBe(nano);
      }),
      { numRuns: 2_000 },
    );
  });
});
