import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import fc from "fast-check";
import { sha256 } from "../../core/runtime/digest.ts";

test("is the SHA-256 that Node makes, of whatever text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(sha256(text)).toBe(hash("sha256", text, "base64"));
      expect(sha256(text, "hex")).toBe(hash("sha256", text, "hex"));
    }),
  );
});
