import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { keys } from "./sqlite.ts";

/** Secrets that a rotation replaced and that still work for a while; the key's own row has the present one. */
export const olderSecrets = sqliteTable(
  "older_secrets",
  {
    digest: text("digest").primaryKey(),
    keyRef: integer("key_ref")
      .notNull()
      .references(() => keys.ref),
    prefix: text("prefix").notNull(),
    last4: text("last4").notNull(),
    imported: integer("imported", { mode: "boolean" }).notNull(),
    untilMs: integer("until_ms").notNull(),
  },
  (table) => [index("older_secrets_key").on(table.keyRef)],
);
