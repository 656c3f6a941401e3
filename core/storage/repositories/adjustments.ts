import { and, asc, eq, gt, gte, inArray, isNotNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import type { SelectedFields } from "drizzle-orm/sqlite-core";
import { GatewayError } from "../../chat/error.ts";
import type { SqliteClient } from "../../runtime/sqlite.ts";
import type { AccountTree } from "../account-tree.ts";
import type { AdjustmentRange, AdjustmentRepository, RatedCall, Reprice } from "../adjustment.ts";
import { adjustedMoney } from "../adjusted.ts";
import type { BudgetBook } from "../budget-book.ts";
import type { CallNotes } from "../call-notes.ts";
import { aheadIn, aheadJson, isForgotten, rowsOf } from "../counting.ts";
import type { CreditBook } from "../credit-book.ts";
import type { GroupCommit } from "../group-commit.ts";
import { hotStatement, placeholders } from "../hot-statement.ts";
import { purgedBefore } from "../purge-state.ts";
import { hourMs } from "../range-parts.ts";
import { foldReader, type UsageSumRow } from "../rollup-fold.ts";
import type { RollupWriter } from "../rollup-writer.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { accounts, calls, keys, ledger } from "../schema/sqlite.ts";
import type { SpentBesides } from "../spent-besides.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { labelAliases } from "./label-joins.ts";
import type { Labels } from "./labels.ts";

export interface AdjustmentDependencies {
  readonly client: SqliteClient;
  readonly database: SqliteDatabase;
  readonly writer: GroupCommit;
  readonly book: BudgetBook;
  readonly tree: AccountTree;
  readonly creditBook: CreditBook;
  readonly addBesides: SpentBesides;
  readonly labels: Labels;
  readonly rollups: RollupWriter;
  readonly now: () => number;
}

/** How much one transaction folds: it holds up the process meanwhile. */
const foldSize = { calls: 500, groups: 500 };

export function adjustmentRepository(dependencies: AdjustmentDependencies): AdjustmentRepository {
  const { client, database, writer, labels, rollups, now } = dependencies;
  const insertAdjustment = hotStatement(
    client,
    database.insert(adjustments).values(placeholders(adjustments, ["seq"])),
  );
  const insertEntry = hotStatement(client, database.insert(ledger).values(placeholders(ledger, ["seq"])));

  /** The rollups then hold every call, so that what is added to them is added once. */
  async function foldAll() {
    const nextFold = foldReader(database);
    const step = () => {
      const fold = nextFold(foldSize);
      return fold !== null && rollups.add(fold) && fold.more;
    };
    while (await writer.run(step));
  }

  function adjust(call: StoredCall, reprice: Reprice, note: { readonly reason: string; readonly author: string }) {
    const costDeltaNano = reprice.costNano - (call.costNano ?? 0);
    const chargeDeltaNano = reprice.chargeNano - (call.chargeNano ?? 0);
    const known = call.costNano !== null && call.chargeNano !== null;
    if (costDeltaNano === 0 && chargeDeltaNano === 0 && known) return null;
    const createdMs = now();
    insertAdjustment.run({
      callSeq: call.seq,
      costDeltaNano,
      chargeDeltaNano,
      priceVersionRef: labels.ref(reprice.priceVersion),
      reason: note.reason,
      author: note.author,
      createdMs,
    });
    spend(dependencies, call, chargeDeltaNano, createdMs);
    if (chargeDeltaNano !== 0)
      insertEntry.run({
        accountRef: call.accountRef,
        callSeq: call.seq,
        kind: "adjustment",
        deltaNano: -chargeDeltaNano,
        createdMs,
      });
    return rolled(call, costDeltaNano, chargeDeltaNano);
  }

  return {
    ratedCalls: (range) => ratedCalls(database, range),
    async write(reprices, note) {
      await foldAll();
      await writer.run(() => {
        const wanted = new Map(reprices.map((reprice) => [reprice.seq, reprice]));
        const found = storedCalls(database, inArray(calls.seq, [...wanted.keys()]), wanted.size);
        const sums = found.flatMap((call) => {
          const reprice = wanted.get(call.seq);
          const sum = reprice ? adjust(call, reprice, note) : null;
          return sum ? [sum] : [];
        });
        rollups.adjust(sums);
      });
    },
  };
}

function spend(dependencies: AdjustmentDependencies, call: StoredCall, deltaNano: number, atMs: number) {
  const { book, tree, creditBook, addBesides } = dependencies;
  if (deltaNano === 0) return;
  for (const row of rowsOf({ ...call, ahead: aheadIn(call.ahead) }, book, tree)) {
    const { ref, startMs } = row;
    const budget = book.byRef(ref);
    if (!budget || isForgotten(row, book, atMs)) continue;
    const counters = book.counted(budget, startMs);
    // A call that a change found there although it starts after it was counted elsewhere: nothing to give back here.
    const countedNano = counters === null ? 0 : Math.max(deltaNano, -counters.spentNano);
    addBesides({ budgetRef: ref, startMs, spentNano: countedNano - deltaNano });
    if (counters === null) continue;
    if (budget.prepaid) {
      creditBook.adjust(budget, countedNano, atMs);
      continue;
    }
    counters.spentNano += countedNano;
    book.touch(counters);
  }
}

/** Changes of ended calls as they are told, and `more` of their columns. */
export function adjustmentRows<More extends SelectedFields>(database: SqliteDatabase, more: More) {
  const { priceVersion } = labelAliases();
  return database
    .select({
      costDeltaNano: adjustments.costDeltaNano,
      chargeDeltaNano: adjustments.chargeDeltaNano,
      priceVersion: priceVersion.text,
      reason: adjustments.reason,
      author: adjustments.author,
      createdMs: adjustments.createdMs,
      ...more,
    })
    .from(adjustments)
    .innerJoin(priceVersion, eq(priceVersion.ref, adjustments.priceVersionRef));
}

/** As a sum by hour that holds no call: only the money changes. */
const rolled = (call: StoredCall, costNano: number, chargeNano: number): UsageSumRow => ({
  startMs: Math.floor(call.createdMs / hourMs) * hourMs,
  accountRef: call.accountRef,
  keyRef: call.keyRef ?? -(call.labelsRef ?? 0),
  modelRef: call.modelRef,
  providerRef: call.providerRef ?? 0,
  status: call.status,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNano,
  chargeNano,
});

type StoredCall = ReturnType<typeof storedCalls>[number];

function storedCalls(database: SqliteDatabase, where: SQL | undefined, limit: number) {
  const { model, provider, upstreamModel } = labelAliases();
  return database
    .select({
      seq: calls.seq,
      callId: calls.id,
      createdMs: calls.createdMs,
      finishedMs: calls.finishedMs,
      accountRef: calls.accountRef,
      accountId: accounts.id,
      keyRef: calls.keyRef,
      labelsRef: calls.labelsRef,
      keyId: keys.id,
      modelRef: calls.modelRef,
      model: model.text,
      providerRef: calls.providerRef,
      provider: provider.text,
      upstreamModel: upstreamModel.text,
      status: calls.status,
      inputTokens: calls.inputTokens,
      outputTokens: calls.outputTokens,
      cacheReadTokens: calls.cacheReadTokens,
      cacheWriteTokens: calls.cacheWriteTokens,
      cacheWrite1hTokens: calls.cacheWrite1hTokens,
      reasoningTokens: calls.reasoningTokens,
      ...adjustedMoney,
      notes: calls.notes,
      ahead: aheadJson,
    })
    .from(calls)
    .innerJoin(accounts, eq(accounts.ref, calls.accountRef))
    .leftJoin(keys, eq(keys.ref, calls.keyRef))
    .innerJoin(model, eq(model.ref, calls.modelRef))
    .innerJoin(provider, eq(provider.ref, calls.providerRef))
    .innerJoin(upstreamModel, eq(upstreamModel.ref, calls.upstreamModelRef))
    .where(where)
    .orderBy(asc(calls.createdMs), asc(calls.seq))
    .limit(limit)
    .all();
}

function ratedCalls(database: SqliteDatabase, { from, to, model, after, limit }: AdjustmentRange) {
  const cursor = cursorOf(after);
  const rows = storedCalls(
    database,
    and(
      gte(calls.createdMs, cursor?.createdMs ?? from),
      lt(calls.createdMs, to),
      cursor === null ? undefined : or(gt(calls.createdMs, cursor.createdMs), gt(calls.seq, cursor.seq)),
      isNotNull(calls.inputTokens),
      ne(calls.source, "none"),
      // With a plus: the index of failed calls is no way to a range of time.
      sql`+${calls.status} <> 'refused'`,
      sql`not (+${calls.status} = 'interrupted' and ${calls.heldNano} > 0 and ${calls.chargeNano} = ${calls.heldNano})`,
      model === undefined ? undefined : named(database, model),
    ),
    limit + 1,
  );
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const goneBeforeMs = purgedBefore(database);
  return {
    goneBeforeMs: from < goneBeforeMs ? goneBeforeMs : null,
    calls: shown.map(ratedCall),
    next: rows.length > limit && last ? `${last.createdMs}-${last.seq}` : null,
  };
}

function cursorOf(after: string | undefined) {
  if (after === undefined) return null;
  const [, createdMs, seq] = /^(\d{1,16})-(\d{1,16})$/.exec(after) ?? [];
  if (createdMs === undefined)
    throw new GatewayError("invalid-request", "after: not a cursor of this list", { param: "after" });
  return { createdMs: Number(createdMs), seq: Number(seq) };
}

function named(database: SqliteDatabase, model: string): SQL | undefined {
  const { refOf } = labelAliases();
  const slash = model.indexOf("/");
  return or(
    eq(calls.modelRef, refOf(database, model)),
    eq(calls.upstreamModelRef, refOf(database, model)),
    slash < 0
      ? undefined
      : and(
          eq(calls.providerRef, refOf(database, model.slice(0, slash))),
          eq(calls.upstreamModelRef, refOf(database, model.slice(slash + 1))),
        ),
  );
}

function ratedCall(row: StoredCall): RatedCall {
  // The column is written from a CallNotes only.
  const notes: CallNotes = row.notes === null ? {} : JSON.parse(row.notes);
  return {
    seq: row.seq,
    callId: row.callId,
    createdMs: row.createdMs,
    finishedMs: row.finishedMs,
    accountId: row.accountId,
    provider: row.provider,
    upstreamModel: row.upstreamModel,
    usage: {
      inputTokens: row.inputTokens ?? 0,
      outputTokens: row.outputTokens ?? 0,
      cacheReadTokens: row.cacheReadTokens ?? 0,
      cacheWriteTokens: row.cacheWriteTokens ?? 0,
      cacheWrite1hTokens: row.cacheWrite1hTokens ?? 0,
      reasoningTokens: row.reasoningTokens ?? 0,
      ...(notes.counts ?? audioIn(notes)),
    },
    // Of a call from before it was kept whatever it is called: its price lines say by which tier they are.
    serviceTier: notes.serviceTier ?? notes.lines?.find(({ tier }) => tier !== undefined)?.tier ?? null,
    costNano: row.costNano,
    chargeNano: row.chargeNano,
    isFree: notes.isFree === true,
  };
}

/** A call from before `counts` was kept: its price lines say how much of it was audio. */
function audioIn({ lines = [] }: CallNotes) {
  const quantity = (item: string) => lines.find((line) => line.item === item)?.quantity ?? 0;
  const cacheReadAudioTokens = quantity("cacheReadAudio");
  return {
    inputAudioTokens: quantity("inputAudio") + cacheReadAudioTokens,
    cacheReadAudioTokens,
    outputAudioTokens: quantity("outputAudio"),
  };
}
