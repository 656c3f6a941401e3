import fc from "fast-check";
import type { SqliteClient } from "../../core/runtime/sqlite.ts";
import type { GroupField } from "../../core/storage/database.ts";
import { plusNano } from "../../core/storage/nano.ts";
import { noSums, type WholeSum } from "../../core/storage/usage-sums.ts";
import { startMs } from "../contract/storage-samples.ts";

/** A finished call, as far as the rollups look. References point at what `insertNames` made. */
export interface RolledCall {
  readonly createdMs: number;
  readonly tookMs: number;
  readonly ttftMs: number | null;
  readonly key: number | null;
  readonly labels: number | null;
  readonly account: number;
  readonly model: number;
  readonly provider: number | null;
  readonly status: string;
  readonly tokens: readonly [number, number, number, number, number] | null;
  readonly costNano: number | null;
  readonly chargeNano: number | null;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const firstDay = Math.floor(startMs / dayMs) * dayMs;

/** Within a few days, often at the very edge of an hour or day. */
export const instant: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 4 * 24 }).map((hour) => firstDay + hour * hourMs),
  fc.tuple(fc.nat(4 * 24), fc.constantFrom(-1, 1)).map(([hour, by]) => firstDay + hour * hourMs + by),
  fc.integer({ min: firstDay - dayMs, max: firstDay + 5 * dayMs }),
);

/** Now and then one of which two are more than a number holds. */
const nano = fc.oneof(
  { weight: 9, arbitrary: fc.nat(1_000_000) },
  { weight: 1, arbitrary: fc.integer({ min: 5e15, max: 5e15 + 9 }) },
);
const tokens = fc.tuple(fc.nat(900), fc.nat(900), fc.nat(90), fc.nat(90), fc.nat(90));

export const rolledCall: fc.Arbitrary<RolledCall> = fc.record({
  createdMs: instant,
  tookMs: fc.oneof(fc.nat(20), fc.nat(20_000), fc.nat(5_000_000)),
  ttftMs: fc.option(fc.nat(2_000)),
  key: fc.option(fc.integer({ min: 1, max: 3 })),
  labels: fc.option(fc.integer({ min: 6, max: 8 })),
  account: fc.integer({ min: 1, max: 3 }),
  model: fc.integer({ min: 1, max: 3 }),
  provider: fc.option(fc.integer({ min: 4, max: 5 })),
  status: fc.constantFrom("ok", "ok", "ok", "client_aborted", "upstream_error", "refused"),
  tokens: fc.option(tokens, { freq: 5 }),
  costNano: fc.option(nano, { freq: 5 }),
  chargeNano: fc.option(nano, { freq: 5 }),
});

const accountIds = ["default", "team", "user"];
/** What callers came with, as the labels 6…8 after the names 1…5. */
const sets = [{ team: "red" }, { team: "blue", tier: "1" }, { tier: "1" }];
export const labels = ["fast", "smart", "a/b", "one", "two", ...sets.map((set) => JSON.stringify(set))];
const teamOfKey: Readonly<Record<number, string>> = { 2: "red", 3: "it's green" };

/** Accounts 1…3, keys 1…3, names 1…5 and sets of labels 6…8, where calls refer to them. */
export function insertNames(client: SqliteClient): void {
  client.exec(`INSERT INTO accounts (id, name, created_ms) VALUES ('team', '', 0), ('user', '', 0)`);
  for (const ref of [1, 2, 3])
    client
      .prepare(
        "INSERT INTO keys (id, account_ref, name, prefix, last4, digest, limits, cidrs, created_ms, metadata) VALUES (?, 1, '', '', '', ?, '{}', '[]', 0, ?)",
      )
      .run(`key-${ref}`, `digest-${ref}`, JSON.stringify(teamOfKey[ref] === undefined ? {} : { team: teamOfKey[ref] }));
  for (const label of labels) client.prepare("INSERT INTO labels (text) VALUES (?)").run(label);
}

export function insertCall(client: SqliteClient, call: RolledCall): void {
  const [input, output, read, write, reasoning] = call.tokens ?? [null, null, null, null, null];
  client
    .prepare(
      `INSERT INTO calls (id, created_ms, finished_ms, account_ref, key_ref, principal_ref, dialect_ref, operation_ref,
      model_ref, provider_ref, status, source, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
      reasoning_tokens, cost_nano, charge_nano, stream, ttft_ms, held_nano, attempt_count, labels_ref)
      VALUES (?, ?, ?, ?, ?, 1, 1, 1, ?, ?, ?, 'provider', ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 1, ?)`,
    )
    .run(
      crypto.randomUUID(),
      call.createdMs,
      call.createdMs + call.tookMs,
      call.account,
      call.key,
      call.model,
      call.provider,
      call.status,
      input,
      output,
      read,
      write,
      reasoning,
      call.costNano,
      call.chargeNano,
      call.ttftMs,
      call.labels,
    );
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The report by adding up every call, by its groups. */
export function addedUp(calls: readonly RolledCall[], { from, to }: Range, groupBy: readonly GroupField[]) {
  const groups = new Map<string, WholeSum>();
  for (const call of calls) {
    if (call.createdMs < from || call.createdMs >= to) continue;
    const group = JSON.stringify(Object.fromEntries(groupBy.map((field) => [field, valueOf(call, field)])));
    const so = groups.get(group) ?? noSums;
    const [input, output, read, write, reasoning] = call.tokens ?? [0, 0, 0, 0, 0];
    groups.set(group, {
      calls: so.calls + 1,
      errors: so.errors + (call.status === "ok" ? 0 : 1),
      inputTokens: so.inputTokens + input,
      outputTokens: so.outputTokens + output,
      cacheReadTokens: so.cacheReadTokens + read,
      cacheWriteTokens: so.cacheWriteTokens + write,
      reasoningTokens: so.reasoningTokens + reasoning,
      costNano: plusNano(so.costNano, call.costNano ?? 0),
      chargeNano: plusNano(so.chargeNano, call.chargeNano ?? 0),
    });
  }
  return groups;
}

function valueOf(call: RolledCall, field: GroupField): string | number | null {
  if (field === "hour") return Math.floor(call.createdMs / hourMs) * hourMs;
  if (field === "day") return Math.floor(call.createdMs / dayMs) * dayMs;
  if (field === "key") return call.key === null ? null : `key-${call.key}`;
  if (field === "account") return accountIds[call.account - 1] ?? null;
  if (field === "label:team")
    return (call.key === null ? sets[(call.labels ?? 0) - 6]?.team : teamOfKey[call.key]) ?? null;
  if (field === "model") return labels[call.model - 1] ?? null;
  if (field === "provider") return call.provider === null ? null : (labels[call.provider - 1] ?? null);
  return call.status;
}

/** The longest that `part` of the good calls in the range took. */
export function tookAtMost(calls: readonly RolledCall[], { from, to }: Range, part: number): number | null {
  const good = calls
    .filter((call) => call.status === "ok" && call.createdMs >= from && call.createdMs < to)
    .map((call) => call.tookMs)
    .toSorted((left, right) => left - right);
  return good[Math.ceil(good.length * part) - 1] ?? null;
}
