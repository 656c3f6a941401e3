import { and, eq, gte, inArray, lt, ne, notInArray, sql } from "drizzle-orm";
import { noUsage } from "../../chat/usage.ts";
import type { AccountTree } from "../account-tree.ts";
import type { Budget, BudgetBook } from "../budget-book.ts";
import type { HeldOn } from "../call-why.ts";
import type { CallAlerts } from "../call-alerts.ts";
import type { Charges } from "../charges.ts";
import type { CountedRow } from "../counting.ts";
import type { CreditBook } from "../credit-book.ts";
import type { SqliteClient } from "../../runtime/sqlite.ts";
import type { AdmitResult, Admission, Final, InterruptedPolicy, LedgerRepository } from "../database.ts";
import { fit, type Fitted } from "../fit.ts";
import type { GroupCommit } from "../group-commit.ts";
import type { LaterCalls } from "../later-calls.ts";
import { hotStatement, placeholders } from "../hot-statement.ts";
import { openSlots } from "../open-slots.ts";
import { retried } from "../retried.ts";
import { processes } from "../schema/sqlite-upkeep.ts";
import { openCalls, refusalCounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { callWriter, type OpenCall } from "./call-writer.ts";
import type { Labels } from "./labels.ts";
import { ownerRefs } from "./owner-refs.ts";

/** Refused calls that get a row of their own, a minute and key, or account of callers without a key of ours. */
const refusalRowsPerMinute = 60;

export interface LedgerDependencies {
  readonly client: SqliteClient;
  readonly database: SqliteDatabase;
  readonly writer: GroupCommit;
  readonly book: BudgetBook;
  readonly tree: AccountTree;
  readonly later: LaterCalls;
  readonly creditBook: CreditBook;
  readonly labels: Labels;
  /** Written by whoever commits. */
  readonly charges: Charges;
  /** Of a call that ended oddly. */
  readonly tell: CallAlerts;
  /** Tells this process's open calls from those of one that died. */
  readonly processId: string;
}

export interface Ledger extends LedgerRepository {
  /** Final records that could not be written yet; `null` when there are none. */
  trouble(): string | null;
  finalsWaiting(): number;
  /** Calls that were swept since the start: those of dead processes, and strays of this one. */
  swept(): { readonly sweptCalls: number; readonly strayCalls: number };
  /** After a rollback. */
  reload(): void;
}

/** `[budget ref, start of the row, nano]` */
type StoredHold = readonly [number, number, number];

/** Budgets that a call fits into, or why it may not. */
type Weighed =
  | { readonly budgets: readonly Budget[]; readonly fitted: Fitted }
  | { readonly refused: Extract<AdmitResult, { admitted: false }> };

/** A call in flight, as its row has it. */
interface Opened {
  readonly row: OpenCall;
  readonly holds: readonly StoredHold[];
}

export function ledgerRepository(dependencies: LedgerDependencies): Ledger {
  const { client, database, writer, book, tree, later, creditBook, labels, charges, tell, processId } = dependencies;
  const write = callWriter(client, database, labels, charges);
  const refs = ownerRefs(database);
  const finishes = retried(writer);
  const insertOpen = hotStatement(client, database.insert(openCalls).values(placeholders(openCalls)));
  const deleteOpen = hotStatement(
    client,
    database.delete(openCalls).where(eq(openCalls.slot, sql.placeholder("slot"))),
  );
  const slots = openSlots(database);
  const countRefusal = preparedRefusalCount(database);
  /** Open calls of this process, as committed. */
  const open = new Map<string, Opened>();
  /** What the last look for strays found. */
  let suspects = new Set<string>();
  let [sweptCalls, strayCalls] = [0, 0];

  /**
   * What the call would hold on which budgets, or why it may not. Changes nothing but what `payer` does.
   *
   * Every budget counts that is there now. Those made after the call started, by the clock, are no exception: a clock that
   * was set back by an hour, or that ran years ahead when the budget was made, would leave it unguarded for as long. The
   * moments themselves stay what the clock said: calls stamped with those of a wrong clock would be found in no report,
   * and a budget moved back to now would count calls that it did not hold.
   */
  function weigh(admission: Admission, payer: (balance: Budget, atMs: number) => Budget): Weighed {
    const { need, startedMs } = admission;
    const budgets: Budget[] = [];
    let pays: Budget | null = null;
    for (const scope of admission.scopes)
      for (const budget of book.inScope(scope)) {
        if (!budget.prepaid) budgets.push(budget);
        // Accounts come nearest first: the balance of the nearest pays, and only that one.
        else pays ??= budget;
      }
    if (pays) budgets.push(payer(pays, startedMs));
    if ((budgets.length > 0 && !admission.budgeted) || (admission.scopes.length > 0 && !isOnLine(admission, tree)))
      return { refused: { admitted: false, outdated: true } };
    const fitted = fit(budgets, need, book, startedMs);
    if (!("short" in fitted)) return { budgets, fitted };
    const { short, leastNano, fittingOutputTokens } = fitted;
    const budget = book.row(short, startedMs);
    const refused = { admitted: false, budget, prepaid: short.prepaid, neededNano: leastNano } as const;
    return { refused: { ...refused, fittingOutputTokens } };
  }

  function admit(admission: Admission): { readonly result: AdmitResult; readonly opened: Opened | null } {
    const { startedMs } = admission;
    const weighed = weigh(admission, unexpired);
    if ("refused" in weighed) return { result: weighed.refused, opened: null };
    const { budgets, fitted } = weighed;
    if (tree.isMovedSince(admission.accountId, startedMs)) later.expect(startedMs);
    const holds: StoredHold[] = [];
    const told: HeldOn[] = [];
    let heldNano = 0;
    // Whole numbers read in JSON as they do in a text.
    let stored = "";
    for (const budget of budgets) {
      const nano = asked(budget, fitted);
      const rowMs = book.rowAt(budget, startedMs);
      const counters = book.counters(budget, rowMs);
      counters.heldNano += nano;
      book.touch(counters);
      holds.push([budget.ref, rowMs, nano]);
      stored += `${stored === "" ? "" : ","}[${budget.ref},${rowMs},${nano}]`;
      told.push(heldOn(budget, nano, book.freeNano(budget, startedMs)));
      heldNano = Math.max(heldNano, nano);
    }
    const row: OpenCall = {
      slot: slots.take(),
      id: admission.callId,
      createdMs: startedMs,
      accountRef: refs.account(admission.accountId),
      keyRef: refs.key(admission.keyId),
      principalRef: labels.ref(admission.principal),
      dialectRef: labels.ref(admission.dialect),
      operationRef: labels.ref(admission.operation),
      modelRef: labels.ref(admission.model),
      providerRef: labels.ref(admission.provider),
      upstreamModelRef: labels.ref(admission.upstreamModel),
      stream: admission.stream,
      holds: `[${stored}]`,
      heldNano,
      expectedTokens: admission.ifInterrupted?.inputTokens ?? null,
      expectedCostNano: admission.ifInterrupted?.costNano ?? null,
      expectedChargeNano: admission.ifInterrupted?.chargeNano ?? null,
      priceVersionRef: labels.ref(admission.ifInterrupted?.priceVersion ?? null),
      process: processId,
      labelsRef: labels.ref(admission.labels),
    };
    insertOpen.run(row);
    return {
      result: { admitted: true, heldNano, outputTokens: fitted.outputTokens, holds: told },
      opened: { row, holds },
    };
  }

  /** The balance without what has expired: nobody spends that any more. */
  function unexpired(balance: Budget, atMs: number): Budget {
    if (!creditBook.isDue(balance, atMs)) return balance;
    creditBook.expire(balance, atMs);
    return book.byRef(balance.ref) ?? balance;
  }

  function close({ row, holds }: Opened, final: Omit<Final, "callId">) {
    deleteOpen.run(row);
    slots.give(row.slot);
    let ahead: number[] | null = null;
    // In the window the call was admitted in, whenever it ends.
    for (const [ref, rowMs, nano] of holds) {
      const budget = book.byRef(ref);
      const counters = budget && book.counted(budget, rowMs);
      if (!counters) continue;
      counters.heldNano -= nano;
      book.touch(counters);
      if (!counts(budget, row, final)) continue;
      counters.spentNano += final.chargeNano ?? 0;
      if (budget.createdMs > row.createdMs) (ahead ??= []).push(ref);
    }
    write.finished(row, ahead === null ? final : { ...final, notes: { ...final.notes, ahead } });
    if (later.include(row.createdMs)) later.ended(row.id, countedRows(holds, row, final));
    if (final.notes) tell(row.id, row.heldNano, final);
  }

  function countedRows(holds: Opened["holds"], row: OpenCall, final: Omit<Final, "callId">): CountedRow[] {
    return holds.flatMap(([ref, startMs]) => {
      const budget = book.byRef(ref);
      return budget && book.counted(budget, startMs) && counts(budget, row, final) ? [{ ref, startMs }] : [];
    });
  }

  /** Inside a transaction. */
  function interrupt(row: OpenCall, policy: InterruptedPolicy, nowMs: number) {
    // The column is written by `admit` only.
    const holds = JSON.parse(row.holds) as readonly StoredHold[];
    close({ row, holds }, interrupted(row, policy, nowMs, labels));
  }

  /** A fallback may have left the provider or model whose budget held the call. `prove` says the same in SQL. */
  function counts({ scope }: Budget, row: OpenCall, { provider, upstreamModel }: Omit<Final, "callId">): boolean {
    if (scope.kind === "provider") return scope.id === provider;
    if (scope.kind !== "model") return true;
    return [labels.text(row.modelRef), `${provider}/${upstreamModel}`, upstreamModel].includes(scope.id);
  }

  return {
    trouble: () => finishes.trouble(),
    finalsWaiting: () => finishes.waiting(),
    swept: () => ({ sweptCalls, strayCalls }),
    reload() {
      write.reload();
      slots.reload();
    },
    preview(admission) {
      const weighed = weigh(admission, (balance) => balance);
      if ("refused" in weighed) return weighed.refused;
      const { budgets, fitted } = weighed;
      const holds = budgets.map((budget) => {
        const nano = asked(budget, fitted);
        return heldOn(budget, nano, book.freeNano(budget, admission.startedMs) - nano);
      });
      const heldNano = holds.reduce((most, [, nano]) => Math.max(most, nano), 0);
      return { admitted: true, heldNano, outputTokens: fitted.outputTokens, holds };
    },
    async admit(admission) {
      // Outside the transaction, as in `refuse`.
      refs.key(admission.keyId);
      const { result, opened } = await writer.run(() => admit(admission));
      if (opened) open.set(admission.callId, opened);
      return result;
    },
    finish(final) {
      const opened = open.get(final.callId);
      if (!opened) return Promise.resolve();
      // Gone from memory at once: whatever races to end the call a second time finds nothing to end.
      open.delete(final.callId);
      return finishes.run(() => close(opened, final));
    },
    async refuse(refusal) {
      // Outside the transaction: an auth plugin may name an account that there is not, which must not take others back.
      const [keyRef, accountRef] = [refs.key(refusal.keyId), refs.account(refusal.accountId)];
      await writer.run(() => {
        if (countRefusal(keyRef ?? -accountRef, refusal.startedMs) <= refusalRowsPerMinute)
          write.refused(refusal, keyRef, accountRef);
      });
    },
    lease: (nowMs, leaseUntilMs) =>
      writer.run(() => {
        database
          .insert(processes)
          .values({ id: processId, startedMs: nowMs, leaseUntilMs })
          .onConflictDoUpdate({ target: processes.id, set: { leaseUntilMs } })
          .run();
      }),
    async sweep(policy, nowMs) {
      const count = await writer.run(() => {
        const alive = database.select({ id: processes.id }).from(processes).where(gte(processes.leaseUntilMs, nowMs));
        const isDead = and(ne(openCalls.process, processId), notInArray(openCalls.process, alive));
        const dead = database.select().from(openCalls).where(isDead).all();
        for (const row of dead) interrupt(row, policy, nowMs);
        database
          .delete(processes)
          .where(and(ne(processes.id, processId), lt(processes.leaseUntilMs, nowMs)))
          .run();
        return dead.length;
      });
      sweptCalls += count;
      return count;
    },
    async sweepStrays(policy, nowMs, { beforeMs, isLive }) {
      // One that waits for a storage that fails is on its way.
      if (finishes.waiting() > 0) return [];
      const found = database
        .select({ id: openCalls.id })
        .from(openCalls)
        .where(and(eq(openCalls.process, processId), lt(openCalls.createdMs, beforeMs)))
        .all()
        .flatMap(({ id }) => (isLive(id) ? [] : [id]));
      const strays = found.filter((id) => suspects.has(id));
      suspects = new Set(found);
      if (strays.length === 0) return [];
      // As in `finish`: whatever still comes finds nothing to end.
      for (const id of strays) open.delete(id);
      await writer.run(() => {
        for (const row of database.select().from(openCalls).where(inArray(openCalls.id, strays)).all())
          interrupt(row, policy, nowMs);
      });
      strayCalls += strays.length;
      return strays;
    },
  };
}

const asked = ({ admission }: Budget, { nano, expectedNano }: Fitted): number =>
  admission === "expected" ? expectedNano : nano;

const heldOn = ({ id, scope, prepaid }: Budget, nano: number, leftNano: number): HeldOn =>
  prepaid ? [scope.id, nano, leftNano, "balance"] : [id, nano, leftNano];

/** Whether the accounts in scope are still those that the call counts on. */
function isOnLine({ scopes, accountId, startedMs }: Admission, tree: AccountTree): boolean {
  const line = tree.lineage(accountId, startedMs);
  let at = 0;
  for (const scope of scopes) {
    if (scope.kind !== "account") continue;
    if (line[at]?.id !== scope.id) return false;
    at += 1;
  }
  return at === line.length;
}

/** The end of a call that nobody works on any more. What it used is not known: by default the input that was expected. */
function interrupted(row: OpenCall, policy: InterruptedPolicy, nowMs: number, labels: Labels): Omit<Final, "callId"> {
  const { expectedTokens: tokens, expectedCostNano, expectedChargeNano, priceVersionRef } = row;
  const isPriced = tokens !== null;
  const isCharged = isPriced && policy !== "release";
  const whole = policy === "full" && row.heldNano > 0 ? row.heldNano : null;
  return {
    status: "interrupted",
    source: isCharged ? "estimated" : "none",
    provider: labels.text(row.providerRef),
    upstreamModel: labels.text(row.upstreamModelRef),
    usage: isCharged ? { ...noUsage, inputTokens: tokens } : null,
    costNano: isPriced ? (whole ?? (isCharged ? expectedCostNano : 0)) : null,
    chargeNano: isPriced ? (whole ?? (isCharged ? expectedChargeNano : 0)) : null,
    priceVersion: isCharged && priceVersionRef !== null ? labels.text(priceVersionRef) : null,
    finishReason: null,
    httpStatus: 0,
    errorKind: "interrupted",
    attempts: [],
    firstByteMs: null,
    finishedMs: Math.max(nowMs, row.createdMs),
    notes: null,
  };
}

/** Counts one more refusal of this key in this minute and returns how many there are. */
function preparedRefusalCount(database: SqliteDatabase): (keyRef: number, atMs: number) => number {
  const add = database
    .insert(refusalCounts)
    .values({ keyRef: sql.placeholder("keyRef"), minute: sql.placeholder("minute"), count: 1 })
    .onConflictDoUpdate({
      target: [refusalCounts.keyRef, refusalCounts.minute],
      set: { count: sql`${refusalCounts.count} + 1` },
    })
    .returning({ count: refusalCounts.count })
    .prepare();
  const forget = database
    .delete(refusalCounts)
    .where(
      and(eq(refusalCounts.keyRef, sql.placeholder("keyRef")), lt(refusalCounts.minute, sql.placeholder("minute"))),
    )
    .prepare();
  return (keyRef, atMs) => {
    const minute = Math.floor(atMs / 60_000);
    const count = add.all({ keyRef, minute })[0]?.count ?? 0;
    // A new minute: the counts of a day ago are of no use to anybody.
    if (count === 1) forget.run({ keyRef, minute: minute - 24 * 60 });
    return count;
  };
}
