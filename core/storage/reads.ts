import type { SqliteClient } from "../runtime/sqlite.ts";
import type { EntryFilter } from "./credit.ts";
import type { PageQuery } from "./database.ts";
import { intactness } from "./intactness.ts";
import { prove } from "./prove.ts";
import { attemptReports } from "./repositories/attempt-report.ts";
import { auditReads } from "./repositories/audit.ts";
import { callRepository } from "./repositories/calls.ts";
import { entriesOf } from "./repositories/credits.ts";
import { exportRepository } from "./repositories/exports.ts";
import { keyReads } from "./repositories/keys.ts";
import { limitReads } from "./repositories/limits.ts";
import { purgePlanner } from "./purge-plan.ts";
import { usageEvents } from "./repositories/usage-events.ts";
import { foldReader } from "./rollup-fold.ts";
import { sqliteDatabase } from "./sqlite-database.ts";

/** What pages, lists and proofs read, by name: the thread that serves asks another one for it. */
export function readsOf(client: SqliteClient) {
  const database = sqliteDatabase(client);
  const calls = callRepository(database);
  const attempts = attemptReports(database);
  const keys = keyReads(database);
  const exports = exportRepository(database);
  const audit = auditReads(database);
  return {
    "calls.list": calls.list,
    "calls.get": calls.get,
    "calls.usage": calls.usage,
    "calls.ranking": calls.ranking,
    "calls.openCount": calls.openCount,
    "keys.list": keys.list,
    "keys.get": keys.get,
    "keys.names": keys.names,
    "limits.under": limitReads(database).under,
    "credits.entries": (filter: EntryFilter, query: PageQuery) => entriesOf(database, filter, query),
    "audit.list": audit.list,
    "audit.get": audit.get,
    "audit.verify": audit.verify,
    "exports.audit": exports.audit,
    "calls.latency": calls.latency,
    "attempts.report": attempts.report,
    "attempts.lastDay": attempts.lastDay,
    "exports.calls": exports.calls,
    "exports.entries": exports.entries,
    "exports.usage": exports.usage,
    "outbox.usage": usageEvents(database),
    "rollups.next": foldReader(database),
    "purges.next": purgePlanner(database),
    prove: () => prove(client),
    intact: () => intactness(client, "quick_check(5)"),
  };
}
export type Reads = ReturnType<typeof readsOf>;
export type ReadName = keyof Reads;
export type Answer<Name extends ReadName> = Awaited<ReturnType<Reads[Name]>>;
