import { openSqlite, type SqliteClient } from "../runtime/sqlite.ts";
import { authorOf } from "../storage/audit-author.ts";
import { auditAppender } from "../storage/audit-writer.ts";
import type { Proof, ProofCode } from "../storage/condition.ts";
import { StorageError, versionUpTo } from "../storage/migrate.ts";
import { intactness } from "../storage/intactness.ts";
import { prove } from "../storage/prove.ts";
import { repair } from "../storage/repair.ts";
import { latestSchemaVersion, lockFolder, mustBeThere, unusable } from "../storage/sqlite-file.ts";
import { sqliteDatabase } from "../storage/sqlite-database.ts";
import type { Command } from "./command.ts";
import { databaseOf, openReadonly } from "./storage.ts";
import { databaseChange } from "./told.ts";

/**
 * Proves the equalities of the ledger, and says of each that does not hold what it means and what to do. Reads only, so it
 * may run beside the serving process; `--repair` needs the database for itself.
 */
export const doctor: Command = async (input) => {
  const repaired = input.flags.repair === true ? await repairedIn((await databaseOf(input)).path) : [];
  const client = await openReadonly(input);
  try {
    const proofs = proofsOf(client);
    const ok = proofs.every((proof) => proof.ok);
    if (input.flags.json)
      input.print(JSON.stringify({ ok, schemaVersion: latestSchemaVersion, repaired, checks: proofs.map(shown) }));
    else for (const line of [...repaired.map((code) => `mended ${code}`), ...proofs.flatMap(lines)]) input.print(line);
    return ok ? 0 : 1;
  } finally {
    client.close();
  }
};

function proofsOf(client: SqliteClient): readonly Proof[] {
  // First and by itself: in a file that is damaged no transaction may end, and the version may not be read.
  const intact = intactness(client);
  if (!intact.ok) return [intact];
  mustBeCurrent(client);
  let proofs: readonly Proof[] = [];
  // All from one moment, though calls go on.
  client.transaction(() => void (proofs = prove(client))).deferred();
  return proofs;
}

function mustBeCurrent(client: SqliteClient): void {
  const version = versionUpTo(latestSchemaVersion, client);
  if (version !== latestSchemaVersion)
    throw new StorageError(
      `the database has schema version ${version}, this program proves ${latestSchemaVersion}: ` +
        "bring it up to date with `migrate` first",
    );
}

async function repairedIn(path: string): Promise<readonly ProofCode[]> {
  mustBeThere(path);
  const release = await lockFolder(path);
  try {
    const client = await openSqlite(path);
    try {
      // First: proofs and sums of this schema would change what another one means.
      mustBeCurrent(client);
      const append = auditAppender(client, sqliteDatabase(client));
      return repair(client, (mended) =>
        append(authorOf("command", "doctor --repair"), databaseChange("repair", { mended: [...mended] }), Date.now()),
      );
    } catch (error) {
      throw error instanceof StorageError ? error : unusable(path, error, "repaired");
    } finally {
      client.close();
    }
  } finally {
    release();
  }
}

const shown = ({ hint, ...proof }: Proof) => ({ ...proof, ...hint });

const lines = ({ code, name, ok, detail, hint }: Proof): readonly string[] => [
  `${ok ? "ok    " : "WRONG "} ${name}${detail && ` (${detail})`}`,
  ...(hint === null
    ? []
    : [`       ${code}: ${hint.means}`, `       What to do: ${hint.action}`, `       ${hint.command}`]),
];
