import { describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import { checkpointsOf } from "../../core/storage/checkpoints.ts";
import { writeGate } from "../../core/storage/write-gate.ts";
import { rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
/** It has a new salt with each start. */
const headOfLog = (path: string) => readFileSync(`${path}-wal`).toString("hex", 0, 32);
const logBytes = (path: string) => statSync(`${path}-wal`).size;

/** A file in WAL mode that copies nothing by itself, and what fills its log. */
async function written() {
  const path = folder.file();
  const client = await openSqlite(path);
  client.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE things (value)");
  const insert = client.prepare("INSERT INTO things VALUES (?)");
  const write = (rows: number) => {
    for (let row = 0; row < rows; row++) insert.run("x".repeat(2_000));
  };
  return { path, client, write };
}

/** Rows in the database file itself, without its log. */
function copiedRows(path: string): number {
  const copy = folder.file();
  Bun.spawnSync(["cp", path, copy]);
  return rowsOf<{ n: number }>(copy, "SELECT count(*) AS n FROM things")[0]?.n ?? 0;
}

describe("checkpoints", () => {
  test("each tick copies what was written since the last", async () => {
    const { path, client, write } = await written();
    const checkpoints = await checkpointsOf(path);
    for (const rows of [1, 2, 3]) {
      write(10);
      checkpoints.tick();
      expect(copiedRows(path)).toBe(rows * 10);
    }
    checkpoints.close();
    client.close();
  });

  test("the log grows on while it is small, so that the writer need not wait for the disk", async () => {
    const { path, client, write } = await written();
    const checkpoints = await checkpointsOf(path);
    let last = 0;
    for (let tick = 0; tick < 5; tick++) {
      write(10);
      checkpoints.tick();
      expect(logBytes(path)).toBeGreaterThan(last);
      last = logBytes(path);
    }
    checkpoints.close();
    client.close();
  });

  test("a large log is emptied, but not before a reader that holds it has gone", async () => {
    const { path, client, write } = await written();
    const maxBytes = 200_000;
    const checkpoints = await checkpointsOf(path, { maxBytes });
    const reader = await openSqlite(path, { readonly: true });
    write(1);
    checkpoints.tick();
    reader.exec("BEGIN");
    expect(reader.prepare("SELECT count(*) FROM things").values()).toEqual([[1]]);
    write(200);
    for (let tick = 0; tick < 3; tick++) checkpoints.tick();
    expect(logBytes(path)).toBeGreaterThan(maxBytes);
    // It still sees what it saw, and nobody who writes had to wait for it.
    expect(reader.prepare("SELECT count(*) FROM things").values()).toEqual([[1]]);
    reader.exec("COMMIT");
    checkpoints.tick();
    expect(logBytes(path)).toBeLessThan(maxBytes);
    expect(copiedRows(path)).toBe(201);
    write(1);
    checkpoints.tick();
    expect(copiedRows(path)).toBe(202);
    for (const open of [checkpoints, reader, client]) open.close();
  });

  test("the first page of a log that starts anew is written here, so that no writer waits for the disk", async () => {
    const { path, client, write } = await written();
    const gate = writeGate();
    const checkpoints = await checkpointsOf(path, { maxBytes: 200_000, gate });
    write(200);
    checkpoints.tick();
    const before = headOfLog(path);
    checkpoints.tick();
    const anew = headOfLog(path);
    expect(anew).not.toEqual(before);
    expect(gate.isClosed()).toBe(false);
    write(1);
    expect(headOfLog(path)).toEqual(anew);
    expect(client.prepare("SELECT count(*) FROM things").values()).toEqual([[201]]);
    for (const open of [checkpoints, client]) open.close();
  });

  test("without a log there is nothing to do", async () => {
    const checkpoints = await checkpointsOf(folder.file());
    checkpoints.tick();
    checkpoints.close();
  });
});
