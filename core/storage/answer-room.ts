import { and, asc, count, eq, gt, inArray, ne, sum } from "drizzle-orm";
import type { AnswerBounds } from "./kept-answer.ts";
import { keptAnswers } from "./schema/sqlite-answers.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** How many keys and how many bytes of answers are kept, and what goes when there are too many. Inside transactions. */
export interface AnswerRoom {
  count(accountId: string, keys: number, bytes: number): void;
  /** The account with the most gives first, so that nobody can push the others out. */
  make(bounds: AnswerBounds): void;
  /** A transaction is gone, and what it counted with it. */
  forget(): void;
}

interface Held {
  readonly keys: number;
  readonly bytes: number;
}
const none: Held = { keys: 0, bytes: 0 };
const added = (one: Held, keys: number, bytes: number): Held => ({ keys: one.keys + keys, bytes: one.bytes + bytes });

/** A statement removes so many at most, and one who makes room makes so many rounds: what is left, the next one does. */
const maxRemoved = 100;
const maxRounds = 5;

export function answerRoom(database: SqliteDatabase): AnswerRoom {
  /** Read when first needed: who never uses the feature never pays for it. */
  let known: { readonly byAccount: Map<string, Held>; total: Held } | null = null;

  function held() {
    if (known) return known;
    const rows = database
      .select({ accountId: keptAnswers.accountId, keys: count(), bytes: sum(keptAnswers.bytes).mapWith(Number) })
      .from(keptAnswers)
      .groupBy(keptAnswers.accountId)
      .all();
    const total = rows.reduce((sofar, { keys, bytes }) => added(sofar, keys, bytes), none);
    return (known = { byAccount: new Map(rows.map(({ accountId, ...row }) => [accountId, row])), total });
  }

  /** After the change itself: what is read first has it in already. */
  function counted(accountId: string, keys: number, bytes: number): void {
    if (!known) return;
    const after = added(known.byAccount.get(accountId) ?? none, keys, bytes);
    if (after.keys > 0) known.byAccount.set(accountId, after);
    else known.byAccount.delete(accountId);
    known.total = added(known.total, keys, bytes);
  }

  function withMost(what: keyof Held): string {
    let most = 0;
    let found = "";
    for (const [accountId, of] of held().byAccount) {
      if (of[what] <= most) continue;
      most = of[what];
      found = accountId;
    }
    return found;
  }

  /** Whether there was one that may go: a claim in flight stays. */
  function removeKeys(wanted: number): boolean {
    const accountId = withMost("keys");
    const rows = database
      .select({ place: keptAnswers.place, bytes: keptAnswers.bytes })
      .from(keptAnswers)
      .where(and(eq(keptAnswers.accountId, accountId), ne(keptAnswers.state, "open")))
      .orderBy(asc(keptAnswers.createdMs))
      .limit(Math.min(wanted, maxRemoved))
      .all();
    if (rows.length === 0) return false;
    const places = rows.map(({ place }) => place);
    database.delete(keptAnswers).where(inArray(keptAnswers.place, places)).run();
    counted(accountId, -rows.length, -rows.reduce((bytes, row) => bytes + row.bytes, 0));
    return true;
  }

  /** The keys stay, so that they are not charged for a second time in silence. */
  function dropAnswers(wantedBytes: number): boolean {
    const accountId = withMost("bytes");
    const oldest = database
      .select({ place: keptAnswers.place, bytes: keptAnswers.bytes })
      .from(keptAnswers)
      .where(and(eq(keptAnswers.accountId, accountId), gt(keptAnswers.bytes, 0)))
      .orderBy(asc(keptAnswers.createdMs))
      .limit(maxRemoved)
      .all();
    let bytes = 0;
    const places: string[] = [];
    for (const row of oldest) {
      if (bytes >= wantedBytes) break;
      bytes += row.bytes;
      places.push(row.place);
    }
    if (places.length === 0) return false;
    database
      .update(keptAnswers)
      .set({ state: "unkept", answer: null, bytes: 0 })
      .where(inArray(keptAnswers.place, places))
      .run();
    counted(accountId, 0, -bytes);
    return true;
  }

  return {
    count: counted,
    make({ maxKeys, maxBytes }) {
      for (let round = 0; round < maxRounds; round++) {
        const { keys, bytes } = held().total;
        const hasRemoved = keys > maxKeys && removeKeys(keys - maxKeys);
        const hasDropped = bytes > maxBytes && dropAnswers(bytes - maxBytes);
        if (!hasRemoved && !hasDropped) return;
      }
    },
    forget: () => void (known = null),
  };
}
