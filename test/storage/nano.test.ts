import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Nano, nanoInJson, plusNano } from "../../core/storage/nano.ts";

/** As a sum is: a bigint only where a number does not hold it. */
const nano = fc
  .oneof(fc.bigInt({ min: -(2n ** 55n), max: 2n ** 55n }), fc.bigInt({ min: 2n ** 53n - 5n, max: 2n ** 53n + 5n }))
  .map((exact): Nano => (exact >= -(2n ** 53n) + 1n && exact < 2n ** 53n ? Number(exact) : exact));

describe("sums of nano-USD", () => {
  test("keep every digit, and are numbers wherever these hold them", () => {
    fc.assert(
      fc.property(nano, nano, (left, right) => {
        const sum = plusNano(left, right);
        expect(BigInt(sum)).toBe(BigInt(left) + BigInt(right));
        expect(typeof sum).toBe(Number.isSafeInteger(Number(sum)) ? "number" : "bigint");
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [0, 0],
    [2 ** 53 - 1, 9_007_199_254_740_991],
    [2n ** 53n, "9007199254740992"],
    [null, null],
  ])("%p is %p in JSON", (given, shown) => expect(nanoInJson(given)).toBe(shown));
});
