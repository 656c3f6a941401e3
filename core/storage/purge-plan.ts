import { and, asc, eq, gt, lte, type SQL } from "drizzle-orm";
import { adjustedMoney } from "./adjusted.ts";
import { type BlockRow, blockReader, callsPerBlock } from "./call-blocks.ts";
import { aheadIn, aheadJson, type CountedCall } from "./counting.ts";
import { startOfDay } from "./range-parts.ts";
import { labelAliases } from "./repositories/label-joins.ts";
import { deliveredThrough } from "./repositories/outbox.ts";
import { adjustments } from "./schema/sqlite-book.ts";
import type { purgedCalls, purgedKeys } from "./schema/sqlite-upkeep.ts";
import { accounts, calls, keys } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { purgeState } from "./purge-state.ts";
import { newestOf, watermarkOf } from "./watermarks.ts";

export type PurgedRow = typeof purgedCalls.$inferSelect;

/** Calls that are too old, those with a `seq` in `(from, through]`, and what must be kept of them. */
export interface PurgePlan {
  readonly from: number;
  readonly through: number;
  /** They were admitted before this: the start of a day, UTC. */
  readonly beforeMs: number;
  readonly sums: readonly PurgedRow[];
  readonly keys: readonly (typeof purgedKeys.$inferSelect)[];
  /** Those that were charged for. */
  readonly charged: readonly (CountedCall & { readonly chargeNano: number })[];
  /** What no call is left for. */
  readonly blocks: readonly BlockRow[];
  /** The newest adjustment and, where their block of numbers may still grow, the newest call: both must be that still. */
  readonly adjustmentSeq: number;
  readonly newestSeq: number | null;
}

export interface PurgeSize {
  readonly beforeMs: number;
  /** At most so many calls. */
  readonly calls: number;
}

/**
 * Works out what may be deleted next: calls go in the order of their numbers, and only those that the rollups and blocks
 * hold, and that receivers of usage have had. `null`: nothing. Can be done anywhere, as no ended call changes but by an adjustment.
 */
export function purgePlanner(database: SqliteDatabase): (size: PurgeSize) => PurgePlan | null {
  const blocksOf = blockReader(database);

  return ({ beforeMs, calls: most }) => {
    const from = purgeState(database)?.throughSeq ?? 0;
    const kept = [watermarkOf(database, "rollups"), watermarkOf(database, "blocks"), deliveredThrough(database)];
    const held = Math.min(...kept);
    const found = callRows(database, and(gt(calls.seq, from), lte(calls.seq, held)))
      .orderBy(asc(calls.seq))
      .limit(most)
      .all();
    const young = found.findIndex(({ createdMs }) => createdMs >= beforeMs);
    const old = young < 0 ? found : found.slice(0, young);
    const through = old.at(-1)?.seq;
    if (through === undefined) return null;
    const blockEnd = Math.floor(through / callsPerBlock) * callsPerBlock + callsPerBlock - 1;
    const newestSeq = newestOf(database, calls);
    const left = new Set(blocksOf({ from: through, through: blockEnd }).map(blockKey));
    return {
      from,
      through,
      beforeMs,
      sums: sumsOf(old),
      keys: lastUses(old),
      charged: chargedOf(old),
      blocks: blocksOf({ from, through }).filter((row) => !left.has(blockKey(row))),
      adjustmentSeq: newestOf(database, adjustments),
      newestSeq: newestSeq <= blockEnd ? newestSeq : null,
    };
  };
}

const blockKey = ({ field, ref, block }: BlockRow): string => `${field} ${ref} ${block}`;

type OldCall = ReturnType<ReturnType<typeof callRows>["all"]>[number];

/** Those that were charged for, as what says where they count takes them. */
export const chargedOf = (found: readonly OldCall[]): PurgePlan["charged"] =>
  found.flatMap(({ chargeNano, provider, upstreamModel, ahead, ...call }) =>
    chargeNano && provider !== null && upstreamModel !== null
      ? [{ ...call, provider, upstreamModel, chargeNano, ahead: aheadIn(ahead) }]
      : [],
  );

/** Ended calls. */
export function callRows(database: SqliteDatabase, where: SQL | undefined) {
  const { model, provider, upstreamModel } = labelAliases();
  return database
    .select({
      seq: calls.seq,
      createdMs: calls.createdMs,
      accountRef: calls.accountRef,
      accountId: accounts.id,
      keyRef: calls.keyRef,
      keyId: keys.id,
      model: model.text,
      provider: provider.text,
      upstreamModel: upstreamModel.text,
      inputTokens: calls.inputTokens,
      outputTokens: calls.outputTokens,
      cacheReadTokens: calls.cacheReadTokens,
      cacheWriteTokens: calls.cacheWriteTokens,
      reasoningTokens: calls.reasoningTokens,
      ahead: aheadJson,
      ...adjustedMoney,
    })
    .from(calls)
    .innerJoin(accounts, eq(accounts.ref, calls.accountRef))
    .leftJoin(keys, eq(keys.ref, calls.keyRef))
    .innerJoin(model, eq(model.ref, calls.modelRef))
    .leftJoin(provider, eq(provider.ref, calls.providerRef))
    .leftJoin(upstreamModel, eq(upstreamModel.ref, calls.upstreamModelRef))
    .where(where);
}

function sumsOf(old: readonly OldCall[]): PurgedRow[] {
  const found = new Map<string, PurgedRow>();
  for (const call of old) {
    const startMs = startOfDay(call.createdMs);
    const key = `${startMs} ${call.accountRef}`;
    const so = found.get(key);
    found.set(key, {
      startMs,
      accountRef: call.accountRef,
      calls: (so?.calls ?? 0) + 1,
      inputTokens: (so?.inputTokens ?? 0) + (call.inputTokens ?? 0),
      outputTokens: (so?.outputTokens ?? 0) + (call.outputTokens ?? 0),
      cacheReadTokens: (so?.cacheReadTokens ?? 0) + (call.cacheReadTokens ?? 0),
      cacheWriteTokens: (so?.cacheWriteTokens ?? 0) + (call.cacheWriteTokens ?? 0),
      reasoningTokens: (so?.reasoningTokens ?? 0) + (call.reasoningTokens ?? 0),
      costNano: (so?.costNano ?? 0) + (call.costNano ?? 0),
      chargeNano: (so?.chargeNano ?? 0) + (call.chargeNano ?? 0),
    });
  }
  return [...found.values()];
}

function lastUses(old: readonly OldCall[]): PurgePlan["keys"] {
  const found = new Map<number, number>();
  for (const { keyRef, createdMs } of old)
    if (keyRef !== null) found.set(keyRef, Math.max(found.get(keyRef) ?? 0, createdMs));
  return [...found].map(([keyRef, lastUsedMs]) => ({ keyRef, lastUsedMs }));
}
