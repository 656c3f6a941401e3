import { asc, desc, eq, sql } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { Json } from "../../chat/json.ts";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { BookEntryRow, BookRepository, NewBookEntry } from "../book.ts";
import type { GroupCommit } from "../group-commit.ts";
import { bookEntries, unpricedTargets } from "../schema/sqlite-book.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** Names of models come from clients: the oldest beyond these are forgotten. */
const maxUnpriced = 1_000;

export interface Book extends BookRepository {
  /** After a rollback. */
  reload(): void;
}

export interface BookDependencies {
  readonly database: SqliteDatabase;
  /** For what calls count. */
  readonly writer: GroupCommit;
  readonly audited: AuditedWriter;
  readonly now: () => number;
}

/** Entries are few, and each is read on every call: they are kept in memory, which one writer keeps equal to the table. */
export function bookRepository({ database, writer, audited, now }: BookDependencies): Book {
  const read = () => database.select().from(bookEntries).orderBy(asc(bookEntries.ref)).all().map(entryOf);
  let entries: readonly BookEntryRow[] = read();
  const count = preparedCount(database);

  function insert({ effectiveMs: asked, ...entry }: NewBookEntry): BookEntryRow {
    const createdMs = now();
    if (asked !== null && asked <= createdMs)
      throw new GatewayError("invalid-request", "effectiveFrom: must be after now: prices never change the past", {
        param: "effectiveFrom",
      });
    // Calls that end in this millisecond may have been rated already.
    const row: BookEntryRow = { ...entry, effectiveMs: asked ?? createdMs + 1, createdMs };
    database
      .insert(bookEntries)
      .values({
        id: row.id,
        kind: row.kind,
        target: row.target,
        accountId: row.kind === "charge" ? row.account : null,
        effectiveMs: row.effectiveMs,
        value: valueOf(row),
        author: row.author,
        createdMs,
      })
      .run();
    return row;
  }

  return {
    entries: () => entries,
    reload: () => void (entries = read()),
    async add(entry) {
      const row = await audited.run((tell) => {
        const made = insert(entry);
        entries = [...entries, made];
        tell(changeOf("set", made));
        return made;
      });
      return row;
    },
    remove: (id) =>
      audited.run((tell) => {
        const entry = entries.find((one) => one.id === id);
        if (!entry) return "unknown";
        if (entry.effectiveMs <= now()) return "effective";
        database.delete(bookEntries).where(eq(bookEntries.id, id)).run();
        entries = entries.filter((one) => one.id !== id);
        tell(changeOf("remove", entry));
        return "removed";
      }),
    countUnpriced: (provider, model) => writer.run(() => count(provider, model, now())),
    unpriced: () => database.select().from(unpricedTargets).orderBy(desc(unpricedTargets.lastMs)).all(),
  };
}

function changeOf(what: "set" | "remove", row: BookEntryRow): Change {
  const { kind, id, target, effectiveMs } = row;
  const value = valueOf(row);
  const fields: Fields = {
    target,
    ...(kind === "charge" && { account: row.account }),
    effectiveMs,
    value: value === null ? null : (JSON.parse(value) as Json),
  };
  const sides = what === "set" ? { before: null, after: fields } : { before: fields, after: null };
  return { action: `${kind}.${what}`, object: { kind, id }, accountId: null, ...sides };
}

function preparedCount(database: SqliteDatabase): (provider: string, model: string, atMs: number) => void {
  const add = database
    .insert(unpricedTargets)
    .values({
      provider: sql.placeholder("provider"),
      model: sql.placeholder("model"),
      asked: 1,
      lastMs: sql.placeholder("atMs"),
    })
    .onConflictDoUpdate({
      target: [unpricedTargets.provider, unpricedTargets.model],
      set: { asked: sql`${unpricedTargets.asked} + 1`, lastMs: sql`excluded.last_ms` },
    })
    .returning({ asked: unpricedTargets.asked })
    .prepare();
  const { provider, model, lastMs } = unpricedTargets;
  const forget = database
    .delete(unpricedTargets)
    .where(
      sql`(${provider}, ${model}) in (select provider, model from ${unpricedTargets} order by ${lastMs} desc, ${provider}, ${model} limit -1 offset ${maxUnpriced})`,
    )
    .prepare();
  return (name, asked, atMs) => {
    if (add.all({ provider: name, model: asked, atMs })[0]?.asked === 1) forget.run();
  };
}

const valueOf = (row: BookEntryRow): string | null => {
  const value = row.kind === "price" ? row.prices : row.terms;
  return value && JSON.stringify(value);
};

function entryOf(row: typeof bookEntries.$inferSelect): BookEntryRow {
  const { id, target, effectiveMs, author, createdMs } = row;
  const shared = { id, target, effectiveMs, author, createdMs };
  // The column is written by `insert` only, from these types.
  const value = row.value === null ? null : JSON.parse(row.value);
  return row.kind === "price"
    ? { ...shared, kind: "price", prices: value }
    : { ...shared, kind: "charge", account: row.accountId, terms: value };
}
