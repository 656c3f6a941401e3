import type { CallRow } from "../storage/database.ts";
import type { CallLine } from "../../views/call-table.ts";
import type { DashboardDatabase } from "./route.ts";

/** Names of keys by id; an unknown id stands for itself. */
export async function keyNames(
  database: DashboardDatabase,
  ids: Iterable<string | null>,
): Promise<ReadonlyMap<string, string>> {
  const asked = [...new Set(ids)].filter((id) => id !== null);
  if (asked.length === 0) return new Map();
  const known = new Map((await database.keys.names(asked)).map(({ id, name }) => [id, name]));
  return new Map(asked.map((id) => [id, known.get(id) ?? id]));
}

/** The name of a key or an account; what is neither, or is gone, goes by its id. */
export async function nameOfScope(
  database: DashboardDatabase,
  { kind, id }: { readonly kind: string; readonly id: string },
): Promise<string> {
  if (kind === "key") return (await database.keys.get(id))?.name ?? id;
  return kind === "account" ? ((await database.accounts.find(id))?.name ?? id) : id;
}

/** Calls as rows of a table. */
export async function callLines(database: DashboardDatabase, calls: readonly CallRow[]): Promise<readonly CallLine[]> {
  const names = await keyNames(
    database,
    calls.map((call) => call.keyId),
  );
  return calls.map((call) => ({ ...call, caller: (call.keyId !== null && names.get(call.keyId)) || call.principal }));
}
