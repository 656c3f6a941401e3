import { statSync } from "node:fs";
import { openSqlite, type SqliteClient } from "../runtime/sqlite.ts";
import { type WriteGate, writeGate } from "./write-gate.ts";

/** How often a write-ahead log that grew is copied into the database file. */
export const checkpointEveryMs = 200;
/** A log that holds more than this starts anew, as soon as no reader needs it. */
const maxLogBytes = 64 * 1024 * 1024;
/** The file of a log that grew to so many times that, because of a reader, is also cut: freeing its blocks takes a while. */
const cutAbove = 2;
/** Starting anew holds up the writer while the rest is copied: not before so little is left, in pages. */
const maxLeftPages = 64;
/** Passes in a row that leave less each time. */
const maxPasses = 8;

export interface Checkpoints {
  /** One look at the log; cheap while nothing is written. */
  tick(): void;
  close(): void;
}

/**
 * Copies the write-ahead log of `path` into the database file, away from the thread that serves. Nothing here waits for
 * a lock: what cannot be done now is done at the next tick.
 *
 * Left alone, SQLite starts the log anew whenever all of it has been copied, and whoever writes first then waits for the
 * disk (fsync of the log's header). A reader that looks at the log's end keeps it growing instead, so that this comes once
 * in `maxLogBytes`, not at every tick. That first write is made here, behind `gate`, so that the thread that serves never
 * waits for the disk.
 */
export async function checkpointsOf(
  path: string,
  { maxBytes = maxLogBytes, gate = writeGate() }: { readonly maxBytes?: number; readonly gate?: WriteGate } = {},
): Promise<Checkpoints> {
  const client = await openSqlite(path);
  const reader = await openSqlite(path, { readonly: true });
  // Rather no emptying now than a writer that waits while this waits for readers.
  client.exec("PRAGMA busy_timeout = 0");
  // A commit of its own need not wait for the disk; what is copied does all the same.
  client.exec("PRAGMA synchronous = NORMAL");
  const passive = client.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  const restart = client.prepare("PRAGMA wal_checkpoint(RESTART)");
  const cut = client.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const pageBytes = Number(client.prepare("PRAGMA page_size").values()[0]?.[0] ?? 4_096);
  const look = reader.prepare("SELECT 1 FROM sqlite_master LIMIT 1");
  let seen = "";
  /** What the log held at the last look: its file may be longer, from earlier. */
  let filledBytes = 0;
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

  function startAnew(checkpoint: typeof restart) {
    gate.close();
    try {
      const copied = copy(checkpoint);
      if (copied.leftPages === 0) writeFirst(client);
      return copied;
    } finally {
      gate.open();
    }
  }

  return {
    tick() {
      const log = logOf(path);
      if (log === null || (log.id === seen && !behind)) return;
      const large = filledBytes > maxBytes;
      if (large) letGo();
      else hold();
      let copied = copy(passive);
      if (large) {
        for (let pass = 1; pass < maxPasses && copied.leftPages > maxLeftPages; pass++) copied = copy(passive);
        if (copied.leftPages <= maxLeftPages) copied = startAnew(log.bytes > cutAbove * maxBytes ? cut : restart);
      }
      const anew = large && copied.leftPages === 0;
      filledBytes = anew ? 0 : copied.pages * pageBytes;
      behind = copied.leftPages > 0 || (!anew && filledBytes > maxBytes);
      seen = log.id;
    },
    close() {
      letGo();
      for (const open of [reader, client]) open.close();
    },
  };
}

/** A checkpoint answers `[blocked, pages in the log, pages copied]`. */
function copy(checkpoint: ReturnType<SqliteClient["prepare"]>) {
  const [blocked, pages, copied] = checkpoint.values()[0] ?? [];
  return { pages: Number(pages), leftPages: Math.max(Number(pages) - Number(copied), Number(blocked)) };
}

/** A page as it is, as the log's first: its header is then on the disk. */
function writeFirst(client: SqliteClient) {
  try {
    client
      .transaction(() => {
        const version = Number(client.prepare("PRAGMA user_version").values()[0]?.[0]);
        client.exec(`PRAGMA user_version = ${version}`);
      })
      .immediate();
  } catch {
    // Another program took the lock in between: then the writer's next commit is the first.
  }
}

/** `null`: there is no log yet. Its time changes with every write, its size only while it grows. */
function logOf(path: string): { readonly id: string; readonly bytes: number } | null {
  const stat = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return stat === undefined ? null : { id: `${stat.mtimeMs} ${stat.size}`, bytes: stat.size };
}
