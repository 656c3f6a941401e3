import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { defaultAccount } from "../plugin/default-account.ts";
import journal from "../../migrations/sqlite/meta/_journal.json" with { type: "json" };
import { GatewayError } from "../chat/error.ts";
import { LockedError, takeLock } from "../runtime/lock.ts";
import { openSqlite, type SqliteClient } from "../runtime/sqlite.ts";
import { appliedConfigName } from "./applied-config.ts";
import { auditAppender } from "./audit-writer.ts";
import { currentAsker } from "./audit-author.ts";
import { migrate, schemaVersion, StorageError } from "./migrate.ts";
import { intactness } from "./intactness.ts";
import { sqliteDatabase } from "./sqlite-database.ts";
import type { SqliteOptions } from "./sqlite.ts";

/** Counted where none need be loaded: a start seldom has one to do. */
export const latestSchemaVersion = journal.entries.length;

/** How long the boot waits for another process. */
const busyTimeoutMs = 250;

/** Takes the folder for this process alone; returns what gives it back. */
export async function lockFolder(path: string): Promise<() => void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return await takeLock(lockOf(path));
  } catch (error) {
    if (error instanceof LockedError) throw error;
    throw new StorageError(whyNotHeld(path, error));
  }
}

function whyNotHeld(path: string, error: unknown): string {
  const code = codeOf(error);
  const folder = dirname(path);
  if (code === "ENOENT") return `a link at or above ${path} leads to a folder that is not there`;
  if (code === "EEXIST" || code === "ENOTDIR")
    return `${folder} is no folder: a file is in its way, or a link that leads nowhere; choose another (LLM_PROXY_DATA)`;
  if (["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"].includes(code))
    return (
      `the data folder cannot be written (${code}, ${folder}): ` +
      "give it space and to the user that runs the proxy, or choose another (LLM_PROXY_DATA)"
    );
  return (
    `the lock ${path}.lock cannot be taken (${messageOf(error)}): it must be an empty file, ` +
    "on a file system that can lock files; it may be deleted while no process uses the folder"
  );
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");
function messageOf(error: unknown): string {
  // The writer says only that it could not; what SQLite said is the cause.
  const reason = error instanceof GatewayError ? (error.cause ?? error) : error;
  const message = reason instanceof Error ? reason.message : "unknown reason";
  // SQLite says no more where a file beside the database finds no space.
  return message === "disk I/O error" ? `${message}: the disk is full or fails` : message;
}

/**
 * Beside the file itself, whatever links lead to it, there or not yet: two processes that come by two ways must meet there.
 * Throws where a folder on the way is missing.
 */
const lockOf = (path: string): string => `${fileOf(path)}.lock`;

function fileOf(path: string): string {
  let file = path;
  // As many as the system follows itself.
  for (let links = 0; links < 40 && isLink(file); links++)
    file = resolve(realpathSync(dirname(file)), readlinkSync(file));
  return join(realpathSync(dirname(file)), basename(file));
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

/** For what works with a database that is there; opening would make an empty one, and take such a one for it. */
export function mustBeThere(path: string): void {
  if (existsSync(path)) mustNotBeLost(path);
  if (bytesOf(path) === 0) throw new StorageError(`there is no database at ${path}: the first start makes one`);
  if (statSync(path).isDirectory()) throw new StorageError(`${path} is a folder, no database`);
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw unusable(path, error);
  }
}

export const unusable = (path: string, error: unknown, what = "opened"): StorageError =>
  new StorageError(`the database ${path} cannot be ${what}: ${messageOf(error)}`);

/**
 * A copy that failed and a file system that broke leave an empty file, or a log alone. To SQLite either is a new database:
 * the log would be deleted, and every client refused as if nobody had ever been here. What else a process that served
 * leaves says that of an empty file only: without a file it outlives a database that somebody deletes to begin anew.
 */
function mustNotBeLost(path: string): void {
  if (bytesOf(path) > 0) return;
  const file = fileOf(path);
  const isThere = existsSync(file);
  const beside = isThere ? ["secret", appliedConfigName].map((name) => join(dirname(file), name)) : [];
  const left = [`${file}-wal`, ...beside].find((one) => bytesOf(one) > 0);
  if (left === undefined) return;
  throw new StorageError(
    `the database ${path} is ${isThere ? "empty" : "missing"}, but ${left} is there: nothing was changed; ` +
      `put a backup in its place, as the README says, or delete ${file} and ${file}-wal to begin with a new one`,
  );
}

function bytesOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return 0;
    throw unusable(path, error);
  }
}

/** Opens, checks and migrates the file. Throws `StorageError` with a message for the operator. */
export async function openFile({
  path,
  synchronous,
  now,
  onBackup,
  onUpgrade,
  driver = openSqlite,
}: SqliteOptions): Promise<SqliteClient> {
  mustNotBeLost(path);
  const client = await made(path, driver);
  try {
    client.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    // First, so that a file it refuses is left as it is: the journal mode is written into the file.
    const from = schemaVersion(client);
    // Of a new file only, before its first table: what calls leave behind can then be given back.
    if (from === 0) client.exec("PRAGMA auto_vacuum = INCREMENTAL");
    for (const table of from > 0 ? checkedAtStart : []) mustBeIntact(client, table);
    if (from > 0 && from < latestSchemaVersion) onUpgrade?.({ from, to: latestSchemaVersion });
    if (from !== latestSchemaVersion) {
      const { sqliteMigrations } = await import("../../migrations/sqlite/index.ts");
      removeHalfCopies(path);
      const backupPath = (version: number) => `${path}.v${version}.${now()}.backup`;
      const backup = migrate(client, sqliteMigrations, backupPath, () => tellOfUpgrade(client, from, now()));
      if (backup) onBackup(backup);
    }
    client.exec("PRAGMA journal_mode = WAL");
    client.exec(`PRAGMA synchronous = ${synchronous.toUpperCase()}`);
    client.exec("PRAGMA foreign_keys = ON");
    client
      .prepare("INSERT INTO accounts (id, name, created_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .run(defaultAccount, "Default", now());
    client.exec(`INSERT INTO account_lines (account_ref, ancestor_ref, distance, from_ms)
      SELECT ref, ref, 0, 0 FROM accounts WHERE id = '${defaultAccount}' ON CONFLICT DO NOTHING`);
    // The folder is this process's alone: whoever has a lease is dead.
    client.exec("DELETE FROM processes");
    // From here on whoever writes waits by itself, without holding up the event loop.
    client.exec("PRAGMA busy_timeout = 0");
    return client;
  } catch (error) {
    client.close();
    throw error instanceof StorageError ? error : unusable(path, error);
  }
}

/** What starts left that were killed over their copy: nobody else makes one now, and each further one would fill the disk. */
function removeHalfCopies(path: string) {
  const [folder, name] = [dirname(path), basename(path)];
  for (const file of readdirSync(folder))
    if (file.startsWith(name) && /^\.v\d+\.\d+\.backup\.part(-journal)?$/.test(file.slice(name.length)))
      rmSync(join(folder, file));
}

function tellOfUpgrade(client: SqliteClient, from: number, nowMs: number) {
  const tell = auditAppender(client, sqliteDatabase(client));
  tell(
    currentAsker().author,
    {
      action: "database.upgrade",
      object: { kind: "database", id: null },
      accountId: null,
      before: { schemaVersion: from },
      after: { schemaVersion: latestSchemaVersion },
    },
    nowMs,
  );
}

async function made(path: string, driver: typeof openSqlite): Promise<SqliteClient> {
  try {
    // Made before SQLite does, which gives the files beside it the mode of this one. An existing file keeps its own.
    writeFileSync(path, "", { mode: 0o600, flag: "a" });
    return await driver(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Small tables that money hangs on; a serving process looks through the rest soon after its start. */
const checkedAtStart = ["budgets", "open_calls", "settings"];

function mustBeIntact(client: SqliteClient, table: string) {
  const { ok, detail } = intactness(client, `quick_check(${table})`);
  if (!ok)
    throw new StorageError(
      `the database file is damaged (${detail}): nothing was changed; keep it, and see "Backup and restore" in the README`,
    );
}
