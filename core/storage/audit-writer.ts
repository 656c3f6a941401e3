import { eq, sql } from "drizzle-orm";
import { GatewayError } from "../chat/error.ts";
import { isJsonArray, isJsonObject, type Json } from "../chat/json.ts";
import { maskSecrets } from "../chat/mask.ts";
import type { SqliteClient } from "../runtime/sqlite.ts";
import type { Author, Change, Fields } from "./audit.ts";
import { currentAsker } from "./audit-author.ts";
import { emptyHead, hashOf } from "./audit-chain.ts";
import { type GroupCommit, Refused } from "./group-commit.ts";
import { hotStatement, placeholders } from "./hot-statement.ts";
import { auditEntries, auditHead } from "./schema/sqlite-audit.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { totalChanges } from "./total-changes.ts";

/**
 * Writes into the audit log what was done. Only for the transaction that does it. `author`: where what is done makes known
 * who does it.
 */
export type Tell = (change: Change, author?: Author) => void;

/** For whatever people or the operator may change: as `GroupCommit`, with the log. */
export interface AuditedWriter {
  /**
   * What `work` tells is written down in its transaction, as done by whoever asked for it: neither is there without the
   * other. What it holds in memory it changes only after it has written: then a refusal before that, which many are, is
   * no fault that takes the transaction of others back.
   */
  run<T>(work: (tell: Tell) => T): Promise<T>;
}

export function auditedWriter(
  client: SqliteClient,
  database: SqliteDatabase,
  writer: GroupCommit,
  now: () => number,
): AuditedWriter {
  const append = auditAppender(client, database);
  const changes = totalChanges(client);
  return {
    run(work) {
      // Now: later, in the transaction of many, nobody knows who asked for which.
      const asker = currentAsker();
      return writer.run(() => {
        const before = changes();
        try {
          return work((change, by = asker.author) => {
            if (append(by, change, now())) asker.told = true;
          });
        } catch (error) {
          if (error instanceof GatewayError && changes() === before) return new Refused(error);
          throw error;
        }
      });
    },
  };
}

/** Writes one entry, inside a transaction. `false`: it changes nothing, and is no change. */
export function auditAppender(client: SqliteClient, database: SqliteDatabase) {
  // Each time anew and never kept: a command may write beside the process that serves.
  const last = database
    .select({ seq: auditHead.seq, hash: auditHead.hash, createdMs: auditEntries.createdMs })
    .from(auditHead)
    .leftJoin(auditEntries, eq(auditEntries.seq, auditHead.seq))
    .where(eq(auditHead.id, 1))
    .prepare();
  const insert = hotStatement(client, database.insert(auditEntries).values(placeholders(auditEntries)));
  const moveOn = hotStatement(
    client,
    database
      .update(auditHead)
      .set({ seq: sql`${sql.placeholder("seq")}`, hash: sql`${sql.placeholder("hash")}` })
      .where(eq(auditHead.id, 1)),
  );

  return (author: Author, change: Change, nowMs: number): boolean => {
    const { before, after } = differing(change);
    if (before !== null && after !== null && Object.keys(after).length === 0 && Object.keys(before).length === 0)
      return false;
    // The migration writes the head, and a trigger keeps it.
    const head = last.all()[0] ?? { ...emptyHead, createdMs: null };
    const entry = {
      seq: head.seq + 1,
      createdMs: Math.max(nowMs, head.createdMs ?? 0),
      actorKind: author.kind,
      actorId: author.id,
      actorName: author.name,
      actorRole: author.role,
      actorAccountId: author.accountId,
      address: author.address,
      route: author.route,
      action: change.action,
      objectKind: change.object.kind,
      objectId: change.object.id,
      accountId: change.accountId,
      before: textOf(before),
      after: textOf(after),
      times: change.times ?? 1,
    };
    const hash = hashOf(head.hash, entry);
    insert.run({ ...entry, hash });
    moveOn.run({ seq: entry.seq, hash });
    return true;
  };
}

/** Of a change, only the fields that are not the same in both. */
function differing({ before, after }: Change): { readonly before: Fields | null; readonly after: Fields | null } {
  if (before === null || after === null) return { before, after };
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const of = (fields: Fields): Fields =>
    Object.fromEntries(names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])));
  return { before: of(before), after: of(after) };
}

/** Characters of one field: an entry is for ever. */
const maxField = 4_000;

function textOf(fields: Fields | null): string | null {
  if (fields === null) return null;
  const kept = Object.entries(fields).map(([name, value]) => {
    // What is shown of a key is chosen to be: it would look like one.
    const masked = value === undefined || name === "prefix" ? value : withoutSecrets(value);
    const { length } = JSON.stringify(masked ?? null);
    return [name, length > maxField ? `${length} characters, not kept here` : masked] as const;
  });
  return JSON.stringify(Object.fromEntries(kept));
}

/** People paste what they should not into names and notes. */
function withoutSecrets(value: Json): Json {
  if (typeof value === "string") return maskSecrets(value);
  if (isJsonArray(value)) return value.map(withoutSecrets);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => (item === undefined ? [] : [[name, withoutSecrets(item)]])),
  );
}
