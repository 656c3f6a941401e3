import { openSqlite } from "../../core/runtime/sqlite.ts";
import { readsOf } from "../../core/storage/reads.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { writeGate } from "../../core/storage/write-gate.ts";
import { storageThread } from "../../core/storage/storage-thread.ts";

/** A process that starts a thread of the storage and then has nothing more to do. */
const path = process.argv[2] ?? "";
const database = await openSqliteDatabase({ path, synchronous: "normal", now: Date.now, onBackup: () => {} });
const client = await openSqlite(path);
const { promise, resolve } = Promise.withResolvers<void>();
const alive = setInterval(() => {}, 1_000);
const thread = storageThread({
  entry: new URL("../../core/storage/thread.ts", import.meta.url),
  work: { path, gate: writeGate().memory },
  instead: () => readsOf(client),
  onReady: resolve,
  onDeath: (error) => process.stdout.write(`${error.message}\n`),
});
thread.start();
await promise;
clearInterval(alive);
process.stdout.write("ready\n");
void database;
