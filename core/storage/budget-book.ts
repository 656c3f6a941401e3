import { and, eq, isNull, sql } from "drizzle-orm";
import type { Scope } from "../chat/error.ts";
import type { SqliteClient } from "../runtime/sqlite.ts";
import type { BudgetRow, BudgetWindow } from "./database.ts";
import { hotStatement } from "./hot-statement.ts";
import { budgets, budgetWindows } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { windowAt } from "./windows.ts";

/**
 * Budgets in memory. There is one writer, so memory and database agree after every commit: an admission needs no query,
 * and a batch writes each changed window once.
 */
export interface BudgetBook {
  inScope(scope: Scope): readonly Budget[];
  byRef(ref: number): Budget | undefined;
  /** The counters of the window that starts at `startMs`. Change them only inside a transaction, then `touch` them. */
  counters(budget: Budget, startMs: number): Counters;
  touch(counters: Counters): void;
  row(budget: Budget, atMs: number): BudgetRow;
  /** Held on all budgets together, in nano-USD. */
  heldNano(): number;
  /** Writes every touched window. Runs inside the transaction. */
  write(): void;
  add(budget: Budget): void;
  remove(ref: number): void;
  /** Reads all again, after a rollback. */
  reload(): void;
}

export interface Budget {
  readonly ref: number;
  readonly id: string;
  readonly scope: Scope;
  readonly window: BudgetWindow;
  readonly limitNano: number;
  readonly createdMs: number;
}
export interface Counters {
  readonly ref: number;
  readonly startMs: number;
  spentNano: number;
  heldNano: number;
}

export function budgetBook(client: SqliteClient, database: SqliteDatabase): BudgetBook {
  let byScope = new Map<Scope["kind"], Map<string, readonly Budget[]>>();
  let byRef = new Map<number, Budget>();
  /** What has been read, by budget and start of the window. */
  let windows = new Map<number, Map<number, Counters>>();
  let touched = new Set<Counters>();

  const readWindow = database
    .select({ spentNano: budgetWindows.spentNano, heldNano: budgetWindows.heldNano })
    .from(budgetWindows)
    .where(
      and(eq(budgetWindows.budgetRef, sql.placeholder("ref")), eq(budgetWindows.startMs, sql.placeholder("startMs"))),
    )
    .prepare();
  const writeWindow = hotStatement(
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

  function reload() {
    // Read first: if that throws, the budgets must not be forgotten.
    const rows = database.select().from(budgets).where(isNull(budgets.removedMs)).all();
    byScope = new Map();
    byRef = new Map();
    windows = new Map();
    touched = new Set();
    for (const row of rows) {
      add({
        ref: row.ref,
        id: row.id,
        // Both columns are written from a Scope and a BudgetWindow only.
        scope: { kind: row.scopeKind, id: row.scopeId } as Scope,
        window: row.window as BudgetWindow,
        limitNano: row.limitNano,
        createdMs: row.createdMs,
      });
    }
  }

  const inScope = ({ kind, id }: Scope): readonly Budget[] => byScope.get(kind)?.get(id) ?? none;

  function put({ kind, id }: Scope, found: readonly Budget[]) {
    let ofKind = byScope.get(kind);
    if (!ofKind) byScope.set(kind, (ofKind = new Map<string, readonly Budget[]>()));
    if (found.length > 0) ofKind.set(id, found);
    else ofKind.delete(id);
  }

  function add(budget: Budget) {
    byRef.set(budget.ref, budget);
    put(budget.scope, [...inScope(budget.scope), budget]);
  }

  function remove(ref: number) {
    const budget = byRef.get(ref);
    if (!budget) return;
    byRef.delete(ref);
    put(
      budget.scope,
      inScope(budget.scope).filter((other) => other.ref !== ref),
    );
  }
  reload();

  function counters({ ref }: Budget, startMs: number): Counters {
    const known = windows.get(ref)?.get(startMs);
    if (known) return known;
    const stored = readWindow.all({ ref, startMs })[0] ?? { spentNano: 0, heldNano: 0 };
    const read = { ref, startMs, ...stored };
    const ofBudget = windows.get(ref) ?? new Map<number, Counters>();
    windows.set(ref, ofBudget.set(startMs, read));
    return read;
  }

  return {
    add,
    remove,
    reload,
    counters,
    inScope,
    byRef: (ref) => byRef.get(ref),
    touch: (changed) => void touched.add(changed),
    row(budget, atMs) {
      const { startMs, endMs } = windowAt(budget.window, atMs);
      const { ref: _, ...shown } = budget;
      const { spentNano, heldNano } = counters(budget, startMs);
      return { ...shown, windowStartMs: startMs, resetsAtMs: endMs, spentNano, heldNano };
    },
    heldNano() {
      let sum = 0;
      // By budget: the windows of a removed one stay as its last calls left them.
      for (const ref of byRef.keys()) for (const { heldNano } of windows.get(ref)?.values() ?? []) sum += heldNano;
      return sum;
    },
    write() {
      for (const { ref, startMs, spentNano, heldNano } of touched)
        writeWindow.run({ ref, startMs, spentNano, heldNano });
      // Only now: what is not written yet must not be forgotten. Older windows are read again when a call ends in one.
      for (const { ref } of touched) prune(windows.get(ref));
      touched.clear();
    },
  };
}

/** Windows of one budget kept in memory: the current one, and those in which calls in flight began. */
const maxWindows = 4;

function prune(windows: Map<number, Counters> | undefined): void {
  if (windows === undefined || windows.size <= maxWindows) return;
  windows.delete(Math.min(...windows.keys()));
}

const none: readonly Budget[] = [];
