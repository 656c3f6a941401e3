import { eq, sql } from "drizzle-orm";
import { labels } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** Texts that repeat over millions of rows, and the small integers that stand for them. */
export interface Labels {
  /** Inside a transaction: the text's integer, made if it is new. */
  ref(text: string): number;
  ref(text: string | null): number | null;
  text(ref: number): string;
  /** Forgets what a rolled-back transaction made. */
  reload(): void;
}

/** Keeps memory bounded where clients invent model names. */
const maxCached = 10_000;

export function labelsOf(database: SqliteDatabase): Labels {
  const known = new Map<string, number>();
  const find = database
    .select({ ref: labels.ref })
    .from(labels)
    .where(eq(labels.text, sql.placeholder("text")))
    .prepare();
  const insert = database
    .insert(labels)
    .values({ text: sql.placeholder("text") })
    .returning({ ref: labels.ref })
    .prepare();

  function ref(text: string): number;
  function ref(text: string | null): number | null;
  function ref(text: string | null): number | null {
    if (text === null) return null;
    const cached = known.get(text);
    if (cached !== undefined) return cached;
    const row = find.all({ text })[0] ?? insert.all({ text })[0];
    if (!row) throw new Error("a label was neither found nor made");
    if (known.size >= maxCached) known.clear();
    known.set(text, row.ref);
    return row.ref;
  }
  const text = (of: number) =>
    database.select({ text: labels.text }).from(labels).where(eq(labels.ref, of)).all()[0]?.text ?? "";
  return { ref, text, reload: () => known.clear() };
}
