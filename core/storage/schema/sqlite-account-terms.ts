import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** What accounts say of their calls and of those below them; a row as long as one says anything. */
export const accountTerms = sqliteTable("account_terms", {
  accountId: text("account_id").primaryKey(),
  /** JSON list; NULL: all. */
  models: text("models"),
  /** JSON list; NULL: all. */
  providers: text("providers"),
  /** JSON list; NULL: all. */
  operations: text("operations"),
  uncappedOutputTokens: integer("uncapped_output_tokens"),
  keyRotation: integer("key_rotation", { mode: "boolean" }).notNull(),
  /** JSON object: of each name a text, or `{below: text}` where people of an account set it. */
  metadata: text("metadata").notNull(),
});
