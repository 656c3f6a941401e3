import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { inspectKey, makeKey } from "../../core/identity/key-format.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const form = /^sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/;

describe("a key", () => {
  test("has the documented form, and its parts are what may be shown", () => {
    for (let made = 0; made < 100; made++) {
      const { key, prefix, last4 } = makeKey();
      expect(key).toMatch(form);
      expect(key).toStartWith(`${prefix}-`);
      expect(prefix).toMatch(/^sk-llmp-[0-9A-Za-z]{12}$/);
      expect(key).toEndWith(last4);
      expect(last4).toHaveLength(4);
      expect(inspectKey(key)).toBe("whole");
    }
  });

  test("10,000 are all different, in their public part and in their secret", () => {
    const keys = Array.from({ length: 10_000 }, makeKey);
    expect(new Set(keys.map(({ prefix }) => prefix)).size).toBe(10_000);
    expect(new Set(keys.map(({ key }) => key.slice(-49))).size).toBe(10_000);
  });

  test("every letter is as likely as every other", () => {
    const counts = new Map<string, number>();
    for (let made = 0; made < 5_000; made++)
      for (const letter of makeKey().key.slice(21, 64)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    const expected = (5_000 * 43) / alphabet.length;
    expect(counts.size).toBe(alphabet.length);
    // Six standard deviations: a letter that is a twentieth more likely than the others would be far outside.
    for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(6 * Math.sqrt(expected));
  });

  test("any one changed character shows", () => {
    const { key } = makeKey();
    const passed: string[] = [];
    for (let at = "sk-llmp-".length; at < key.length; at++)
      for (const letter of `${alphabet}-_ é`) {
        if (letter === key[at]) continue;
        const changed = key.slice(0, at) + letter + key.slice(at + 1);
        if (inspectKey(changed) !== "damaged") passed.push(changed);
      }
    expect(passed).toEqual([]);
  });

  test("two swapped neighbours, a lost and a doubled character show", () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 68 }), (at) => {
        const { key } = makeKey();
        const swapped = key.slice(0, at) + key.charAt(at + 1) + key.charAt(at) + key.slice(at + 2);
        if (swapped !== key) expect(inspectKey(swapped)).toBe("damaged");
        expect(inspectKey(key.slice(0, at) + key.slice(at + 1))).toBe("damaged");
        expect(inspectKey(key.slice(0, at) + key.charAt(at) + key.slice(at))).toBe("damaged");
      }),
      { numRuns: 300 },
    );
  });

  test.each(["", "sk-", "sk-proj-abc", "SK-LLMP-abc", " sk-llmp-abc", "Bearer", "eyJhbGciOi.a.b"])(
    "%p is not ours",
    (text) => {
      expect(inspectKey(text)).toBe("not-ours");
    },
  );

  test.each(["sk-llmp-", "sk-llmp-abc", `sk-llmp-${"a".repeat(100_000)}`, "sk-llmp-' OR '1'='1", "sk-llmp-\u0000"])(
    "%p is ours, and damaged",
    (text) => {
      expect(inspectKey(text)).toBe("damaged");
    },
  );

  test("a line end after it is no part of it", () => expect(inspectKey(`${makeKey().key}\n`)).toBe("damaged"));
});
