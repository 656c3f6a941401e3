import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * Who changed what. Triggers of the migration refuse to change or delete a row, and one that does not follow the head.
 * What `hash` covers is in `audit-chain.ts`.
 */
export const auditEntries = sqliteTable(
  "audit_entries",
  {
    /** Without gaps. */
    seq: integer("seq").primaryKey(),
    /** Never before the one above it, whatever the clock does. */
    createdMs: integer("created_ms").notNull(),
    actorKind: text("actor_kind").notNull(),
    actorId: text("actor_id"),
    actorName: text("actor_name").notNull(),
    actorRole: text("actor_role"),
    /** The account that whoever did it belonged to. */
    actorAccountId: text("actor_account_id"),
    address: text("address"),
    /** As `PATCH /api/keys/:id`; NULL: no request led to it. */
    route: text("route"),
    action: text("action").notNull(),
    objectKind: text("object_kind").notNull(),
    objectId: text("object_id"),
    /** The account that the object belongs to; NULL: to none, so only those who see the whole see it. */
    accountId: text("account_id"),
    /** JSON of the fields that were changed; NULL: it was not there before. */
    before: text("before"),
    /** NULL: it is not there any more. */
    after: text("after"),
    /** How many times it happened: what comes often is summed up. */
    times: integer("times").notNull(),
    hash: text("hash").notNull(),
  },
  (table) => [
    index("audit_entries_created").on(table.createdMs),
    index("audit_entries_actor").on(table.actorId),
    index("audit_entries_action").on(table.action),
    index("audit_entries_object").on(table.objectKind, table.objectId),
    index("audit_entries_account").on(table.accountId),
  ],
);

/** The last entry; one row. Beside the table, so that entries missing at its end are missed. */
export const auditHead = sqliteTable("audit_head", {
  id: integer("id").primaryKey(),
  seq: integer("seq").notNull(),
  hash: text("hash").notNull(),
});
