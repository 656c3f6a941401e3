import { resolve } from "node:path";
import type { LoadedConfig } from "../config/config.ts";
import { readConfig } from "../config/read.ts";
import { type Settings, settingsFrom } from "../config/settings.ts";
import { endSessions, newAdminToken } from "../identity/admin.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { openSqlite, type SqliteClient } from "../runtime/sqlite.ts";
import { groupCommit } from "../storage/group-commit.ts";
import { asAuthor, authorOf } from "../storage/audit-author.ts";
import { type AuditedWriter, auditedWriter } from "../storage/audit-writer.ts";
import { copyTo, schemaVersion, StorageError, versionUpTo } from "../storage/migrate.ts";
import { sessionRepository } from "../storage/repositories/sessions.ts";
import { settingRepository } from "../storage/repositories/settings.ts";
import { openSqliteDatabase } from "../storage/sqlite.ts";
import { latestSchemaVersion, mustBeThere, unusable } from "../storage/sqlite-file.ts";
import { sqliteDatabase } from "../storage/sqlite-database.ts";
import { type Command, type CommandInput, pathOfConfig } from "./command.ts";
import { databaseChange, tellOf } from "./told.ts";

/** A consistent copy of the database while the proxy serves: `backup FILE`. */
export const backup: Command = async (input) => {
  const [target, ...more] = input.words;
  if (target === undefined || more.length > 0) {
    input.printError("usage: backup FILE");
    return 2;
  }
  const client = await openReadonly(input);
  try {
    copyTo(client, resolve(target));
  } finally {
    client.close();
  }
  const file = resolve(target);
  try {
    await tellOf((await databaseOf(input)).path, "backup", databaseChange("backup", { file }));
  } catch {
    // A copy is wanted most where nothing can be written any more.
    input.printError("The audit log could not be written: it does not tell of this copy.");
  }
  input.print(input.flags.json ? JSON.stringify({ ok: true, file }) : `The database was copied to ${target}.`);
  return 0;
};

/**
 * Brings the schema up to date without serving; `serve` does the same at its start. `--compact` also writes the file anew,
 * without what is free in it and without names that only deleted calls had, and so that it can shrink from then on.
 */
export const migrate: Command = async (input) => {
  const { path } = await databaseOf(input);
  let copy: string | null = null;
  const freedBytes = await asAuthor(authorOf("command", "migrate"), async () => {
    const database = await openSqliteDatabase({
      path,
      synchronous: "normal",
      now: Date.now,
      onBackup: (made) => (copy = made),
    });
    try {
      if (input.flags.compact !== true) return null;
      const freed = await database.compact();
      await database.audit.add(databaseChange("compact", { freedBytes: freed }));
      return freed;
    } catch (error) {
      throw unusable(path, error, "written anew");
    } finally {
      await database.close();
    }
  });
  if (input.flags.json)
    input.print(JSON.stringify({ ok: true, backup: copy, ...(freedBytes !== null && { freedBytes }) }));
  else
    input.print(
      copy === null
        ? "The database is up to date."
        : `The database was upgraded; a copy from before is at ${String(copy)}.`,
    );
  if (freedBytes !== null && !input.flags.json)
    input.print(`Its file was written anew; ${freedBytes} bytes were freed.`);
  return 0;
};

/**
 * `admin-token --new`: a new token when the old one is lost, or known to somebody. It holds at once, also for a process
 * that is serving, and the sessions that were opened with the old one end.
 */
export const adminToken: Command = async (input) => {
  if (!input.flags.new) {
    input.printError("usage: admin-token --new");
    return 2;
  }
  const { path } = await databaseOf(input);
  mustBeThere(path);
  const client = await openSqlite(path);
  try {
    client.exec("PRAGMA busy_timeout = 5000");
    const writer = groupCommit(client, { beforeCommit: () => {}, afterRollback: () => {} });
    const database = sqliteDatabase(client);
    // One of an earlier version is brought up to date at the next start: it has no log, nor sessions of persons, yet.
    const isCurrent = versionUpTo(latestSchemaVersion, client) === latestSchemaVersion;
    const untold: AuditedWriter = { run: (work) => writer.run(() => work(() => {})) };
    const audited = isCurrent ? auditedWriter(client, database, writer, Date.now) : untold;
    const token = await asAuthor(authorOf("command", "admin-token --new"), async () => {
      const made = await newAdminToken(settingRepository(database, audited));
      if (isCurrent) await endSessions(sessionRepository(database, audited), Date.now());
      return made;
    });
    input.print(input.flags.json ? JSON.stringify({ token }) : token);
    if (input.env.LLM_PROXY_ADMIN_TOKEN)
      input.printError("LLM_PROXY_ADMIN_TOKEN is set: it holds alone, and this token has no effect until it is unset.");
    return 0;
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw unusable(path, error, "written");
  } finally {
    client.close();
  }
};

export async function openReadonly(input: CommandInput): Promise<SqliteClient> {
  const { path } = await databaseOf(input);
  mustBeThere(path);
  const client = await openSqlite(path, { readonly: true });
  try {
    // The file is first looked into here: a log that its folder cannot take, say, fails no sooner.
    schemaVersion(client);
  } catch (error) {
    // What is damaged is the command's to tell.
    if (!/unable to open|disk I\/O error/.test(String(error))) return client;
    client.close();
    throw unusable(path, error);
  }
  return client;
}

/** The file that `storage` names, and the config that says so. These commands are about SQLite; another storage has tools of its own. */
export async function databaseOf(
  input: CommandInput,
): Promise<{ readonly path: string; readonly settings: Settings; readonly loaded: LoadedConfig }> {
  const loaded = await readConfig({ path: pathOfConfig(input), env: input.env });
  const settings = settingsFrom({ flags: input.flags, env: input.env, config: loaded.config });
  const storage = (await resolvePlugins(loaded, input.builtins)).find(({ kind }) => kind === "storage");
  if (storage?.plugin.name !== "sqlite") throw new StorageError("this command needs the sqlite storage");
  const { path } = storage.options;
  return { path: typeof path === "string" ? path : resolve(settings.dataDir, "llm-proxy.db"), settings, loaded };
}
