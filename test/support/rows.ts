import type { Gateway } from "./process.ts";

/** A row of `v_usage`, as SQLite gives it. */
export interface UsageRow {
  readonly call_id: string;
  readonly account_id: string;
  readonly key_id: string | null;
  readonly principal: string;
  readonly dialect: string;
  readonly operation: string;
  readonly model: string;
  readonly provider: string | null;
  readonly upstream_model: string | null;
  readonly status: string;
  readonly source: string | null;
  readonly input_tokens: number | null;
  readonly cache_read_tokens: number | null;
  readonly cache_write_tokens: number | null;
  readonly cache_write_1h_tokens: number | null;
  readonly output_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly cost_nano: number | null;
  readonly charge_nano: number | null;
  readonly price_version: string | null;
  readonly finish_reason: string | null;
  readonly stream: number;
  readonly ttft_ms: number | null;
  readonly duration_ms: number | null;
  readonly created_ms: number;
  readonly finished_ms: number | null;
}

export interface BudgetState {
  readonly budget_id: string;
  readonly scope_kind: string;
  readonly scope_id: string;
  readonly window_start_ms: number;
  readonly limit_nano: number;
  readonly spent_nano: number;
  readonly held_nano: number;
}

/** The one record of a call; throws when there is none or more than one. */
export function usageOf(gateway: Gateway, callId: string): UsageRow {
  const rows = gateway.sql<UsageRow>("select * from v_usage where call_id = ?", callId);
  const [row] = rows;
  if (!row || rows.length !== 1) throw new Error(`${rows.length} rows of v_usage for call ${JSON.stringify(callId)}`);
  return row;
}

export const allUsage = (gateway: Gateway): UsageRow[] =>
  gateway.sql<UsageRow>("select * from v_usage order by created_ms, call_id");
export const allBudgets = (gateway: Gateway): BudgetState[] => gateway.sql<BudgetState>("select * from v_budget");
export const openCalls = (gateway: Gateway): number =>
  gateway.sql<{ n: number }>("select count(*) as n from v_usage where status = 'open'")[0]?.n ?? Number.NaN;
