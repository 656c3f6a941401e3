import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** What plugins keep, by instance. */
export const pluginState = sqliteTable(
  "plugin_state",
  {
    namespace: text("namespace").notNull(),
    key: text("key").notNull(),
    /** JSON. */
    value: text("value").notNull(),
    expiresMs: integer("expires_ms"),
  },
  (table) => [primaryKey({ columns: [table.namespace, table.key] })],
);
