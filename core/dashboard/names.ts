import type { CallRow } from "../storage/database.ts";
import type { CallLine } from "../../views/call-table.ts";
import type { DashboardDatabase } from "./route.ts";

/** Names of keys by id, each asked for once; an unknown id stands for itself. */
export async function keyNames(
  database: DashboardDatabase,
  ids: Iterable<string | null>,
): Promise<ReadonlyMap<string, string>> {
  const known = [...new Set(ids)].filter((id) => id !== null);
  const named = await Promise.all(known.map(async (id) => [id, (await database.keys.get(id))?.name ?? id] as const));
  return new Map(named);
}

/** Calls as rows of a table. */
export async function callLines(database: DashboardDatabase, calls: readonly CallRow[]): Promise<readonly CallLine[]> {
  const names = await keyNames(
    database,
    calls.map((call) => call.keyId),
  );
  return calls.map((call) => ({ ...call, caller: (call.keyId !== null && names.get(call.keyId)) || call.principal }));
}
