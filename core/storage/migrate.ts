import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import type { SqliteClient } from "../runtime/sqlite.ts";

/** A database this version must not touch; the message says what to do. */
export class StorageError extends Error {
  override readonly name = "StorageError";
}

/**
 * Brings the schema up to `migrations.length`, all in one transaction. A database that holds data is copied to
 * `backupPath(version)` first, which goes again where that fails: nothing was changed, and each start would make another.
 * One that a newer version wrote is refused. Returns the backup's path, if one was made. `tell` is the last of that
 * transaction where data was upgraded: what is done is written down, whatever fails next.
 */
export function migrate(
  client: SqliteClient,
  migrations: readonly string[],
  backupPath: (version: number) => string,
  tell: () => void = () => {},
): string | null {
  const version = versionUpTo(migrations.length, client);
  if (version === migrations.length) return null;
  if (version === 0 && hasTables(client))
    throw new StorageError("the database file holds tables that are not ours: choose another path");

  const backup = version > 0 ? backupPath(version) : null;
  if (backup) copyTo(client, backup);
  try {
    client
      .transaction(() => {
        for (const migration of migrations.slice(version))
          for (const statement of migration.split("--> statement-breakpoint")) client.exec(statement);
        client.exec(`PRAGMA user_version = ${migrations.length}`);
        if (version > 0) tell();
      })
      .immediate();
  } catch (error) {
    if (backup) rmSync(backup);
    throw error;
  }
  return backup;
}

/** The version of the schema. Throws where it is above `known`: what a newer program has written is not ours to read or write. */
export function versionUpTo(known: number, client: SqliteClient): number {
  const version = schemaVersion(client);
  if (version <= known) return version;
  throw new StorageError(
    `the database has schema version ${version}, this program knows up to ${known}: ` +
      "start the newer program, or restore the backup made before the upgrade",
  );
}

/**
 * A whole copy, for its owner alone from the first byte on. Until it is whole, and on the disk, it is `target.part`: one
 * that was killed must not pass for a copy. Throws where either exists; of what fails nothing is left.
 */
export function copyTo(client: SqliteClient, target: string): void {
  const part = `${target}.part`;
  if (existsSync(target)) throw new StorageError(`${target} exists already`);
  if (existsSync(part))
    throw new StorageError(`${part} exists: a copy is being made, or was killed; remove it if none is`);
  closeSync(openSync(part, "wx", 0o600));
  try {
    client.prepare("VACUUM INTO ?").run(part);
    syncFile(part);
    renameSync(part, target);
  } catch (error) {
    for (const left of [part, `${part}-journal`]) rmSync(left, { force: true });
    const reason = error instanceof Error ? error.message : "unknown reason";
    throw new StorageError(`the database cannot be copied to ${target}: ${reason}`);
  }
}

function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export const schemaVersion = (client: SqliteClient): number =>
  Number(client.prepare("PRAGMA user_version").values()[0]?.[0] ?? 0);

const hasTables = (client: SqliteClient): boolean =>
  client.prepare("SELECT 1 FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' LIMIT 1").values().length > 0;
