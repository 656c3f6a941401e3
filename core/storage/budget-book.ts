import { and, asc, eq, gt, gte, isNull, lt, lte, max, min, sql } from "drizzle-orm";
import type { Scope } from "../chat/error.ts";
import type { SqliteClient } from "../runtime/sqlite.ts";
import type { BudgetRow, BudgetWindow } from "./budget.ts";
import { hotStatement } from "./hot-statement.ts";
import { budgets, budgetWindows } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { rollingHours, rollsOutMs, type Span, windowAt } from "./windows.ts";

/**
 * Budgets in memory. There is one writer, so memory and database agree after every commit: an admission needs no query,
 * and a batch writes each changed row once.
 */
export interface BudgetBook {
  inScope(scope: Scope): readonly Budget[];
  byRef(ref: number): Budget | undefined;
  /** Those that are the balance of an account. */
  prepaid(): readonly Budget[];
  /** The row that counts a call. Change it only inside a transaction, then `touch` it. */
  counters(budget: Budget, rowMs: number): Counters;
  /** The same, if there is one; `null`: no call was counted in it, or it counts no more and is forgotten. */
  counted(budget: Budget, rowMs: number): Counters | null;
  touch(counters: Counters): void;
  /** The rows that start then or later: there are some if the clock was set back. Inside a transaction. */
  rowsFrom(budget: Budget, fromMs: number): readonly Counters[];
  /** Inside a transaction: as if it had never been. */
  forget(budget: Budget, counters: Counters): void;
  /** What was touched since the last `write`. */
  touched(): Iterable<Counters>;
  /** Of the fullest window that a call starting then is in. */
  used(budget: Budget, atMs: number): Pick<Counters, "spentNano" | "heldNano">;
  /** The row for a call that starts then, as `counters` takes it. */
  rowAt(budget: Budget, atMs: number): number;
  /** What a call that starts then may hold: below 0 when more is spent than the limit. */
  freeNano(budget: Budget, atMs: number): number;
  row(budget: Budget, atMs: number): BudgetRow;
  /** Held on all budgets together, in nano-USD. */
  heldNano(): number;
  /** Writes every touched row. Runs inside the transaction. */
  write(): void;
  /** Reads one from the database: a new one, or one that was changed or removed. */
  refresh(ref: number): void;
  /** Reads all again, after a rollback. */
  reload(): void;
}

type StoredBudget = Omit<
  typeof budgets.$inferSelect,
  "scopeKind" | "scopeId" | "window" | "removedMs" | "alertPercents"
>;
export interface Budget extends StoredBudget {
  readonly scope: Scope;
  readonly window: BudgetWindow;
  /** Of a window that rolls; `null`: it does not. */
  readonly hours: number | null;
  /** Of the limit, rising: when spent, that is told. */
  readonly percents: readonly number[];
  /** The window asked for last: nearly always the next call is in it too. */
  span: Span | null;
  /** What has been read of it, by start. */
  readonly rows: Map<number, Counters>;
  /** Of rolling hours: every row that may still count has been read. */
  whole: boolean;
}
export interface Counters {
  readonly ref: number;
  readonly startMs: number;
  spentNano: number;
  heldNano: number;
}

export function budgetBook(client: SqliteClient, database: SqliteDatabase): BudgetBook {
  let byScope = noScopes();
  let byRef = new Map<number, Budget>();
  const balances = new Set<Budget>();
  let touched = new Set<Counters>();

  const readRow = database
    .select({ spentNano: budgetWindows.spentNano, heldNano: budgetWindows.heldNano })
    .from(budgetWindows)
    .where(
      and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), eq(budgetWindows.startMs, sql.placeholder("startMs"))),
    )
    .prepare();
  const readRows = database
    .select()
    .from(budgetWindows)
    .where(
      and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), gte(budgetWindows.startMs, sql.placeholder("startMs"))),
    )
    .orderBy(asc(budgetWindows.startMs))
    .prepare();
  const lastRow = database
    .select({ startMs: max(budgetWindows.startMs) })
    .from(budgetWindows)
    .where(
      and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), lte(budgetWindows.startMs, sql.placeholder("atMs"))),
    )
    .prepare();
  const nextRow = database
    .select({ startMs: min(budgetWindows.startMs) })
    .from(budgetWindows)
    .where(and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), gt(budgetWindows.startMs, sql.placeholder("atMs"))))
    .prepare();
  const writeRow = hotStatement(
    client,
    database
      .insert(budgetWindows)
      .values({
        budgetRef: sql.placeholder("ref"),
        startMs: sql.placeholder("startMs"),
        spentNano: sql.placeholder("spentNano"),
        heldNano: sql.placeholder("heldNano"),
      })
      .onConflictDoUpdate({
        target: [budgetWindows.budgetRef, budgetWindows.startMs],
        set: { spentNano: sql`excluded.spent_nano`, heldNano: sql`excluded.held_nano` },
      }),
  );

  // Of rolling hours: there would be one for each minute of each budget, for ever. A row ends where the next one starts, so
  // none goes that began in the part of an older one that is still needed: after a reset the older would reach further.
  const deleteRows = hotStatement(
    client,
    database.delete(budgetWindows).where(
      and(
        eq(budgetWindows.budgetRef, sql.placeholder("ref")),
        lt(budgetWindows.startMs, sql.placeholder("startMs")),
        sql`not exists (select 1 from ${budgetWindows} held where held.budget_ref = ${budgetWindows.budgetRef}
            and held.held_nano <> 0 and held.start_ms <= ${budgetWindows.startMs}
            and held.start_ms > ${budgetWindows.startMs} - ${sql.placeholder("partMs")})`,
      ),
    ),
  );

  const deleteRow = database
    .delete(budgetWindows)
    .where(
      and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), eq(budgetWindows.startMs, sql.placeholder("startMs"))),
    )
    .prepare();

  const live = (ref?: number) =>
    database
      .select()
      .from(budgets)
      .where(and(isNull(budgets.removedMs), ref === undefined ? undefined : eq(budgets.ref, ref)))
      .all();

  function reload() {
    // Read first: if that throws, the budgets must not be forgotten.
    const found = live();
    byScope = noScopes();
    byRef = new Map();
    balances.clear();
    touched = new Set();
    for (const row of found) add(row, { rows: new Map(), whole: false });
  }

  function add(stored: typeof budgets.$inferSelect, known: Known) {
    const { scopeKind, scopeId, removedMs: _, alertPercents, ...row } = stored;
    // The columns are written from a Scope, a BudgetWindow and a list of numbers only.
    const percents = JSON.parse(alertPercents) as readonly number[];
    const scope = { kind: scopeKind, id: scopeId } as Scope;
    const window = row.window as BudgetWindow;
    const { rows, whole } = known;
    const budget: Budget = { ...row, scope, window, percents, hours: rollingHours(window), span: null, rows, whole };
    byRef.set(budget.ref, budget);
    if (budget.prepaid) balances.add(budget);
    put(budget.scope, [...inScope(budget.scope), budget]);
  }

  /** Asked ten times a call, mostly of kinds of scope that have no budget at all. */
  function inScope({ kind, id }: Scope): readonly Budget[] {
    const ofKind = byScope[kind];
    return ofKind.size === 0 ? none : (ofKind.get(id) ?? none);
  }

  function put({ kind, id }: Scope, found: readonly Budget[]) {
    if (found.length > 0) byScope[kind].set(id, found);
    else byScope[kind].delete(id);
  }
  reload();

  function counted(budget: Budget, rowMs: number): Counters | null {
    const known = budget.rows.get(rowMs);
    if (known) return known;
    const stored = readRow.all({ ref: budget.ref, startMs: rowMs })[0];
    return stored ? remembered(budget, rowMs, stored) : null;
  }

  const counters = (budget: Budget, rowMs: number): Counters =>
    counted(budget, rowMs) ?? remembered(budget, rowMs, { spentNano: 0, heldNano: 0 });

  function remembered({ ref, rows }: Budget, startMs: number, sums: Used): Counters {
    const row = { ref, startMs, ...sums };
    rows.set(startMs, row);
    return row;
  }

  function spanAt(budget: Budget, atMs: number): Span {
    const { span } = budget;
    if (span && atMs >= span.rowMs && atMs < span.untilMs) return span;
    const found = budget.resetMs === 0 ? windowAt(budget, atMs) : spanAmongResets(budget, atMs);
    return budget.resetMs > atMs ? found : (budget.span = found);
  }

  /**
   * There may have been other resets before the last one, each of which began a row too; by the clock it may even be one
   * after it, if that was set back.
   */
  function spanAmongResets(budget: Budget, atMs: number): Span {
    const span = windowAt(budget, atMs);
    const { ref } = budget;
    const read = [...budget.rows.keys()];
    const stored = [lastRow.all({ ref, atMs })[0]?.startMs, nextRow.all({ ref, atMs })[0]?.startMs];
    const starts = [...read, ...stored.map((startMs) => Number(startMs ?? 0))];
    return {
      ...span,
      rowMs: Math.max(span.rowMs, ...starts.filter((startMs) => startMs <= atMs)),
      untilMs: Math.min(span.untilMs, ...starts.filter((startMs) => startMs > atMs)),
    };
  }

  /** With those of an earlier process. */
  function rowsOf(budget: Budget, hours: number, atMs: number): Budget["rows"] {
    if (!budget.whole) readFrom(budget, keptFrom(hours, atMs));
    budget.whole = true;
    return budget.rows;
  }

  function readFrom(budget: Budget, fromMs: number) {
    for (const { startMs, spentNano, heldNano } of readRows.all({ ref: budget.ref, startMs: fromMs }))
      // What is in memory may be newer than what is stored.
      if (!budget.rows.has(startMs)) remembered(budget, startMs, { spentNano, heldNano });
  }

  function usedIn(budget: Budget, { startMs, rowMs }: Span, hours: number): Used {
    let [spentNano, heldNano] = [0, 0];
    for (const row of rowsOf(budget, hours, rowMs).values()) {
      if (row.startMs < startMs || row.startMs > rowMs) continue;
      spentNano += row.spentNano;
      heldNano += row.heldNano;
    }
    return { spentNano, heldNano };
  }

  /** Of the fullest window that a call starting then is in: of rolling hours, a later one may hold more already. */
  function used(budget: Budget, atMs: number): Used {
    const span = spanAt(budget, atMs);
    const { hours } = budget;
    if (hours === null) return counters(budget, span.rowMs);
    let most = usedIn(budget, span, hours);
    for (const laterMs of budget.rows.keys()) {
      if (laterMs <= span.rowMs || laterMs >= rollsOutMs(hours, span.rowMs)) continue;
      // As a call that starts then would be asked.
      const later = { ...windowAt(budget, laterMs), rowMs: laterMs };
      if (later.startMs > span.rowMs) continue;
      const use = usedIn(budget, later, hours);
      if (use.spentNano + use.heldNano > most.spentNano + most.heldNano) most = use;
    }
    return most;
  }

  return {
    reload,
    counters,
    counted,
    inScope,
    byRef: (ref) => byRef.get(ref),
    prepaid: () => [...balances],
    touch: (changed) => void touched.add(changed),
    touched: () => touched,
    rowsFrom(budget, fromMs) {
      readFrom(budget, fromMs);
      return [...budget.rows.values()].filter(({ startMs }) => startMs >= fromMs);
    },
    forget(budget, row) {
      budget.rows.delete(row.startMs);
      touched.delete(row);
      deleteRow.run({ ref: row.ref, startMs: row.startMs });
    },
    used,
    rowAt: (budget, atMs) => spanAt(budget, atMs).rowMs,
    freeNano(budget, atMs) {
      const { spentNano, heldNano } = used(budget, atMs);
      return limitAt(budget, atMs) - spentNano - heldNano;
    },
    row(budget, atMs) {
      const { id, scope, window, timeZone, onShortfall, admission, createdMs } = budget;
      const { startMs, endMs } = spanAt(budget, atMs);
      const { spentNano, heldNano } = used(budget, atMs);
      return {
        id,
        scope,
        window,
        timeZone,
        limitNano: limitAt(budget, atMs),
        onShortfall,
        admission,
        alertPercents: budget.percents,
        increase: budget.extraUntilMs > atMs ? { nano: budget.extraNano, untilMs: budget.extraUntilMs } : null,
        createdMs,
        windowStartMs: startMs,
        resetsAtMs: endMs ?? firstRollOut(budget, startMs),
        spentNano,
        heldNano,
      };
    },
    heldNano() {
      let sum = 0;
      for (const { rows } of byRef.values()) for (const { heldNano } of rows.values()) sum += heldNano;
      return sum;
    },
    write() {
      const oldestMs = new Map<number, number>();
      for (const { ref, startMs, spentNano, heldNano } of touched) {
        writeRow.run({ ref, startMs, spentNano, heldNano });
        oldestMs.set(ref, Math.min(oldestMs.get(ref) ?? startMs, startMs));
      }
      // Only now: what is not written yet must not be forgotten. Older rows are read again when a call ends in one.
      for (const [ref, startMs] of oldestMs) {
        const budget = byRef.get(ref);
        const fromMs = prune(budget, startMs);
        if (fromMs !== null) deleteRows.run({ ref, startMs: fromMs, partMs: (budget?.hours ?? 0) * 60_000 });
      }
      touched.clear();
    },
    refresh(ref) {
      const known = byRef.get(ref);
      byRef.delete(ref);
      if (known) balances.delete(known);
      if (known)
        put(
          known.scope,
          inScope(known.scope).filter((other) => other !== known),
        );
      for (const row of live(ref)) add(row, known ?? { rows: new Map(), whole: false });
    },
  };
}

type Known = Pick<Budget, "rows" | "whole">;
type Used = Pick<Counters, "spentNano" | "heldNano">;

export const limitAt = ({ limitNano, extraNano, extraUntilMs }: Budget, atMs: number): number =>
  extraUntilMs > atMs ? limitNano + extraNano : limitNano;

/** When the oldest part of what is spent leaves rolling hours; `null`: they do not roll, or nothing is spent. */
function firstRollOut({ hours, rows }: Budget, startMs: number): number | null {
  if (hours === null) return null;
  const spent = [...rows.values()].filter((row) => row.startMs >= startMs && row.spentNano > 0);
  return spent.length === 0 ? null : rollsOutMs(hours, Math.min(...spent.map((row) => row.startMs)));
}

/** Windows of one budget kept in memory: the current one, and those in which calls in flight began. */
const maxWindows = 4;
/** Twice the hours, because a call may have started as long before it is admitted; with the part that it began in. */
const keptFrom = (hours: number, atMs: number): number => atMs - 2 * hours * 3_600_000 - hours * 60_000;

/**
 * Returns what rows no call will count in any more start before; `null`: nothing is over. `atMs`: the oldest row that was
 * counted in just now. The newest one there is may be of a clock that was set back since.
 */
function prune(budget: Budget | undefined, atMs: number): number | null {
  if (budget === undefined || budget.rows.size <= maxWindows) return null;
  const { hours, rows } = budget;
  const firstMs = Math.min(...rows.keys());
  if (hours === null) {
    rows.delete(firstMs);
    return null;
  }
  const fromMs = keptFrom(hours, atMs);
  if (firstMs >= fromMs) return null;
  for (const startMs of rows.keys()) if (startMs < fromMs) rows.delete(startMs);
  return fromMs;
}

const none: readonly Budget[] = [];
const noScopes = (): Readonly<Record<Scope["kind"], Map<string, readonly Budget[]>>> => ({
  key: new Map(),
  account: new Map(),
  model: new Map(),
  provider: new Map(),
  global: new Map(),
});
