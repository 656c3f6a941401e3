import { openSqlite } from "../runtime/sqlite.ts";
import type { Change } from "../storage/audit.ts";
import { authorOf } from "../storage/audit-author.ts";
import { auditAppender } from "../storage/audit-writer.ts";
import { schemaVersion } from "../storage/migrate.ts";
import { latestSchemaVersion } from "../storage/sqlite-file.ts";
import { sqliteDatabase } from "../storage/sqlite-database.ts";

/** How long it waits for the process that serves to end its own transaction. */
const busyTimeoutMs = 5_000;

/**
 * Writes into the audit log what a command has done, also beside the process that serves. A database of an earlier version
 * has no log that this program may write: nothing is told then.
 */
export async function tellOf(path: string, command: string, change: Change): Promise<void> {
  const client = await openSqlite(path);
  try {
    client.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    if (schemaVersion(client) !== latestSchemaVersion) return;
    const append = auditAppender(client, sqliteDatabase(client));
    client.transaction(() => void append(authorOf("command", command), change, Date.now())).immediate();
  } finally {
    client.close();
  }
}

export const databaseChange = (what: "backup" | "compact" | "repair", after: NonNullable<Change["after"]>): Change => ({
  action: `database.${what}`,
  object: { kind: "database", id: null },
  accountId: null,
  before: null,
  after,
});
