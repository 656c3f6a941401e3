import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { opened, sealed } from "../../core/runtime/seal.ts";

const key = Buffer.alloc(32, 7);
const place = ["account", "one"];

describe("sealed text", () => {
  test.each(["", "a", "schön ☕".repeat(5_000)])("opens as it was", (plain) => {
    expect(opened(key, place, sealed(key, place, plain))?.toString()).toBe(plain);
  });

  test("carries bytes that are no text", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    expect(opened(key, place, sealed(key, place, bytes))?.equals(bytes)).toBe(true);
  });

  test("looks different each time, and does not show what it holds", () => {
    const [one, two] = [sealed(key, place, "secret words"), sealed(key, place, "secret words")];
    expect(one.equals(two)).toBe(false);
    expect(one.toString("latin1")).not.toContain("secret");
  });

  test.each([
    ["another account", ["other", "one"]],
    ["another name", ["account", "two"]],
    ["parts cut elsewhere", ["accounto", "ne"]],
    ["fewer parts", ["account"]],
  ])("does not open for %s", (_, elsewhere) => {
    expect(opened(key, elsewhere, sealed(key, place, "secret"))).toBeNull();
  });

  test("does not open with another key", () => {
    expect(opened(Buffer.alloc(32, 8), place, sealed(key, place, "secret"))).toBeNull();
  });

  test("does not open with a bit turned or cut short, wherever", () => {
    const whole = sealed(key, place, "secret");
    for (let at = 0; at < whole.byteLength; at++) {
      const turned = Buffer.from(whole);
      turned[at] = (turned[at] ?? 0) ^ 1;
      expect(opened(key, place, turned)).toBeNull();
      expect(opened(key, place, whole.subarray(0, at))).toBeNull();
    }
  });
});
