import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./poll.ts";
import type { Gateway } from "./process.ts";
import { allBudgets, allUsage, openCalls, type UsageRow } from "./rows.ts";
import { defaultPrice, type Setup } from "./setup.ts";

export interface Expectations {
  /** USD per million tokens of `mock/*` and its like. */
  readonly price?: { readonly input: number; readonly output: number };
  /** Attempts that never reached the upstream, e.g. refused connections. */
  readonly unreached?: number;
  /** The process was killed in between: what it did upstream for calls that died with it has no attempt. */
  readonly killed?: boolean;
  /** What accounts are under, by id; else each is alone. */
  readonly above?: Readonly<Record<string, readonly string[]>>;
}

/**
 * What must hold after every case, whatever it did: checked over all that the process wrote so far. Waits until no call
 * is open, then throws one error that lists every broken rule.
 */
export async function invariants(
  { gateway, upstream }: Pick<Setup, "gateway" | "upstream">,
  expected: Expectations = {},
): Promise<void> {
  let broken = await brokenNow({ gateway, upstream }, expected);
  // A call whose client has left may have been on its way in while no call was open.
  if (broken.length > 0) broken = await brokenNow({ gateway, upstream }, expected);
  if (broken.length > 0)
    throw new Error(
      `broken invariants:\n- ${broken.slice(0, 12).join("\n- ")}${broken.length > 12 ? `\n… ${broken.length} in all` : ""}`,
    );
}

async function brokenNow(
  { gateway, upstream }: Pick<Setup, "gateway" | "upstream">,
  expected: Expectations,
): Promise<readonly string[]> {
  await until("no open call", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 15_000 });
  const rows = allUsage(gateway);
  return [
    ...oneRecordEach(rows),
    ...attemptsMatch(gateway, upstream, expected),
    ...ledgerMatches(gateway, rows),
    ...costsMatch(rows, expected.price ?? defaultPrice),
    ...budgetsMatch(gateway, rows, expected.above ?? {}),
    ...noSecrets(gateway),
    ...databaseSound(gateway),
    ...auditWhole(gateway),
    ...(await alive(gateway)),
  ];
}

const ended = ["ok", "client_aborted", "upstream_error", "interrupted", "shutdown"];

function oneRecordEach(rows: readonly UsageRow[]): string[] {
  const broken: string[] = [];
  if (new Set(rows.map((row) => row.call_id)).size !== rows.length) broken.push("I2: a call id has two rows");
  for (const row of rows) {
    if (row.status === "refused") {
      if (row.cost_nano !== null) broken.push(`I2: refused call ${row.call_id} has a cost`);
      continue;
    }
    if (!ended.includes(row.status)) broken.push(`I2: call ${row.call_id} has status ${row.status}`);
    if (row.finished_ms === null || row.source === null)
      broken.push(`I2: call ${row.call_id} (${row.status}) is not final`);
    if (row.finished_ms !== null && row.finished_ms < row.created_ms)
      broken.push(`I2: call ${row.call_id} finished before it began`);
  }
  return broken;
}

function attemptsMatch(
  gateway: Gateway,
  upstream: Setup["upstream"],
  { unreached = 0, killed = false }: Expectations,
): string[] {
  const attempts = gateway.sql<{ call_id: string; upstream_id: string | null; billed: number }>(
    "select * from v_attempts where provider like 'mock%'",
  );
  const broken: string[] = [];
  if (killed)
    return [...tally(attempts.flatMap((attempt) => attempt.upstream_id ?? []))].flatMap(([id, times]) =>
      times > 1 ? [`I1: ${id} recorded ${times}×`] : [],
    );
  if (attempts.length !== upstream.log.length + unreached) {
    broken.push(
      `I1: ${upstream.log.length} requests upstream (and ${unreached} unreached), ${attempts.length} rows of v_attempts`,
    );
  }
  const recorded = tally(attempts.flatMap((attempt) => attempt.upstream_id ?? []));
  const sent = tally(upstream.log.flatMap((exchange) => exchange.upstreamId ?? []));
  for (const [id, times] of sent)
    if (recorded.get(id) !== times)
      broken.push(`I1: upstream answered ${id} ${times}×, recorded ${recorded.get(id) ?? 0}×`);
  return broken;
}

function tally(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function ledgerMatches(gateway: Gateway, rows: readonly UsageRow[]): string[] {
  const entries = gateway.sql<{ call_id: string | null; kind: string; delta_nano: number }>(
    "select * from v_ledger where kind in ('charge', 'adjustment')",
  );
  const charged = sum(rows.map((row) => row.charge_nano));
  const booked = sum(entries.map((entry) => entry.delta_nano));
  const broken = charged === -booked ? [] : [`I3: Σ charge ${charged} ≠ −Σ ledger ${-booked}`];
  const perCall = tally(
    entries.flatMap((entry) => (entry.kind === "charge" && entry.call_id !== null ? [entry.call_id] : [])),
  );
  for (const [callId, times] of perCall) if (times !== 1) broken.push(`I3: call ${callId} is charged ${times}×`);
  return broken;
}

/** Exact for prices of whole nano-USD a token: cache and reasoning have no price of their own in the tests. */
function costsMatch(rows: readonly UsageRow[], price: { readonly input: number; readonly output: number }): string[] {
  return rows.flatMap((row) => {
    if (row.status === "refused" || row.cost_nano === null || row.provider?.startsWith("mock") !== true) return [];
    if (row.status === "upstream_error" && row.source === "none")
      return row.cost_nano === 0 ? [] : [`I4: failed call ${row.call_id} costs ${row.cost_nano}`];
    const cost = Math.ceil(((row.input_tokens ?? 0) * price.input + (row.output_tokens ?? 0) * price.output) * 1000);
    return row.cost_nano === cost
      ? []
      : [`I4: call ${row.call_id} (${row.status}, ${row.source}) costs ${row.cost_nano}, its tokens make ${cost}`];
  });
}

function budgetsMatch(
  gateway: Gateway,
  rows: readonly UsageRow[],
  above: NonNullable<Expectations["above"]>,
): string[] {
  // A budget counts what is admitted once it is there, also where its window began before.
  const made = gateway.sql<{ id: string; created_ms: number }>("select id, created_ms from budgets");
  const madeMs = new Map(made.map(({ id, created_ms }) => [id, created_ms]));
  return allBudgets(gateway).flatMap((budget) => {
    const broken: string[] = [];
    if (budget.held_nano !== 0) broken.push(`I5: budget ${budget.budget_id} holds ${budget.held_nano} at rest`);
    if (budget.spent_nano + budget.held_nano > budget.limit_nano)
      broken.push(`I5: budget ${budget.budget_id} is over its limit`);
    const inScope = rows.filter(
      (row) =>
        row.created_ms >= Math.max(budget.window_start_ms, madeMs.get(budget.budget_id) ?? 0) &&
        scopesOf(row, budget.scope_kind, above).includes(budget.scope_id),
    );
    const spent = sum(inScope.map((row) => row.charge_nano));
    if (spent !== budget.spent_nano)
      broken.push(`I3: budget ${budget.budget_id} spent ${budget.spent_nano}, its calls make ${spent}`);
    return broken;
  });
}

function scopesOf(row: UsageRow, kind: string, above: NonNullable<Expectations["above"]>): readonly string[] {
  if (kind === "key") return row.key_id === null ? [] : [row.key_id];
  if (kind === "account") return [row.account_id, ...(above[row.account_id] ?? [])];
  if (kind === "provider") return row.provider === null ? [] : [row.provider];
  // A model has several names: as it was asked for, and those of what answered.
  if (kind === "model") return [row.model, `${row.provider}/${row.upstream_model}`, row.upstream_model ?? ""];
  return ["global"];
}

/** Looks for every secret of the test in the log and in the database files, in plain text. */
function noSecrets(gateway: Gateway): string[] {
  const files = [
    gateway.logPath,
    ...readdirSync(gateway.dataDir)
      .filter((name) => name !== "secret")
      .map((name) => join(gateway.dataDir, name)),
  ];
  return files.flatMap((file) => {
    const bytes = readFileSync(file);
    return [...gateway.secrets]
      .filter((secret) => bytes.includes(secret))
      .map((secret) => `I6: ${file} holds ${secret.slice(0, 24)}…`);
  });
}

function databaseSound(gateway: Gateway): string[] {
  const integrity = gateway.sql<{ integrity_check: string }>("pragma integrity_check")[0]?.integrity_check;
  const foreignKeys = gateway.sql("pragma foreign_key_check").length;
  return [
    ...(integrity === "ok" ? [] : [`I9: integrity_check: ${integrity}`]),
    ...(foreignKeys === 0 ? [] : [`I9: ${foreignKeys} foreign keys broken`]),
  ];
}

/** From the rows alone: each hash covers the one before it and all that the entry says. */
function auditWhole(gateway: Gateway): string[] {
  let before = "0".repeat(64);
  const rows = gateway.sql<Readonly<Record<string, unknown>> & { readonly seq: number; readonly hash: string }>(
    "select * from audit_entries order by seq",
  );
  for (const [at, { hash, ...fields }] of rows.entries()) {
    const expected = new Bun.CryptoHasher("sha256").update(`${before}\n${JSON.stringify(Object.values(fields))}`);
    if (fields.seq !== at + 1 || expected.digest("hex") !== hash)
      return [`I10: audit entry ${at + 1} is not in the chain`];
    before = hash;
  }
  const head = gateway.sql<{ seq: number; hash: string }>("select seq, hash from audit_head")[0];
  return head?.seq === rows.length && head.hash === before ? [] : ["I10: the audit log does not end at its head"];
}

async function alive(gateway: Gateway): Promise<string[]> {
  const ready = await gateway.get("/readyz");
  return gateway.running && ready?.status === 200
    ? []
    : [`I7: process ${gateway.running ? "runs" : "is gone"}, /readyz ${ready?.status}`];
}

const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);
