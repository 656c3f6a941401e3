import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { adminOf, hasAdminToken, newAdminToken, newLoginLink } from "../../core/identity/admin.ts";
import { SecretError } from "../../core/identity/secret.ts";
import type { Database, SettingRepository } from "../../core/storage/database.ts";
import { fakeClock } from "../contract/context.ts";
import { aPerson, aSession } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
const clock = fakeClock();
const key = Buffer.alloc(32, 1);
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
    const admin = adminOf(database, undefined, clock.now);
    expect(await admin.verify(token)).toBe(true);
    for (const wrong of ["", token.slice(0, -1), `${token} `, token.toUpperCase(), "null"])
      expect([wrong, await admin.verify(wrong)]).toEqual([wrong, false]);
    const kept = JSON.stringify(rowsOf(path, "SELECT * FROM settings"));
    expect(kept).not.toContain(token);
  });

  test("before one was made nothing opens", async () => {
    const admin = adminOf(database, undefined, clock.now);
    for (const guess of ["", "null", "undefined", "admin"]) expect(await admin.verify(guess)).toBe(false);
  });

  test("a new one voids the old, also for a process that runs already", async () => {
    const admin = adminOf(database, undefined, clock.now);
    const old = await newAdminToken(settings);
    const token = await newAdminToken(settings);
    expect([await admin.verify(old), await admin.verify(token)]).toEqual([false, true]);
  });

  test("from the environment holds alone", async () => {
    const made = await newAdminToken(settings);
    const admin = adminOf(database, "given-by-the-operator", clock.now);
    expect(await admin.verify("given-by-the-operator")).toBe(true);
    expect(await admin.verify(made)).toBe(false);
  });

  test("an empty variable is an unset one; a line end is no part of it", async () => {
    const made = await newAdminToken(settings);
    expect(await adminOf(database, "", clock.now).verify(made)).toBe(true);
    expect(await adminOf(database, "", clock.now).verify("")).toBe(false);
    expect(await adminOf(database, "given-by-the-operator\n", clock.now).verify("given-by-the-operator")).toBe(true);
  });

  test("from the environment ends what another one opened, and leaves no trace that it could be guessed by", async () => {
    const { sessions } = database;
    const start = (given: string | undefined) => adminOf(database, given, clock.now).adopt(key);
    let made = 0;
    /** Whether a session and a link are there after a start that were there before it. */
    async function left(given: string | undefined): Promise<readonly boolean[]> {
      const digest = `session ${++made}`;
      await sessions.create(digest, aSession({ expiresMs: clock.now() + 1_000 }));
      const link = await newLoginLink(settings, clock.now());
      await start(given);
      const isThere = (await sessions.find(digest, clock.now())) !== null;
      return [isThere, await adminOf(database, given, clock.now).isLoginLink(link)];
    }
    const [kept, ended] = [
      [true, true],
      [false, false],
    ];
    expect(await left(undefined)).toEqual(kept);
    expect(await left("first-of-all")).toEqual(ended);
    expect(await left("first-of-all\n")).toEqual(kept);
    expect(await left("second-of-all")).toEqual(ended);
    const marks = JSON.stringify(rowsOf(path, "SELECT * FROM settings"));
    expect(marks).not.toContain(createHash("sha256").update("second-of-all").digest("hex"));
    expect(await left("")).toEqual(ended);
    expect(await left(undefined)).toEqual(kept);
  });

  test.each([" ", "\n", "\t \r\n"])("white space is none: %p is refused", (given) => {
    expect(() => adminOf(database, given, clock.now)).toThrow(SecretError);
  });
});

describe("the login link of the first start", () => {
  test("opens once, of many at the same time", async () => {
    const link = await newLoginLink(settings, clock.now());
    const admin = adminOf(database, undefined, clock.now);
    expect(await admin.takeLoginLink("guess")).toBe(false);
    expect([await admin.isLoginLink("guess"), await admin.isLoginLink(link)]).toEqual([false, true]);
    const taken = await Promise.all(Array.from({ length: 10 }, () => admin.takeLoginLink(link)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect([await admin.isLoginLink(link), await admin.takeLoginLink(link)]).toEqual([false, false]);
  });

  const isGood = async (link: string) => adminOf(database, undefined, clock.now).isLoginLink(link);

  test("ends after seven days, as an invitation", async () => {
    const link = await newLoginLink(settings, clock.now());
    clock.advance(7 * 24 * 3_600_000 - 1);
    expect(await isGood(link)).toBe(true);
    clock.advance(1);
    expect([await isGood(link), await adminOf(database, undefined, clock.now).takeLoginLink(link)]).toEqual([
      false,
      false,
    ]);
  });

  test("of before links had an end is over", async () => {
    const link = await newLoginLink(settings, clock.now());
    const [digest = ""] = (await settings.get("login-link"))?.split(" ") ?? [];
    await settings.set("login-link", digest);
    expect(await isGood(link)).toBe(false);
  });

  test("ends with a new admin token, and once an owner can sign in", async () => {
    const first = await newLoginLink(settings, clock.now());
    expect(await isGood(first)).toBe(true);
    await newAdminToken(settings);
    expect(await isGood(first)).toBe(false);
    const second = await newLoginLink(settings, clock.now());
    const owner = aPerson({ role: "owner" });
    await database.people.create(owner);
    expect(await isGood(second)).toBe(true);
    await database.people.setPassword(owner.id, "a hash", null);
    expect([await isGood(second), await adminOf(database, undefined, clock.now).takeLoginLink(second)]).toEqual([
      false,
      false,
    ]);
  });

  test("is no admin token, and the admin token is no link", async () => {
    const token = await newAdminToken(settings);
    const link = await newLoginLink(settings, clock.now());
    const admin = adminOf(database, undefined, clock.now);
    expect(await admin.verify(link)).toBe(false);
    expect(await admin.takeLoginLink(token)).toBe(false);
    expect(JSON.stringify(rowsOf(path, "SELECT * FROM settings"))).not.toContain(link);
  });
});
