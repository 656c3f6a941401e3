import { statSync } from "node:fs";
import { openSqlite, type SqliteClient } from "../runtime/sqlite.ts";

/** How often a write-ahead log that grew is copied into the database file. */
export const checkpointEveryMs = 200;
/** A log larger than this is emptied, as soon as no reader needs it. */
const maxLogBytes = 64 * 1024 * 1024;
/** Emptying holds up the writer while it copies what is left: not before so little is left, in pages. */
const maxLeftPages = 2_000;
const passesBefore = 4;

export interface Checkpoints {
  /** One look at the log; cheap while nothing is written. */
  tick(): void;
  close(): void;
}

/**
 * Copies the write-ahead log of `path` into the database file, away from the thread that serves. Nothing here waits for
 * a lock: what cannot be done now is done at the next tick.
 *
 * Left alone, SQLite starts the log anew whenever all of it has been copied, and the writer then waits for the disk once
 * (fsync of the log's header). A reader that looks at the log's end keeps it growing instead, so that this wait comes once
 * in `maxLogBytes`, not at every tick.
 */
export async function checkpointsOf(path: string, maxBytes = maxLogBytes): Promise<Checkpoints> {
  const client = await openSqlite(path);
  const reader = await openSqlite(path, { readonly: true });
  // Rather no emptying now than a writer that waits while this waits for readers.
  client.exec("PRAGMA busy_timeout = 0");
  const passive = client.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  const truncate = client.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const look = reader.prepare("SELECT 1 FROM sqlite_master LIMIT 1");
  let seen = "";
  let reading = false;
  /** Something was left over, though the log has not changed since. */
  let behind = false;

  function letGo() {
    if (reading) reader.exec("COMMIT");
    reading = false;
  }
  function hold() {
    letGo();
    reader.exec("BEGIN");
    reading = true;
    look.values();
  }

  return {
    tick() {
      const log = logOf(path);
      if (log === null || (log.id === seen && !behind)) return;
      const large = log.bytes > maxBytes;
      if (large) letGo();
      else hold();
      let left = pagesLeft(passive);
      // Each pass leaves what was written during it: the less is left to copy while the writer waits, the better.
      for (let pass = 1; large && left > 0 && pass < passesBefore; pass++) left = pagesLeft(passive);
      behind = left > 0;
      if (large) behind = left > maxLeftPages || pagesLeft(truncate) > 0 || logBytes(path) > maxBytes;
      seen = log.id;
    },
    close() {
      letGo();
      for (const open of [reader, client]) open.close();
    },
  };
}

/** A checkpoint answers `[blocked, pages in the log, pages copied]`. */
function pagesLeft(checkpoint: ReturnType<SqliteClient["prepare"]>): number {
  const [blocked, all, copied] = checkpoint.values()[0] ?? [];
  return Math.max(Number(all) - Number(copied), Number(blocked));
}

/** `null`: there is no log yet. Its time changes with every write, its size only while it grows. */
function logOf(path: string): { readonly id: string; readonly bytes: number } | null {
  const stat = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return stat === undefined ? null : { id: `${stat.mtimeMs} ${stat.size}`, bytes: stat.size };
}

const logBytes = (path: string): number => logOf(path)?.bytes ?? 0;
