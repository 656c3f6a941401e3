import { blob, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Keys of upstream accounts, encrypted. */
export const credentials = sqliteTable(
  "credentials",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    provider: text("provider").notNull(),
    name: text("name").notNull(),
    sealed: blob("sealed", { mode: "buffer" }).notNull(),
    last4: text("last4").notNull(),
    weight: integer("weight").notNull(),
    enabled: integer("enabled", { mode: "boolean" }).notNull(),
    createdMs: integer("created_ms").notNull(),
    changedMs: integer("changed_ms").notNull(),
  },
  (table) => [uniqueIndex("credentials_id").on(table.id)],
);
