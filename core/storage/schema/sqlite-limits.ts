import { integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Limits that were set through the API or the dashboard. */
export const limits = sqliteTable(
  "limits",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    scopeKind: text("scope_kind", { enum: ["key", "account", "model", "provider", "global", "ip"] }).notNull(),
    /** NULL: each of the kind for itself. */
    scopeId: text("scope_id"),
    /** JSON of the written limits. */
    limits: text("limits").notNull(),
    enforce: integer("enforce", { mode: "boolean" }).notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [uniqueIndex("limits_id").on(table.id)],
);
