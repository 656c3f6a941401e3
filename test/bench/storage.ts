import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { Admission } from "../../core/storage/database.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { aBudget, aFinal, aKey, anAdmission } from "../contract/storage-samples.ts";

const keyCount = 10;
/** Calls that are admitted in one turn of the event loop, and end in one. */
const batches = [1, 4, 16, 64];
const callsPerBatch = { 1: 4_000, 4: 12_000, 16: 24_000, 64: 32_000 } as Readonly<Record<number, number>>;
const rounds = 3;
const foldSize = { calls: 500, groups: 1_000 };
/** A frame of the log: a page and its head. */
const frameBytes = 4_096 + 24;

/**
 * What the storage alone takes of a call under one budget: CPU and pages of the log for its two commits, by how many calls
 * share them, and the writer's part of folding it.
 */
export async function benchStorage(dataDir: string, print: (line: string) => void): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, "llm-proxy.db");
  const opened: SqliteClient[] = [];
  const driver = async (file: string) => {
    const client = await openSqlite(file);
    opened.push(client);
    return client;
  };
  const database = await openSqliteDatabase({ path, synchronous: "normal", now: Date.now, onBackup: () => {}, driver });
  const [client] = opened;
  if (client === undefined) throw new Error("the database was opened without its driver");
  // A thread copies the log of a serving process: its work is not a call's.
  client.exec("PRAGMA wal_autocheckpoint = 0");
  const createdMs = Date.now() - 1_000;
  const keys: string[] = [];
  for (let made = 0; made < keyCount; made++) {
    const key = aKey({ createdMs });
    const scope = { kind: "key", id: key.id } as const;
    await database.keys.create(key, aBudget({ scope, window: "month", limitNano: 1e15, createdMs }));
    keys.push(key.id);
  }

  let admitted = 0;
  const admission = (): Admission => {
    const keyId = keys[admitted++ % keyCount] ?? "";
    return anAdmission({
      keyId,
      startedMs: Date.now(),
      stream: false,
      scopes: [{ kind: "key", id: keyId }, ...anAdmission().scopes],
    });
  };
  async function calls(count: number, together: number): Promise<void> {
    for (let done = 0; done < count; done += together) {
      const batch = Array.from({ length: together }, admission);
      await Promise.all(batch.map((call) => database.ledger.admit(call)));
      await Promise.all(batch.map(({ callId }) => database.ledger.finish(aFinal(callId, { finishedMs: Date.now() }))));
    }
  }
  const fold = folderOf(client);
  const pages = () => statSync(`${path}-wal`).size / frameBytes;
  const emptyLog = () => client.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  async function measured(work: () => unknown): Promise<{ readonly us: number; readonly pages: number }> {
    emptyLog();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return { us: user + system, pages: pages() };
  }

  await calls(50_000, 64);
  fold();
  print("calls in a commit   CPU µs a call   pages a call   folding: CPU µs   pages");
  for (const together of batches) {
    const count = callsPerBatch[together] ?? 0;
    let [committed, folded] = [
      { us: Infinity, pages: 0 },
      { us: Infinity, pages: 0 },
    ];
    for (let round = 0; round < rounds; round++) {
      committed = least(committed, await measured(() => calls(count, together)));
      folded = least(folded, await measured(fold));
    }
    const cells = [committed.us, committed.pages, folded.us, folded.pages].map((sum, at) =>
      (sum / count).toFixed(at === 3 ? 3 : 2).padStart([16, 15, 18, 8][at] ?? 0),
    );
    print(`${String(together).padStart(17)}${cells.join("")}`);
  }
  await database.close();
}

/** Of rounds on a shared machine the quickest says most. */
const least = <Measured extends { readonly us: number }>(one: Measured, other: Measured): Measured =>
  other.us < one.us ? other : one;

/** Folds all there is, as the serving process does it, on one thread. */
function folderOf(client: SqliteClient): () => void {
  const database = sqliteDatabase(client);
  const next = foldReader(database);
  const writer = rollupWriter(client, database);
  return () => {
    for (let fold = next(foldSize); fold !== null; fold = next(foldSize)) {
      const ready = fold;
      client.transaction(() => void writer.add(ready)).immediate();
    }
  };
}
