import type { SqliteClient } from "../runtime/sqlite.ts";
import { prove } from "./prove.ts";
import { attemptReports } from "./repositories/attempt-report.ts";
import { callRepository } from "./repositories/calls.ts";
import { exportRepository } from "./repositories/exports.ts";
import { usageEvents } from "./repositories/usage-events.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** What the threads of a process that serves answer, in one that has none; there it need not even be loaded. */
export const ownReads = (client: SqliteClient, database: SqliteDatabase) => ({
  calls: callRepository(database),
  attempts: attemptReports(database),
  exports: exportRepository(database),
  usageAfter: usageEvents(database),
  prove: () => prove(client),
});
