import { blob, index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Who may sign in, and services, which only hold tokens. */
export const people = sqliteTable(
  "people",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    kind: text("kind", { enum: ["person", "service"] }).notNull(),
    /** In lower case; NULL: a service. */
    email: text("email"),
    name: text("name").notNull(),
    role: text("role", { enum: ["owner", "admin", "viewer", "member"] }).notNull(),
    /** Of the account whose part of the tree they see; NULL: all of it. */
    accountRef: integer("account_ref"),
    /** Argon2id in the PHC format; NULL: not set yet, or a service. */
    password: text("password"),
    /** Sealed; NULL: there is no second factor. */
    totp: blob("totp", { mode: "buffer" }),
    /** The last time step that a code was taken for: none is taken twice. */
    totpStep: integer("totp_step").notNull().default(0),
    /** JSON list of the hashes of recovery codes that are not used yet. */
    recovery: text("recovery").notNull().default("[]"),
    createdMs: integer("created_ms").notNull(),
    signedInMs: integer("signed_in_ms"),
  },
  (table) => [
    uniqueIndex("people_id").on(table.id),
    uniqueIndex("people_email").on(table.email),
    index("people_account").on(table.accountRef),
  ],
);

/** One-time links by which somebody sets a password: an invitation, or a reset. */
export const personLinks = sqliteTable(
  "person_links",
  {
    digest: text("digest").primaryKey(),
    personRef: integer("person_ref").notNull(),
    expiresMs: integer("expires_ms").notNull(),
  },
  (table) => [index("person_links_person").on(table.personRef)],
);

/** Personal API tokens, by hash. */
export const personTokens = sqliteTable(
  "person_tokens",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    personRef: integer("person_ref").notNull(),
    name: text("name").notNull(),
    digest: text("digest").notNull(),
    last4: text("last4").notNull(),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms"),
  },
  (table) => [
    uniqueIndex("person_tokens_id").on(table.id),
    uniqueIndex("person_tokens_digest").on(table.digest),
    index("person_tokens_person").on(table.personRef),
  ],
);

export const sessions = sqliteTable(
  "sessions",
  {
    digest: text("digest").primaryKey(),
    /** What it may without a person; with one, theirs counts. */
    role: text("role", { enum: ["owner", "admin", "viewer", "member"] }).notNull(),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms").notNull(),
    /** Names it in lists; opens nothing. */
    id: text("id"),
    /** NULL: whoever held the admin token. */
    personRef: integer("person_ref"),
    address: text("address"),
    /** Of the browser, cut to 200 characters. */
    agent: text("agent"),
  },
  (table) => [index("sessions_person").on(table.personRef)],
);
