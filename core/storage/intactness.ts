import type { SqliteClient } from "../runtime/sqlite.ts";
import type { Proof, ProofCode } from "./condition.ts";
import { hints } from "./repair-hints.ts";

/**
 * SQLite stops at a page that it cannot make sense of, and says so by a throw. `quick`: without comparing indexes with
 * their tables; of one table only.
 */
export function intactness(
  client: SqliteClient,
  pragma: "integrity_check(5)" | `quick_check(${string})` = "integrity_check(5)",
): Proof {
  const name = "the file is intact";
  try {
    const found = client.prepare(`PRAGMA ${pragma}`).values().flat().map(String);
    const ok = found.length === 1 && found[0] === "ok";
    return proof("file-damaged", name, ok, ok ? "" : found.join("; ").slice(0, 500));
  } catch (error) {
    return proof("file-damaged", name, false, error instanceof Error ? error.message : "it cannot be read");
  }
}

export const proof = (code: ProofCode, name: string, ok: boolean, detail: string): Proof => ({
  code,
  name,
  ok,
  detail,
  hint: ok ? null : hints[code],
});
