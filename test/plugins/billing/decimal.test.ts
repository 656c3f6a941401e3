import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decimalOf,
  decimals,
  divideRoundingUp,
  formatDecimal,
  parseDecimal,
} from "../../../plugins/billing/decimal.ts";

const one = 10n ** BigInt(decimals);

describe("parseDecimal", () => {
  test.each([
    ["0", 0n],
    ["15", 15n * one],
    ["0.0375", (375n * one) / 10_000n],
    ["3.75e-2", (375n * one) / 10_000n],
    ["1E+3", 1000n * one],
    ["007.50", (75n * one) / 10n],
    ["0.000000000000000001", 1n],
    ["1e-18", 1n],
    ["10e-19", 1n],
  ])("reads %s", (text, value) => {
    expect(parseDecimal(text)).toBe(value);
  });

  test.each([
    "",
    " 1",
    "-1",
    "+1",
    "1.",
    ".5",
    "1,5",
    "NaN",
    "Infinity",
    "0x10",
    "1e",
    "1_000",
    "$1",
    "1e-19",
    "0.0000000000000000001",
    "9".repeat(65),
  ])("refuses %j", (text) => {
    expect(() => parseDecimal(text)).toThrow(RangeError);
  });

  test("what is printed reads back the same, and has no needless zeros", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 40n }), (value) => {
        const text = formatDecimal(value);
        expect(parseDecimal(text)).toBe(value);
        expect(text).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
      }),
    );
  });

  test("digits around a point are their own value", () => {
    fc.assert(
      fc.property(fc.nat(), fc.stringMatching(/^\d{1,18}$/), (whole, fraction) => {
        const expected = BigInt(whole) * one + BigInt(fraction.padEnd(decimals, "0"));
        expect(parseDecimal(`${whole}.${fraction}`)).toBe(expected);
      }),
    );
  });

  test("an exponent moves the point", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: decimals }), (digits, places) => {
        expect(parseDecimal(`${digits}e-${places}`) * 10n ** BigInt(places)).toBe(BigInt(digits) * one);
        expect(parseDecimal(`${digits}e${places}`)).toBe(BigInt(digits) * one * 10n ** BigInt(places));
      }),
    );
  });
});

test("a double is the decimal it prints as", () => {
  expect(decimalOf(0.1) + decimalOf(0.2)).toBe(decimalOf(0.3));
  expect(formatDecimal(decimalOf(5e-7))).toBe("0.0000005");
  expect(formatDecimal(decimalOf(1e21))).toBe("1000000000000000000000");
  fc.assert(
    fc.property(fc.nat(1_000_000_000), fc.nat(12), (digits, places) => {
      const value = Number(`${digits}e-${places}`);
      expect(Number(formatDecimal(decimalOf(value)))).toBe(value);
    }),
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1]) expect(() => decimalOf(value)).toThrow(RangeError);
});

test("dividing rounds up to the next whole, and only if something is left", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 30n }),
      fc.bigInt({ min: 1n, max: 10n ** 20n }),
      (dividend, divisor) => {
        const quotient = divideRoundingUp(dividend, divisor);
        expect(quotient * divisor >= dividend).toBe(true);
        expect((quotient - 1n) * divisor < dividend).toBe(true);
      },
    ),
  );
});
