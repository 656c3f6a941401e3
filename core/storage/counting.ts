import { sql } from "drizzle-orm";
import type { Scope } from "../chat/error.ts";
import type { AccountTree } from "./account-tree.ts";
import type { Budget, BudgetBook, Counters } from "./budget-book.ts";
import { calls } from "./schema/sqlite.ts";
import { rollsOutMs } from "./windows.ts";

/** What says which budgets counted a call that has ended. */
export interface CountedCall {
  readonly createdMs: number;
  readonly accountId: string;
  readonly keyId: string | null;
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  /** As its notes have it. */
  readonly ahead: readonly number[];
}

/** A row of `budget_windows`. */
export type CountedRow = Pick<Counters, "ref" | "startMs">;

/** Rolling hours keep no row that counts no more. */
export function isForgotten({ ref, startMs }: CountedRow, book: BudgetBook, nowMs: number): boolean {
  const budget = book.byRef(ref);
  if (!budget) return true;
  const { hours } = budget;
  return hours !== null && rollsOutMs(hours, startMs) <= nowMs && book.counted(budget, startMs) === null;
}

/** The rows that count the call, whether there are such rows or not. */
export const rowsOf = (call: CountedCall, book: BudgetBook, tree: AccountTree): CountedRow[] =>
  countedBy(call, book, tree).map((budget) => ({ ref: budget.ref, startMs: book.rowAt(budget, call.createdMs) }));

/** Every budget in scope, and those that the call names; each in the window that it was admitted in. `prove` says it in SQL. */
function countedBy(call: CountedCall, book: BudgetBook, tree: AccountTree): Budget[] {
  let balance: Budget | null = null;
  const counted = new Set<Budget>();
  for (const scope of scopesOf(call, tree))
    for (const budget of book.inScope(scope)) {
      if (budget.createdMs > call.createdMs && !call.ahead.includes(budget.ref)) continue;
      // Of prepaid accounts the nearest pays alone.
      if (budget.prepaid) balance ??= budget;
      else counted.add(budget);
    }
  if (balance) counted.add(balance);
  for (const ref of call.ahead) {
    const budget = book.byRef(ref);
    if (budget) counted.add(budget);
  }
  return [...counted];
}

/** The notes of a call tell it as a list, in JSON; mostly there is none. */
export const aheadJson = sql<string | null>`json_extract(${calls.notes}, '$.ahead')`;
export const aheadIn = (json: string | null): CountedCall["ahead"] =>
  json === null ? [] : (JSON.parse(json) as CountedCall["ahead"]);

function scopesOf(call: CountedCall, tree: AccountTree): Scope[] {
  const { provider, upstreamModel } = call;
  const models = new Set([call.model, `${provider}/${upstreamModel}`, upstreamModel]);
  return [
    ...(call.keyId === null ? [] : [{ kind: "key" as const, id: call.keyId }]),
    ...tree.countedLine(call.accountId, call.createdMs).map(({ id }) => ({ kind: "account" as const, id })),
    ...[...models].map((id) => ({ kind: "model" as const, id })),
    { kind: "provider", id: provider },
    { kind: "global", id: "global" },
  ];
}
