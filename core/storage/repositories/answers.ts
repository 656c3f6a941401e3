import { Buffer } from "node:buffer";
import { and, asc, eq, gt, inArray, lte, ne, notInArray, or, sql } from "drizzle-orm";
import type { AnswerRoom } from "../answer-room.ts";
import type { GroupCommit } from "../group-commit.ts";
import type { AnswerRepository, KeptAnswer } from "../kept-answer.ts";
import { keptAnswers } from "../schema/sqlite-answers.ts";
import { calls, openCalls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** What one transaction removes at most, so that no call waits long for it. */
const maxSwept = 200;
const maxSweptBytes = 8 * 1_024 * 1_024;

/** The shortest retention of calls: a call that is missing after that may have been made. */
const purgedAfterMs = 86_400_000;

export function answerRepository(database: SqliteDatabase, writer: GroupCommit, room: AnswerRoom): AnswerRepository {
  const at = (place: string) => eq(keptAnswers.place, place);
  const claimOf = (place: string, callId: string) =>
    and(at(place), eq(keptAnswers.callId, callId), eq(keptAnswers.state, "open"));
  const accountAndBytes = { accountId: keptAnswers.accountId, bytes: keptAnswers.bytes };

  function remove(where: ReturnType<typeof and>): void {
    const gone = database.delete(keptAnswers).where(where).returning(accountAndBytes).all();
    for (const { accountId, bytes } of gone) room.count(accountId, -1, -bytes);
  }

  function callOf(callId: string, ageMs: number): KeptAnswer["call"] {
    const isIn = (table: typeof calls | typeof openCalls) =>
      database.select({ id: table.id }).from(table).where(eq(table.id, callId)).all().length > 0;
    if (isIn(openCalls)) return "open";
    return isIn(calls) || ageMs >= purgedAfterMs ? "ended" : "nowhere";
  }

  return {
    find(place, nowMs) {
      const { callId, fingerprint, state, answer, createdMs } = keptAnswers;
      const row = database
        .select({ callId, fingerprint, state, answer, createdMs })
        .from(keptAnswers)
        .where(and(at(place), gt(keptAnswers.expiresMs, nowMs)))
        .all()[0];
      return row ? { ...row, call: callOf(row.callId, nowMs - row.createdMs) } : null;
    },
    claim: (row, bounds) =>
      writer.run(() => {
        remove(and(at(row.place), lte(keptAnswers.expiresMs, row.createdMs)));
        const isFree = database.select({ place: keptAnswers.place }).from(keptAnswers).where(at(row.place)).all();
        if (isFree.length > 0) return false;
        database
          .insert(keptAnswers)
          .values({ ...row, state: "open" })
          .run();
        room.count(row.accountId, 1, 0);
        room.make(bounds);
        return true;
      }),
    keep: (place, callId, answer, bounds) =>
      writer.run(() => {
        const rows = database
          .update(keptAnswers)
          .set({ state: "kept", bytes: answer.byteLength, answer: Buffer.from(answer) })
          .where(claimOf(place, callId))
          .returning(accountAndBytes)
          .all();
        for (const { accountId, bytes } of rows) room.count(accountId, 0, bytes);
        room.make(bounds);
      }),
    leave: (place, callId, state) =>
      writer.run(() => {
        database.update(keptAnswers).set({ state }).where(claimOf(place, callId)).run();
      }),
    free: (place, callId) => writer.run(() => remove(claimOf(place, callId))),
    replayed: (place) =>
      writer.run(() => {
        database
          .update(keptAnswers)
          .set({ replays: sql`${keptAnswers.replays} + 1` })
          .where(at(place))
          .run();
      }),
    sweep: (nowMs) =>
      writer.run(() => {
        const flying = database.select({ id: openCalls.id }).from(openCalls);
        const mayGo = or(ne(keptAnswers.state, "open"), notInArray(keptAnswers.callId, flying));
        const rows = database
          .select({ place: keptAnswers.place, bytes: keptAnswers.bytes })
          .from(keptAnswers)
          .where(and(lte(keptAnswers.expiresMs, nowMs), mayGo))
          .orderBy(asc(keptAnswers.expiresMs))
          .limit(maxSwept)
          .all();
        let bytes = 0;
        const gone = rows.filter((row) => (bytes += row.bytes) <= maxSweptBytes || row === rows[0]);
        const places = gone.map(({ place }) => place);
        if (places.length > 0) remove(inArray(keptAnswers.place, places));
        return gone.length < rows.length || rows.length === maxSwept;
      }),
  };
}
