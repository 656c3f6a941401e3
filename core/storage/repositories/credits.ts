import { and, desc, eq, inArray, isNull, lt, type SQL, sql } from "drizzle-orm";
import { GatewayError, missing } from "../../chat/error.ts";
import type { Budget, BudgetBook } from "../budget-book.ts";
import type { CreditBook } from "../credit-book.ts";
import type { Balance, CreditRepository, EntryFilter, LedgerEntry } from "../credit.ts";
import type { Page, PageQuery } from "../database.ts";
import { freshMoment } from "../fresh-moment.ts";
import type { LaterCalls } from "../later-calls.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { GroupCommit } from "../group-commit.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { accounts, budgets, calls, credits, ledger } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { fewAccounts, idsUnder, refsUnder } from "./under.ts";

export interface CreditDependencies {
  readonly database: SqliteDatabase;
  /** For what ends by itself. */
  readonly writer: GroupCommit;
  readonly audited: AuditedWriter;
  readonly book: BudgetBook;
  readonly later: LaterCalls;
  readonly creditBook: CreditBook;
  readonly now: () => number;
  readonly newId: () => string;
}

export function creditRepository(dependencies: CreditDependencies): CreditRepository {
  const { database, writer, audited, book, later, creditBook, now, newId } = dependencies;
  const balanceOf = (accountId: string): Budget | undefined =>
    book.inScope({ kind: "account", id: accountId }).find(({ prepaid }) => prepaid);

  /** Inside a transaction. */
  function begin(accountId: string): Budget {
    const createdMs = freshMoment(database, now());
    later.stay(createdMs, () => insert(accountId, createdMs));
    const made = balanceOf(accountId);
    if (!made) throw new Error("the new balance is missing");
    return made;
  }

  function insert(accountId: string, createdMs: number) {
    const row = database
      .insert(budgets)
      .values({
        id: newId(),
        scopeKind: "account",
        scopeId: accountId,
        window: "lifetime",
        limitNano: 0,
        prepaid: true,
        createdMs,
      })
      .returning({ ref: budgets.ref })
      .all()[0];
    if (row) book.refresh(row.ref);
  }

  /** As it is now: another work of this transaction may have changed it. */
  function expire(ref: number) {
    const balance = book.byRef(ref);
    if (balance) creditBook.expire(balance, now());
  }

  function shown(balance: Budget): Balance {
    const { spentNano, heldNano } = book.counters(balance, 0);
    const balanceNano = balance.limitNano - spentNano;
    return { accountId: balance.scope.id, balanceNano, heldNano, sinceMs: balance.createdMs };
  }

  /** A read as of now: nobody is told of money that has expired. */
  async function upToDate(accountId: string): Promise<Balance | null> {
    const balance = balanceOf(accountId);
    if (balance && creditBook.isDue(balance, now())) await writer.run(() => expire(balance.ref));
    const current = balanceOf(accountId);
    return current ? shown(current) : null;
  }

  return {
    balance: upToDate,
    add: ({ accountId, nano, expiresMs, note }) =>
      audited.run((tell) => {
        const account = database
          .select({ ref: accounts.ref })
          .from(accounts)
          .where(and(eq(accounts.id, accountId), isNull(accounts.removedMs)))
          .all()[0];
        if (!account) return missing();
        const createdMs = now();
        const balance = balanceOf(accountId) ?? begin(accountId);
        creditBook.expire(balance, createdMs);
        const limitNano = (book.byRef(balance.ref)?.limitNano ?? 0) + nano;
        if (!Number.isSafeInteger(limitNano))
          throw new GatewayError("invalid-request", "usd: the balance would be too large", { param: "usd" });
        const row = { accountRef: account.ref, kind: "credit" as const, deltaNano: nano, createdMs };
        const entry = database.insert(ledger).values(row).returning({ seq: ledger.seq }).all()[0];
        if (!entry) throw new Error("the new credit has no entry");
        const amounts = { amountNano: nano, usedNano: 0, expiredNano: 0 };
        database
          .insert(credits)
          .values({ seq: entry.seq, accountRef: account.ref, ...amounts, expiresMs, note })
          .run();
        database.update(budgets).set({ limitNano }).where(eq(budgets.ref, balance.ref)).run();
        book.refresh(balance.ref);
        // So that it is told again when this credit is nearly used up.
        book.touch(book.counters(balanceOf(accountId) ?? balance, 0));
        creditBook.forget();
        const { kind, deltaNano } = row;
        tell({
          action: "credit.add",
          object: { kind: "credit", id: String(entry.seq) },
          accountId,
          before: null,
          after: { accountId, nano, expiresMs, note },
        });
        return {
          entry: { seq: entry.seq, accountId, callId: null, kind, deltaNano, createdMs, expiresMs, note },
          balance: shown(balanceOf(accountId) ?? balance),
        };
      }),
    async balances({ under, ...query }) {
      const limit = pageSize(query);
      const ids =
        under === undefined
          ? undefined
          : database
              .select({ id: accounts.id })
              .from(accounts)
              .where(inArray(accounts.ref, refsUnder(database, under)));
      const rows = database
        .select({ ref: budgets.ref, accountId: budgets.scopeId })
        .from(budgets)
        .where(
          and(
            eq(budgets.scopeKind, "account"),
            eq(budgets.prepaid, true),
            lt(budgets.ref, cursorOf(query)),
            ids && inArray(budgets.scopeId, ids),
          ),
        )
        .orderBy(desc(budgets.ref))
        .limit(limit + 1)
        .all();
      const { data, next } = pageOf(
        rows,
        limit,
        (row) => row.ref,
        (row) => row.accountId,
      );
      const found = await Promise.all(data.map(upToDate));
      return { data: found.filter((balance) => balance !== null), next };
    },
    async expire() {
      const due = book.prepaid().filter((balance) => creditBook.isDue(balance, now()));
      if (due.length > 0)
        await writer.run(() => {
          for (const { ref } of due) expire(ref);
        });
      return due.length;
    },
    entries: (filter, query) => entriesOf(database, filter, query),
  };
}

export function entriesOf(database: SqliteDatabase, filter: EntryFilter, query: PageQuery): Page<LedgerEntry> {
  const limit = pageSize(query);
  return pageOf(
    entryRows(database, filter, cursorOf(query), limit + 1),
    limit,
    (row) => row.seq,
    (row) => row,
  );
}

/** Why a call was rated again, and by whom; it is written in the moment of its entry, with the same amount. */
const adjustmentNote = sql`(select ${adjustments.reason} || ', ' || ${adjustments.author} from ${adjustments}
  where ${ledger.kind} = 'adjustment' and ${adjustments.callSeq} = ${ledger.callSeq}
    and ${adjustments.createdMs} = ${ledger.createdMs} and ${adjustments.chargeDeltaNano} = -${ledger.deltaNano} limit 1)`;

/** The indexes of adjustments are found by the very words of their condition; else the kind is no way to an entry. */
const ofKind = (kind: EntryFilter["kind"]): SQL | undefined =>
  kind === "adjustment" ? sql`${ledger.kind} = 'adjustment'` : kind && eq(sql`+${ledger.kind}`, kind);

/** Newest first. Of few accounts, each one's own are found by its index. */
export function entryRows(
  database: SqliteDatabase,
  { under, ...filter }: EntryFilter,
  before: number,
  limit: number,
): LedgerEntry[] {
  if (under === undefined) return entriesBefore(database, filter, before, limit);
  const few = idsUnder(database, under, fewAccounts);
  if (filter.account !== undefined && few?.includes(filter.account) === true)
    return entriesBefore(database, filter, before, limit);
  if (few === null) return entriesBefore(database, filter, before, limit, refsUnder(database, under));
  return filter.account !== undefined
    ? []
    : few
        .flatMap((account) => entriesBefore(database, { ...filter, account }, before, limit))
        .toSorted((left, right) => right.seq - left.seq)
        .slice(0, limit);
}

function entriesBefore(
  database: SqliteDatabase,
  { account, kind }: EntryFilter,
  before: number,
  limit: number,
  within?: ReturnType<typeof refsUnder>,
): LedgerEntry[] {
  const ref = (id: string) =>
    database.select({ ref: accounts.ref }).from(accounts).where(eq(accounts.id, id)).all()[0]?.ref ?? -1;
  // What no call caused is found by that, among millions of charges; of an account, its charges are nearly all.
  const rare = kind === "credit" || kind === "expiry";
  return database
    .select({
      seq: ledger.seq,
      accountId: accounts.id,
      callId: calls.id,
      kind: ledger.kind,
      deltaNano: ledger.deltaNano,
      createdMs: ledger.createdMs,
      expiresMs: credits.expiresMs,
      note: sql<string | null>`coalesce(${credits.note}, ${adjustmentNote})`,
    })
    .from(ledger)
    .innerJoin(accounts, eq(accounts.ref, ledger.accountRef))
    .leftJoin(calls, eq(calls.seq, ledger.callSeq))
    .leftJoin(credits, eq(credits.seq, ledger.seq))
    .where(
      and(
        lt(ledger.seq, before),
        rare ? isNull(ledger.callSeq) : undefined,
        ofKind(kind),
        within && inArray(sql`+${ledger.accountRef}`, within),
        account === undefined ? undefined : sql`${rare ? sql`+` : sql``}${ledger.accountRef} = ${ref(account)}`,
      ),
    )
    .orderBy(desc(ledger.seq))
    .limit(limit)
    .all();
}
