import type { SqliteClient, SqliteStatement } from "../runtime/sqlite.ts";

/** Entries of the ledger for the calls that end in one transaction, written at its end. */
export interface Charges {
  /** `nano`: what the call was charged. */
  add(accountRef: number, callSeq: number, nano: number, createdMs: number): void;
  /** Last in the transaction: nothing in it reads them. */
  write(): void;
  /** After a rollback: whoever ends a call then adds it again. */
  forget(): void;
}

/** How many rows a statement takes. To begin one, with its five b-trees, costs more than a row does. */
const sizes = [16, 4, 1];
const columns = 4;

export function chargesOf(client: SqliteClient): Charges {
  const statements = new Map<number, SqliteStatement>();
  /** The values of its rows one after the other. */
  let waiting: number[] = [];

  // With the first charge, for a start has no time for it. A statement that fails midway would be undone by itself, at the
  // price of a journal; here the whole transaction is.
  function statementFor(rows: number): SqliteStatement {
    const known = statements.get(rows);
    if (known) return known;
    const values = Array.from({ length: rows }, () => "(?, ?, 'charge', ?, ?)").join(", ");
    const made = client.prepare(
      `INSERT OR FAIL INTO ledger (account_ref, call_seq, kind, delta_nano, created_ms) VALUES ${values}`,
    );
    statements.set(rows, made);
    return made;
  }

  return {
    add: (accountRef, callSeq, nano, createdMs) => void waiting.push(accountRef, callSeq, -nano, createdMs),
    write() {
      let at = 0;
      for (const rows of sizes)
        for (const length = rows * columns; at + length <= waiting.length; at += length)
          statementFor(rows).run(waiting.slice(at, at + length));
      waiting.length = 0;
    },
    forget: () => void (waiting = []),
  };
}
