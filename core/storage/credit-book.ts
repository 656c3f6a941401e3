import { and, asc, desc, eq, gt, isNotNull, isNull, or, sql } from "drizzle-orm";
import type { Budget, BudgetBook } from "./budget-book.ts";
import { accounts, budgets, credits, ledger } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Credits that expire. The balance itself is a budget, whose limit is what was credited and has not expired. */
export interface CreditBook {
  /** Whether some of the balance may have expired by then. Answers from memory. */
  isDue(balance: Budget, atMs: number): boolean;
  /** Inside a transaction: takes out of the balance what has expired by then and no call in flight holds. */
  expire(balance: Budget, atMs: number): void;
  /**
   * Inside a transaction: counts what re-rating adds to the charge of a call, or gives back. That is left again in the
   * credits that have not expired, the last used first; what they did not pay stays in the balance.
   */
  adjust(balance: Budget, deltaNano: number, atMs: number): void;
  /** After another credit, and after a rollback. */
  forget(): void;
}

type Credit = typeof credits.$inferSelect;

export function creditBook(database: SqliteDatabase, book: BudgetBook): CreditBook {
  /** When a credit expires next, by balance; a balance that is not in it was not looked up yet. */
  const nextMs = new Map<number, number>();
  const left = (credit: Credit) => credit.amountNano - credit.usedNano - credit.expiredNano;
  const accountOf = ({ scope }: Budget): number =>
    database.select({ ref: accounts.ref }).from(accounts).where(eq(accounts.id, scope.id)).all()[0]?.ref ?? 0;
  /** Those that are left, in the order they are used in. */
  const open = (accountRef: number) =>
    database
      .select()
      .from(credits)
      .where(
        and(
          eq(credits.accountRef, accountRef),
          gt(sql`${credits.amountNano} - ${credits.usedNano} - ${credits.expiredNano}`, 0),
        ),
      )
      .orderBy(sql`${credits.expiresMs} is null`, asc(credits.expiresMs), asc(credits.seq))
      .all();

  function lookUp(balance: Budget): number {
    const found = database
      .select({ expiresMs: credits.expiresMs })
      .from(credits)
      .where(
        and(
          eq(credits.accountRef, accountOf(balance)),
          isNotNull(credits.expiresMs),
          gt(sql`${credits.amountNano} - ${credits.usedNano} - ${credits.expiredNano}`, 0),
        ),
      )
      .orderBy(asc(credits.expiresMs))
      .limit(1)
      .all()[0];
    const expiresMs = found?.expiresMs ?? Number.POSITIVE_INFINITY;
    nextMs.set(balance.ref, expiresMs);
    return expiresMs;
  }

  const isDue = (balance: Budget, atMs: number) => (nextMs.get(balance.ref) ?? lookUp(balance)) <= atMs;

  const use = ({ seq, usedNano }: Credit, nano: number) =>
    database
      .update(credits)
      .set({ usedNano: usedNano + nano })
      .where(eq(credits.seq, seq))
      .run();

  /** What was used so far was used of the credits there are: before another one, and before one expires. */
  function allot(balance: Budget, atMs: number): void {
    const accountRef = accountOf(balance);
    const sum = database
      .select({ usedNano: sql<number>`coalesce(sum(${credits.usedNano}), 0)` })
      .from(credits)
      .where(eq(credits.accountRef, accountRef))
      .all()[0];
    let restNano = book.counters(balance, 0).spentNano - (sum?.usedNano ?? 0);
    if (restNano < 0) giveBack(accountRef, -restNano, atMs);
    for (const credit of open(accountRef)) {
      const nano = Math.min(left(credit), restNano);
      if (nano <= 0) return;
      restNano -= nano;
      use(credit, nano);
    }
  }

  function giveBack(accountRef: number, nano: number, atMs: number): void {
    const used = database
      .select()
      .from(credits)
      .where(
        and(
          eq(credits.accountRef, accountRef),
          gt(credits.usedNano, 0),
          or(isNull(credits.expiresMs), gt(credits.expiresMs, atMs)),
        ),
      )
      .orderBy(sql`${credits.expiresMs} is not null`, desc(credits.expiresMs), desc(credits.seq))
      .all();
    let restNano = nano;
    for (const credit of used) {
      const givenNano = Math.min(credit.usedNano, restNano);
      if (givenNano === 0) return;
      restNano -= givenNano;
      use(credit, -givenNano);
    }
  }

  function expire(balance: Budget, atMs: number): void {
    allot(balance, atMs);
    const accountRef = accountOf(balance);
    // Calls in flight were admitted on it: what they hold is kept for them, of what expires first.
    let keptNano = book.counters(balance, 0).heldNano;
    let goneNano = 0;
    for (const credit of open(accountRef)) {
      const kept = Math.min(left(credit), keptNano);
      keptNano -= kept;
      const nano = left(credit) - kept;
      if (credit.expiresMs === null || credit.expiresMs > atMs || nano === 0) continue;
      database.insert(ledger).values({ accountRef, kind: "expiry", deltaNano: -nano, createdMs: atMs }).run();
      database
        .update(credits)
        .set({ expiredNano: credit.expiredNano + nano })
        .where(eq(credits.seq, credit.seq))
        .run();
      goneNano += nano;
    }
    nextMs.delete(balance.ref);
    if (goneNano === 0) return;
    database
      .update(budgets)
      .set({ limitNano: balance.limitNano - goneNano })
      .where(eq(budgets.ref, balance.ref))
      .run();
    book.refresh(balance.ref);
  }

  return {
    isDue,
    expire,
    adjust(balance, deltaNano, atMs) {
      // At each moment it is known what has expired, whoever asked: that gets nothing back.
      if (isDue(balance, atMs)) expire(balance, atMs);
      const counters = book.counters(balance, 0);
      counters.spentNano += deltaNano;
      book.touch(counters);
      if (deltaNano > 0) return;
      allot(balance, atMs);
      nextMs.delete(balance.ref);
    },
    forget: () => nextMs.clear(),
  };
}
