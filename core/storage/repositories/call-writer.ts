import type { SqliteClient } from "../../runtime/sqlite.ts";
import type { Final, Refusal } from "../database.ts";
import type { Charges } from "../charges.ts";
import { hotStatement, placeholders } from "../hot-statement.ts";
import { attempts, calls, type openCalls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import type { Labels } from "./labels.ts";

export type OpenCall = typeof openCalls.$inferSelect;
type CallRow = typeof calls.$inferSelect;

/** Inserts final records. Everything runs inside the caller's transaction. */
export interface CallWriter {
  finished(open: OpenCall, final: Omit<Final, "callId">): void;
  refused(refusal: Refusal, keyRef: number | null, accountRef: number): void;
  /** Forgets the numbers that a rolled-back transaction gave out. */
  reload(): void;
}

export function callWriter(
  client: SqliteClient,
  database: SqliteDatabase,
  labels: Labels,
  charges: Charges,
): CallWriter {
  const insertCall = hotStatement(client, database.insert(calls).values(placeholders(calls)));
  const insertAttempt = hotStatement(client, database.insert(attempts).values(placeholders(attempts)));
  // Also when every call has been deleted for its age: a number is never given twice.
  const lastSeq = () =>
    Number(
      client
        .prepare("SELECT max(coalesce((SELECT max(seq) FROM calls), 0), coalesce((SELECT through_seq FROM purges), 0))")
        .values()[0]?.[0] ?? 0,
    );
  let seq = lastSeq();

  /** There is one writer, so the next number is known without asking for it back. */
  const insert = (row: CallRow): number => {
    insertCall.run(row);
    return row.seq;
  };

  return {
    reload: () => void (seq = lastSeq()),
    finished(open, final) {
      const usage = final.usage;
      const only = final.attempts.length === 1 ? final.attempts[0] : undefined;
      const callSeq = insert({
        seq: ++seq,
        id: open.id,
        createdMs: open.createdMs,
        finishedMs: final.finishedMs,
        accountRef: open.accountRef,
        keyRef: open.keyRef,
        principalRef: open.principalRef,
        dialectRef: open.dialectRef,
        operationRef: open.operationRef,
        modelRef: open.modelRef,
        providerRef: labels.ref(final.provider),
        upstreamModelRef: labels.ref(final.upstreamModel),
        status: final.status,
        source: final.source,
        inputTokens: usage?.inputTokens ?? null,
        cacheReadTokens: usage?.cacheReadTokens ?? null,
        cacheWriteTokens: usage?.cacheWriteTokens ?? null,
        cacheWrite1hTokens: usage?.cacheWrite1hTokens ?? null,
        outputTokens: usage?.outputTokens ?? null,
        reasoningTokens: usage?.reasoningTokens ?? null,
        costNano: final.costNano,
        chargeNano: final.chargeNano,
        priceVersionRef: labels.ref(final.priceVersion),
        finishRef: labels.ref(final.finishReason),
        stream: open.stream,
        ttftMs: final.firstByteMs,
        httpStatus: final.httpStatus,
        errorKind: final.errorKind,
        heldNano: open.heldNano,
        attemptCount: final.attempts.length,
        upstreamId: only?.upstreamId ?? null,
        upstreamStatus: only?.status ?? null,
        notes: final.notes && JSON.stringify(final.notes),
        labelsRef: open.labelsRef,
      });
      if (final.attempts.length > 1)
        final.attempts.forEach((attempt, at) =>
          insertAttempt.run({
            callSeq,
            n: at + 1,
            providerRef: labels.ref(attempt.provider),
            upstreamModelRef: labels.ref(attempt.upstreamModel),
            upstreamId: attempt.upstreamId,
            status: attempt.status,
            billed: attempt.billed,
          }),
        );
      if (final.chargeNano) charges.add(open.accountRef, callSeq, final.chargeNano, final.finishedMs);
    },
    refused(refusal, keyRef, accountRef) {
      insert({
        ...nothingUsed,
        seq: ++seq,
        id: refusal.callId,
        createdMs: refusal.startedMs,
        finishedMs: refusal.finishedMs,
        accountRef,
        keyRef,
        principalRef: labels.ref(refusal.principal),
        dialectRef: labels.ref(refusal.dialect),
        operationRef: labels.ref(refusal.operation),
        modelRef: labels.ref(refusal.model),
        providerRef: labels.ref(refusal.provider),
        upstreamModelRef: labels.ref(refusal.upstreamModel),
        status: "refused",
        source: "none",
        stream: refusal.stream,
        httpStatus: refusal.httpStatus,
        errorKind: refusal.errorKind,
        notes: refusal.notes && JSON.stringify(refusal.notes),
        labelsRef: labels.ref(refusal.labels),
      });
    },
  };
}

const nothingUsed = {
  inputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  cacheWrite1hTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  costNano: null,
  chargeNano: null,
  priceVersionRef: null,
  finishRef: null,
  ttftMs: null,
  heldNano: 0,
  attemptCount: 0,
  upstreamId: null,
  upstreamStatus: null,
};
