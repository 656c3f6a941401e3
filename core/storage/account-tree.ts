import { and, asc, eq, gt, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import type { AccountRow } from "./database.ts";
import { accountLines, accounts } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/**
 * The accounts above each account, now and at any time before. A call counts on the line that its account had when the
 * call started, so that moving an account changes nothing of calls in flight or in the past.
 */
export interface AccountTree {
  /** As `AccountRepository`'s; empty for a removed one too. No query for a known one. */
  lineage(id: string, atMs?: number): readonly AccountRow[];
  /** By its moment alone; also of an account that has been removed since. */
  countedLine(id: string, atMs: number): readonly AccountRow[];
  /** Whether its line of now began, by the clock, after that. No query for a known one. */
  isMovedSince(id: string, atMs: number): boolean;
  /** As `AccountRepository`'s. No query for one found before. */
  idOf(word: string): string | null;
  whyNot(word: string): string;
  /** Inside a transaction: the lines of a new account. `parentRef` `null`: a root. */
  plant(ref: number, parentRef: number | null): void;
  /** Inside a transaction: the account with all below it, for calls that start at `atMs` or later. */
  move(ref: number, parentRef: number | null, atMs: number): void;
  /** Whether `ref` is `ancestorRef` or below it. */
  isUnder(ref: number, ancestorRef: number): boolean;
  /** Levels from the root down to the account; 1 for a root. */
  depth(ref: number): number;
  /** Levels from the account down to the lowest below it; 1 for one without children. */
  height(ref: number): number;
  /** Forgets what it knows: after every change of an account, and after a rollback. */
  forget(): void;
}

const maxCached = 100_000;

interface Line {
  /** The line is this for calls that started here or later. */
  readonly sinceMs: number;
  readonly rows: readonly AccountRow[];
}

export function accountTree(database: SqliteDatabase, now: () => number): AccountTree {
  const known = new Map<string, Line>();
  const named = new Map<string, string>();
  const current = isNull(accountLines.untilMs);
  const below = database
    .select({ ref: accountLines.accountRef, distance: accountLines.distance })
    .from(accountLines)
    .where(and(eq(accountLines.ancestorRef, sql.placeholder("ref")), current))
    .prepare();
  const above = database
    .select({ ref: accountLines.ancestorRef, distance: accountLines.distance })
    .from(accountLines)
    .where(and(eq(accountLines.accountRef, sql.placeholder("ref")), current))
    .prepare();

  const self = alias(accounts, "self");
  const parent = alias(accounts, "parent");
  const lineThat = (holds: SQL | undefined, removed = false) =>
    database
      .select({
        // The end of a line as well: one that is a root again began nothing.
        sinceMs: sql<number>`(select max(coalesce(l.until_ms, l.from_ms)) from ${accountLines} l
          where l.account_ref = ${self.ref})`,
        id: accounts.id,
        parentId: parent.id,
        name: accounts.name,
        createdMs: accounts.createdMs,
      })
      .from(self)
      .innerJoin(accountLines, eq(accountLines.accountRef, self.ref))
      .innerJoin(accounts, eq(accounts.ref, accountLines.ancestorRef))
      .leftJoin(parent, eq(parent.ref, accounts.parentRef))
      .where(and(eq(self.id, sql.placeholder("id")), removed ? undefined : isNull(self.removedMs), holds))
      .orderBy(asc(accountLines.distance))
      .prepare();
  const then = and(
    lte(accountLines.fromMs, sql.placeholder("atMs")),
    or(current, gt(accountLines.untilMs, sql.placeholder("atMs"))),
  );
  const lineNow = lineThat(current);
  const lineThen = lineThat(then);
  const lineOfRemoved = lineThat(then, true);

  function read(statement: typeof lineNow, id: string, atMs: number | null): Line {
    const found = statement.all({ id, atMs });
    return { sinceMs: found[0]?.sinceMs ?? 0, rows: found.map(({ sinceMs: _, ...row }) => row) };
  }

  const withName = (name: string, place: SQL | undefined) =>
    database
      .select({ ref: accounts.ref, id: accounts.id })
      .from(accounts)
      .where(and(eq(accounts.name, name), isNull(accounts.removedMs), place))
      .limit(2)
      .all();
  const atTop = (name: string) => withName(name, isNull(accounts.parentRef));

  /**
   * One, or none, or two of several. Names count from the top down only: those below an account are given by its own
   * people, and one of them could stand in for another tenant's account, or be there before it.
   */
  function find(word: string): readonly { readonly id: string }[] {
    const own = database
      .select({ id: accounts.id })
      .from(accounts)
      .where(and(eq(accounts.id, word), isNull(accounts.removedMs)))
      .all();
    if (own.length > 0) return own;
    const whole = atTop(word);
    const [top = "", ...steps] = word.split("/");
    if (whole.length > 0 || steps.length === 0) return whole;
    let at = atTop(top);
    for (const step of steps) {
      const [place, another] = at;
      if (place === undefined || another !== undefined) return at;
      at = withName(step, eq(accounts.parentRef, place.ref));
    }
    return at;
  }

  function insert(accountRef: number, ancestorRef: number, distance: number, fromMs: number) {
    database.insert(accountLines).values({ accountRef, ancestorRef, distance, fromMs }).run();
  }

  const forget = () => {
    known.clear();
    named.clear();
  };

  function lineOf(id: string): Line {
    let line = known.get(id);
    if (line !== undefined) return line;
    line = read(lineNow, id, null);
    // An unknown id is not remembered: anyone with a token could fill the memory with them.
    if (line.rows.length === 0) return line;
    if (known.size >= maxCached) known.clear();
    known.set(id, line);
    return line;
  }

  function lineage(id: string, atMs = Number.POSITIVE_INFINITY): readonly AccountRow[] {
    const line = lineOf(id);
    if (atMs >= line.sinceMs) return line.rows;
    // A move counts from the next millisecond at the latest: from later on only if the clock was set back since.
    return now() < line.sinceMs - 1 ? line.rows : read(lineThen, id, atMs).rows;
  }

  return {
    idOf(word) {
      const before = named.get(word);
      if (before !== undefined) return before;
      const [found, another] = find(word);
      // As for `lineage`: what is unknown is not remembered.
      if (found === undefined || another !== undefined) return null;
      if (named.size >= maxCached) named.clear();
      named.set(word, found.id);
      return found.id;
    },
    whyNot(word) {
      if (find(word).length > 1) return "several accounts have this name: give the id";
      return withName(word, undefined).length > 0
        ? "only accounts below others have this name: give the id, or the path (Org/Team)"
        : "no account has this id or name";
    },
    lineage,
    countedLine(id, atMs) {
      const { sinceMs, rows } = lineOf(id);
      return rows.length > 0 && atMs >= sinceMs ? rows : read(lineOfRemoved, id, atMs).rows;
    },
    isMovedSince: (id, atMs) => lineOf(id).sinceMs > atMs,
    plant(ref, parentRef) {
      // It may have the name of another one, which is then nobody's.
      named.clear();
      insert(ref, ref, 0, 0);
      if (parentRef === null) return;
      for (const line of above.all({ ref: parentRef })) insert(ref, line.ref, line.distance + 1, 0);
    },
    move(ref, parentRef, atMs) {
      const onto = parentRef === null ? [] : above.all({ ref: parentRef });
      // By sets, because thousands may be below: each has its own distance to the account, and these lines stay.
      const moved = sql`${accountLines} where ancestor_ref = ${ref} and until_ms is null`;
      // Those as well that an earlier move ended later, by a clock that was set back since.
      const left = sql`(until_ms is null or until_ms > ${atMs}) and account_ref in (select account_ref from ${moved})
        and ancestor_ref not in (select account_ref from ${moved})`;
      // It counted nothing yet if it would have begun only now.
      database.run(sql`delete from ${accountLines} where from_ms >= ${atMs} and ${left}`);
      database.run(sql`update ${accountLines} set until_ms = ${atMs} where ${left}`);
      for (const line of onto)
        database.run(sql`insert into ${accountLines} (account_ref, ancestor_ref, distance, from_ms)
          select account_ref, ${line.ref}, distance + ${1 + line.distance}, ${atMs} from ${moved}`);
      known.clear();
    },
    isUnder: (ref, ancestorRef) => above.all({ ref }).some((line) => line.ref === ancestorRef),
    depth: (ref) => above.all({ ref }).length,
    height: (ref) => below.all({ ref }).reduce((most, { distance }) => Math.max(most, distance), 0) + 1,
    forget,
  };
}
