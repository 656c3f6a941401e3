import { describe, expect, test } from "bun:test";
import { aKey, aRefusal, startMs } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const minuteMs = 60_000;
/** A full minute, so that the edges are known. */
const fromMs = Math.ceil(startMs / minuteMs) * minuteMs;

describe("refused calls", () => {
  test("the first 60 a minute and key get a row; the others are counted", async () => {
    const { database, path, key } = await opened();
    const refusing = (keyId: string | null, count: number, startedMs = fromMs) =>
      Promise.all(Array.from({ length: count }, () => database.ledger.refuse(aRefusal({ keyId, startedMs }))));
    await refusing(key, 59);
    await refusing(key, 41, fromMs + minuteMs - 1);
    expect(rows(path)).toEqual([{ key_id: key, rows: 60 }]);
    expect(counts(path)).toEqual([100]);

    // The next minute, another key, and callers without a key are counted apart.
    await refusing(key, 1, fromMs + minuteMs);
    const other = await database.keys.create(aKey(), null);
    await refusing(other.id, 2);
    await refusing(null, 70);
    expect(rows(path)).toEqual([
      { key_id: null, rows: 60 },
      { key_id: key, rows: 61 },
      { key_id: other.id, rows: 2 },
    ]);
    expect(counts(path).toSorted((left, right) => left - right)).toEqual([1, 2, 70, 100]);
    await database.close();
  });

  test("callers without a key do not use up the rows of another account", async () => {
    const { database, path } = await opened();
    await database.accounts.create({ id: "other", parentId: null, name: "other", createdMs: 1 });
    const refusing = (accountId: string, count: number) =>
      Promise.all(
        Array.from({ length: count }, () =>
          database.ledger.refuse(aRefusal({ keyId: null, accountId, startedMs: fromMs })),
        ),
      );
    await refusing("default", 100);
    await refusing("other", 3);
    const query = "SELECT account_id, count(*) AS rows FROM v_usage GROUP BY account_id ORDER BY account_id";
    expect(rowsOf(path, query)).toEqual([
      { account_id: "default", rows: 60 },
      { account_id: "other", rows: 3 },
    ]);
    await database.close();
  });

  test("a row says what was asked and why it was refused, and costs nothing", async () => {
    const { database, path, key } = await opened();
    const refusal = aRefusal({
      keyId: key,
      model: "unknown/model",
      httpStatus: 404,
      errorKind: "model-not-found",
      notes: { error: "no such model" },
    });
    await database.ledger.refuse(refusal);
    expect(await database.calls.get(refusal.callId)).toMatchObject({
      status: "refused",
      source: "none",
      keyId: key,
      model: "unknown/model",
      provider: null,
      inputTokens: null,
      costNano: null,
      chargeNano: null,
      heldNano: 0,
      httpStatus: 404,
      errorKind: "model-not-found",
      attempts: [],
      notes: { error: "no such model" },
    });
    expect(rowsOf(path, "SELECT * FROM v_ledger")).toEqual([]);
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await database.close();
  });
});

async function opened() {
  const path = folder.file();
  const database = await openAt(path);
  const { id } = await database.keys.create(aKey(), null);
  return { database, path, key: id };
}

const rows = (path: string) =>
  rowsOf(path, "SELECT key_id, count(*) AS rows FROM v_usage WHERE status = 'refused' GROUP BY key_id ORDER BY key_id");
const counts = (path: string) =>
  rowsOf<{ count: number }>(path, "SELECT count FROM refusal_counts").map(({ count }) => count);
