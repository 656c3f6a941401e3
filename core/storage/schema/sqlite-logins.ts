import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** By which name an issuer knows somebody: `iss` and `sub` of its tokens, which no one else ever gets (OIDC Core §2). */
export const personLogins = sqliteTable(
  "person_logins",
  {
    issuer: text("issuer").notNull(),
    subject: text("subject").notNull(),
    personRef: integer("person_ref").notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.issuer, table.subject] }),
    index("person_logins_person").on(table.personRef),
  ],
);
