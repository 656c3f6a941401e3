import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { adminOf, hasAdminToken, newAdminToken, newLoginLink } from "../../core/identity/admin.ts";
import { SecretError } from "../../core/identity/secret.ts";
import type { Database, SettingRepository } from "../../core/storage/database.ts";
import { openAt, rowsOf, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
let database: Database;
let settings: SettingRepository;
let path: string;
const opened: Database[] = [];
beforeEach(async () => {
  path = folder.file();
  database = await openAt(path);
  settings = database.settings;
  opened.push(database);
});
afterAll(async () => {
  for (const each of opened) await each.close();
});

describe("the admin token", () => {
  test("that was made opens, any other does not, and only its hash is kept", async () => {
    expect(await hasAdminToken(settings)).toBe(false);
    const token = await newAdminToken(settings);
    expect(Buffer.from(token, "base64url")).toHaveLength(32);
    expect(await hasAdminToken(settings)).toBe(true);
    const admin = adminOf(settings, undefined);
    expect(await admin.verify(token)).toBe(true);
    for (const wrong of ["", token.slice(0, -1), `${token} `, token.toUpperCase(), "null"])
      expect([wrong, await admin.verify(wrong)]).toEqual([wrong, false]);
    const kept = JSON.stringify(rowsOf(path, "SELECT * FROM settings"));
    expect(kept).not.toContain(token);
  });

  test("before one was made nothing opens", async () => {
    const admin = adminOf(settings, undefined);
    for (const guess of ["", "null", "undefined", "admin"]) expect(await admin.verify(guess)).toBe(false);
  });

  test("a new one voids the old, also for a process that runs already", async () => {
    const admin = adminOf(settings, undefined);
    const old = await newAdminToken(settings);
    const token = await newAdminToken(settings);
    expect([await admin.verify(old), await admin.verify(token)]).toEqual([false, true]);
  });

  test("from the environment holds alone", async () => {
    const made = await newAdminToken(settings);
    const admin = adminOf(settings, "given-by-the-operator");
    expect(await admin.verify("given-by-the-operator")).toBe(true);
    expect(await admin.verify(made)).toBe(false);
  });

  test("an empty variable is an unset one; a line end is no part of it", async () => {
    const made = await newAdminToken(settings);
    expect(await adminOf(settings, "").verify(made)).toBe(true);
    expect(await adminOf(settings, "").verify("")).toBe(false);
    expect(await adminOf(settings, "given-by-the-operator\n").verify("given-by-the-operator")).toBe(true);
  });

  test.each([" ", "\n", "\t \r\n"])("white space is none: %p is refused", (given) => {
    expect(() => adminOf(settings, given)).toThrow(SecretError);
  });
});

describe("the login link of the first start", () => {
  test("opens once, of many at the same time", async () => {
    const link = await newLoginLink(settings);
    const admin = adminOf(settings, undefined);
    expect(await admin.takeLoginLink("guess")).toBe(false);
    expect([await admin.isLoginLink("guess"), await admin.isLoginLink(link)]).toEqual([false, true]);
    const taken = await Promise.all(Array.from({ length: 10 }, () => admin.takeLoginLink(link)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect([await admin.isLoginLink(link), await admin.takeLoginLink(link)]).toEqual([false, false]);
  });

  test("is no admin token, and the admin token is no link", async () => {
    const link = await newLoginLink(settings);
    const token = await newAdminToken(settings);
    const admin = adminOf(settings, undefined);
    expect(await admin.verify(link)).toBe(false);
    expect(await admin.takeLoginLink(token)).toBe(false);
    expect(JSON.stringify(rowsOf(path, "SELECT * FROM settings"))).not.toContain(link);
  });
});
