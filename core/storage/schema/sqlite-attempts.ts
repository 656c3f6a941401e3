import { integer, primaryKey, sqliteTable } from "drizzle-orm/sqlite-core";

const counted = (name: string) => integer(name).notNull();

/**
 * How attempts ended, by target and hour: what `calls` cannot tell without reading them, as a call counts for the provider
 * that answered it and not for those that failed before. Folded from calls and attempts with the rollups.
 */
export const attemptsHourly = sqliteTable(
  "attempts_hourly",
  {
    providerRef: integer("provider_ref").notNull(),
    /** Start of the hour (UTC) that their calls were admitted in. */
    startMs: integer("start_ms").notNull(),
    upstreamModelRef: integer("upstream_model_ref").notNull(),
    ok: counted("ok"),
    failed: counted("failed"),
    limited: counted("limited"),
    refused: counted("refused"),
    left: counted("client_left"),
    /** How many of the good calls with one attempt had their first byte after at most so many ms, and more than the next smaller. */
    upTo20: counted("up_to_20"),
    upTo50: counted("up_to_50"),
    upTo100: counted("up_to_100"),
    upTo200: counted("up_to_200"),
    upTo350: counted("up_to_350"),
    upTo500: counted("up_to_500"),
    upTo750: counted("up_to_750"),
    upTo1000: counted("up_to_1000"),
    upTo1500: counted("up_to_1500"),
    upTo2500: counted("up_to_2500"),
    upTo5000: counted("up_to_5000"),
    upTo10000: counted("up_to_10000"),
    upTo20000: counted("up_to_20000"),
    upTo60000: counted("up_to_60000"),
    beyond: counted("beyond"),
  },
  (table) => [primaryKey({ columns: [table.providerRef, table.startMs, table.upstreamModelRef] })],
);
