import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { keyRing, opened, sealed } from "../../core/runtime/seal.ts";

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

describe("a ring of keys", () => {
  const [first, second, third] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];

  test("opens what each of its keys has sealed, says which is old, and seals with the first", () => {
    const old = keyRing(first, []).seal(place, "secret");
    const ring = keyRing(second, [first]);
    expect(ring.open(place, old)).toEqual({ plain: Buffer.from("secret"), isCurrent: false });
    const fresh = ring.seal(place, "secret");
    expect(ring.open(place, fresh)).toEqual({ plain: Buffer.from("secret"), isCurrent: true });
    expect(keyRing(second, []).open(place, fresh)?.isCurrent).toBe(true);
    expect(keyRing(first, []).open(place, fresh)).toBeNull();
  });

  test("opens nothing for another place, by another key, or that was changed or cut", () => {
    const ring = keyRing(second, [first]);
    const text = ring.seal(place, "secret");
    expect(ring.open(["account", "two"], text)).toBeNull();
    expect(keyRing(third, []).open(place, text)).toBeNull();
    for (let at = 0; at < text.length; at++) {
      const changed = Buffer.from(text);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(ring.open(place, changed)).toBeNull();
      expect(ring.open(place, text.subarray(0, at))).toBeNull();
    }
  });

  test("seals text that shows neither its secret nor its key", () => {
    const text = keyRing(first, []).seal(place, "secret words").toString("latin1");
    expect(text).not.toContain("secret");
    expect(text).not.toContain(first.subarray(0, 4).toString("latin1"));
  });
});
