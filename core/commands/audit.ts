import { StorageError } from "../storage/migrate.ts";
import type { AuditHead } from "../storage/audit.ts";
import { hashAt, verifyChain } from "../storage/audit-chain.ts";
import { sqliteDatabase } from "../storage/sqlite-database.ts";
import type { Command } from "./command.ts";
import { openReadonly } from "./storage.ts";

/**
 * `audit verify [SEQ-HASH]`: works out every hash of the audit log anew, beside the process that serves. With the head that
 * was kept elsewhere it also says whether that entry is still what it was.
 */
export const audit: Command = async (input) => {
  const [what, kept, ...more] = input.words;
  const known = kept === undefined ? null : headIn(kept);
  if (what !== "verify" || more.length > 0 || (kept !== undefined && known === null)) {
    input.printError("usage: audit verify [SEQ-HASH]");
    return 2;
  }
  const client = await openReadonly(input);
  try {
    const database = sqliteDatabase(client);
    const { through, broken } = verifyChain(database);
    const fault = broken ?? (known && faultOf(known, hashAt(database, known.seq)));
    if (input.flags.json) input.print(JSON.stringify({ ok: fault === null, through, broken: fault }));
    else
      input.print(
        fault === null
          ? `The audit log is whole: ${through.seq} entries, head ${through.seq}-${through.hash}.`
          : `WRONG: entry ${fault.seq} of the audit log: ${fault.why}.`,
      );
    return fault === null ? 0 : 1;
  } catch (error) {
    throw new StorageError(
      `the audit log cannot be read: ${error instanceof Error ? error.message : "unknown reason"}`,
    );
  } finally {
    client.close();
  }
};

function headIn(text: string): AuditHead | null {
  const [, seq, hash] = /^([0-9]{1,15})-([0-9a-f]{64})$/.exec(text) ?? [];
  return seq === undefined || hash === undefined ? null : { seq: Number(seq), hash };
}

function faultOf(known: AuditHead, hash: string | null) {
  if (hash === known.hash) return null;
  return { seq: known.seq, why: hash === null ? "it is missing" : "it is not the one that was kept" };
}
