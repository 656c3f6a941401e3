import { createHash } from "node:crypto";
import { asc, eq, gt } from "drizzle-orm";
import type { AuditHead, AuditRow, ChainPart } from "./audit.ts";
import { auditEntries, auditHead } from "./schema/sqlite-audit.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** What an empty chain ends with. */
export const emptyHead: AuditHead = { seq: 0, hash: "0".repeat(64) };

/** In this order for ever: a hash of years ago is worked out anew from it. */
const hashedFields = [
  "seq",
  "createdMs",
  "actorKind",
  "actorId",
  "actorName",
  "actorRole",
  "actorAccountId",
  "address",
  "route",
  "action",
  "objectKind",
  "objectId",
  "accountId",
  "before",
  "after",
  "times",
] as const satisfies readonly (keyof AuditRow)[];

/**
 * SHA-256, in hex, over the hash of the entry before, a line feed, and the entry's fields as a JSON array as
 * `JSON.stringify` writes it (RFC 8259, without white space).
 */
export const hashOf = (before: string, row: Omit<AuditRow, "hash">): string =>
  createHash("sha256")
    .update(`${before}\n${JSON.stringify(hashedFields.map((name) => row[name]))}`)
    .digest("hex");

/** Looks at `entries` of them after `from`; at the end it also compares with the head. */
export function verifyPart(database: SqliteDatabase, from: AuditHead, entries: number): ChainPart {
  const rows = database
    .select()
    .from(auditEntries)
    .where(gt(auditEntries.seq, from.seq))
    .orderBy(asc(auditEntries.seq))
    .limit(entries)
    .all();
  let through = from;
  const broken = (seq: number, why: string): ChainPart => ({ through, broken: { seq, why }, more: false });
  for (const row of rows) {
    const seq = through.seq + 1;
    if (row.seq !== seq) return broken(seq, "it is missing");
    if (row.hash !== hashOf(through.hash, row))
      return broken(seq, "it is not what was written after the one before it");
    through = { seq, hash: row.hash };
  }
  if (rows.length === entries) return { through, broken: null, more: true };
  const head = headOf(database);
  if (head.seq > through.seq) return broken(through.seq + 1, "it is missing");
  if (head.seq < through.seq) return broken(head.seq + 1, "it is after the head of the log");
  return head.hash === through.hash
    ? { through, broken: null, more: false }
    : broken(head.seq, "the head differs from it");
}

/** The whole chain, a part at a time. */
export function verifyChain(database: SqliteDatabase): ChainPart {
  let part: ChainPart = { through: emptyHead, broken: null, more: true };
  while (part.more) part = verifyPart(database, part.through, entriesAtOnce);
  return part;
}

const entriesAtOnce = 1_000;

/** `null`: there is no such entry. */
export const hashAt = (database: SqliteDatabase, seq: number): string | null =>
  database.select({ hash: auditEntries.hash }).from(auditEntries).where(eq(auditEntries.seq, seq)).all()[0]?.hash ??
  null;

export function headOf(database: SqliteDatabase): AuditHead {
  const row = database
    .select({ seq: auditHead.seq, hash: auditHead.hash })
    .from(auditHead)
    .where(eq(auditHead.id, 1))
    .all()[0];
  // The migration writes it, and a trigger keeps it.
  return row ?? emptyHead;
}
