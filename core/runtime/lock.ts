import { readFileSync, writeFileSync } from "node:fs";
import { isLocked, openSqlite } from "./sqlite.ts";

/** Another process holds the data folder. */
export class LockedError extends Error {
  override readonly name = "LockedError";
  /** Of the process that holds it; `null`: not known. */
  readonly pid: number | null;

  constructor(pid: number | null) {
    super(`the data folder is in use by process ${pid ?? "(unknown)"}: one process serves one folder`);
    this.pid = pid;
  }
}

/**
 * Takes `path` for this process until it ends, however it ends: the lock is SQLite's own on an otherwise empty file,
 * which the operating system drops with the process. Returns the release. Throws `LockedError` where another one has it.
 */
export async function takeLock(path: string): Promise<() => void> {
  // Made before SQLite does, which would give it a mode of its own.
  writeFileSync(path, "", { mode: 0o600, flag: "a" });
  const client = await openSqlite(path);
  const pidFile = `${path}.pid`;
  try {
    // Nothing is ever in it: no journal is needed, which took three syncs when it was given back.
    client.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;");
    client.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
  } catch (error) {
    client.close();
    if (!isLocked(error)) throw error;
    throw new LockedError(readPid(pidFile));
  }
  writeFileSync(pidFile, String(process.pid), { mode: 0o600 });
  return () => client.close();
}

function readPid(pidFile: string): number | null {
  try {
    return Number.parseInt(readFileSync(pidFile, "utf8"), 10) || null;
  } catch {
    return null;
  }
}
