import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Namespace } from "llm-proxy/plugin";
import { derivedKey } from "../../core/identity/secret.ts";
import { createVault, type VaultOptions } from "../../core/pipeline/vault.ts";
import { fakeClock } from "../contract/context.ts";
import { openAt, rowsOf, temporaryFolder } from "../storage/folder.ts";
import { turns } from "./stream-bench.ts";

const folder = temporaryFolder();
const key = derivedKey("a master secret of the test", "signatures");
const dayMs = 24 * 3_600_000;

/** A storage in memory that counts what it is asked. */
function fakeStorage() {
  const rows = new Map<string, unknown>();
  const asked = { gets: 0, sets: 0 };
  const storage: Namespace = {
    get(place) {
      asked.gets += 1;
      // What the vault wrote: text.
      return (rows.get(place) as string | undefined) ?? null;
    },
    set(place, value) {
      asked.sets += 1;
      rows.set(place, value);
    },
    add: () => null,
  };
  return { storage, rows, asked };
}

function vaultOver(storage: Namespace, more: Partial<VaultOptions> = {}) {
  const warned: object[] = [];
  const quiet = () => {};
  const logger = { debug: quiet, info: quiet, error: quiet, warn: (fields: object) => void warned.push(fields) };
  const clock = fakeClock();
  return { vault: createVault({ key, storage, logger, now: clock.now, ...more }), warned, clock };
}

const secret = { text: "thought-canary", signature: "signature-canary" };

describe("what is kept", () => {
  test("is found under its account and call, at once", () => {
    const { vault } = vaultOver(fakeStorage().storage);
    vault.keep("a", "call_1", secret);
    expect(vault.find("a", "call_1")).toEqual(secret);
    expect(vault.find("b", "call_1")).toBeNull();
    expect(vault.find("a", "call_2")).toBeNull();
  });

  test("survives a restart in the database, where nothing of it can be read", async () => {
    const path = folder.file();
    const clock = fakeClock();
    const database = await openAt(path, clock.now);
    vaultOver(database.namespace("core/signatures")).vault.keep("account-1", "call_1", secret);
    await turns();
    await database.close();
    for (const name of readdirSync(join(path, "..")))
      expect(readFileSync(join(path, "..", name)).includes("canary")).toBe(false);
    const again = await openAt(path, clock.now);
    const storage = again.namespace("core/signatures");
    expect(await vaultOver(storage).vault.find("account-1", "call_1")).toEqual(secret);
    const otherKey = derivedKey("another master secret of it", "signatures");
    expect(await vaultOver(storage, { key: otherKey }).vault.find("account-1", "call_1")).toBeNull();
    clock.advance(dayMs);
    expect(await vaultOver(storage).vault.find("account-1", "call_1")).toBeNull();
    await again.close();
  });

  test("opens nowhere else, even when a row is moved there", () => {
    const { storage, rows } = fakeStorage();
    const { vault } = vaultOver(storage);
    vault.keep("a", "call_1", secret);
    vault.keep("b", "call_1", { text: "of b" });
    const [ofA, ofB] = [...rows.keys()];
    rows.set(ofB ?? "", rows.get(ofA ?? ""));
    expect(vaultOver(storage).vault.find("b", "call_1")).toBeNull();
    rows.set(ofA ?? "", "no ciphertext");
    expect(vaultOver(storage).vault.find("a", "call_1")).toBeNull();
  });

  test("is forgotten after a day", () => {
    const { storage, rows } = fakeStorage();
    const { vault, clock } = vaultOver(storage);
    vault.keep("a", "call_1", secret);
    rows.clear();
    clock.advance(dayMs - 1);
    expect(vault.find("a", "call_1")).toEqual(secret);
    clock.advance(1);
    expect(vault.find("a", "call_1")).toBeNull();
  });
});

describe("bounds", () => {
  test("the least used leaves memory first, and is read from the storage again", () => {
    const { storage, asked } = fakeStorage();
    const { vault } = vaultOver(storage, { maxBytes: 3_000 });
    for (const id of ["one", "two", "three"]) vault.keep("a", id, { text: "x".repeat(400) });
    expect(vault.find("a", "one")).not.toBeNull();
    vault.keep("a", "four", { text: "x".repeat(400) });
    expect(asked.gets).toBe(0);
    expect(vault.find("a", "one")).not.toBeNull();
    expect(asked.gets).toBe(0);
    expect(vault.find("a", "two")).not.toBeNull();
    expect(asked.gets).toBe(1);
  });

  test("what is too large is not kept", () => {
    const { storage, asked } = fakeStorage();
    const { vault } = vaultOver(storage);
    vault.keep("a", "call_1", { text: "x".repeat(600_000) });
    expect(vault.find("a", "call_1")).toBeNull();
    expect(asked.sets).toBe(0);
  });

  test("a call that had nothing to keep is asked for once", () => {
    const { storage, asked } = fakeStorage();
    const { vault } = vaultOver(storage);
    for (let turn = 0; turn < 5; turn++) expect(vault.find("a", "call_1")).toBeNull();
    expect(asked.gets).toBe(1);
    vault.keep("a", "call_1", secret);
    expect(vault.find("a", "call_1")).toEqual(secret);
  });
});

describe("a storage that fails", () => {
  const failing = (fail: () => never | Promise<never>): Namespace => ({ get: fail, set: fail, add: fail });

  test.each([
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("down"))],
  ] as const)("that %s fails no call", async (_, fail) => {
    const { vault, warned } = vaultOver(failing(fail));
    vault.keep("a", "call_1", secret);
    expect(vault.find("a", "call_1")).toEqual(secret);
    expect(await vault.find("a", "call_2")).toBeNull();
    expect(warned.length).toBe(2);
  });

  test("that hangs holds up none", async () => {
    const { vault } = vaultOver(failing(() => new Promise(() => {})));
    vault.keep("a", "call_1", secret);
    expect(vault.find("a", "call_1")).toEqual(secret);
    expect(await vault.find("a", "call_2")).toBeNull();
  });
});

test("rows whose lifetime is over are removed as others are written", async () => {
  const path = folder.file();
  const clock = fakeClock();
  const database = await openAt(path, clock.now);
  const mine = database.namespace("core/signatures");
  const other = database.namespace("other");
  await other.set("stays", 1, { ttlMs: 10 });
  await mine.set("stays", 1);
  for (let n = 0; n < 50; n++) await mine.set(`old ${n}`, n, { ttlMs: 10 });
  clock.advance(20);
  for (let n = 0; n < 10; n++) await mine.set("new", n, { ttlMs: 1_000 });
  const left = rowsOf<{ namespace: string; key: string }>(
    path,
    "select namespace, key from plugin_state order by namespace, key",
  );
  expect(left).toEqual([
    { namespace: "core/signatures", key: "new" },
    { namespace: "core/signatures", key: "stays" },
    { namespace: "other", key: "stays" },
  ]);
  await database.close();
});
