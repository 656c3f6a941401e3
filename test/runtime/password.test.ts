import { describe, expect, test } from "bun:test";
import { hashElsewhere, hashPassword, verifyElsewhere, verifyPassword } from "../../core/runtime/password.ts";

const password = "correct horse bättery 🐎";

describe("a password", () => {
  test("hashed under either runtime is known under the other, and no other password is", async () => {
    const here = await hashPassword(password);
    const elsewhere = await hashElsewhere(password);
    for (const hash of [here, elsewhere]) {
      expect(hash).toMatch(/^\$argon2id\$v=19\$m=65536,t=2,p=1\$/);
      expect(await verifyPassword(password, hash)).toBe(true);
      expect(await verifyElsewhere(password, hash)).toBe(true);
      expect(await verifyPassword(`${password} `, hash)).toBe(false);
      expect(await verifyElsewhere(`${password} `, hash)).toBe(false);
      expect(await verifyPassword("", hash)).toBe(false);
      expect(await verifyElsewhere("", hash)).toBe(false);
    }
    expect(await hashPassword(password)).not.toBe(here);
  }, 20_000);

  test("is checked against what is no hash, and is wrong", async () => {
    expect(await verifyPassword(password, "plain")).toBe(false);
    expect(await verifyPassword(password, password)).toBe(false);
  });
});
