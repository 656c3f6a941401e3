import { limitService } from "../../core/api/limit-service.ts";
import type { LimitService } from "../../core/identity/limits.ts";
import { fileRules, limitBook } from "../../core/pipeline/limit-book.ts";
import type { LimitRow } from "../../core/storage/limit.ts";
import { tokenBucket } from "../../plugins/rate-limit/token-bucket.ts";
import type { FakeDatabase } from "./fake-database.ts";

/** The limits' own service over rows in memory, with a limiter that counts. */
export function fakeLimits(
  database: Pick<FakeDatabase, "accounts" | "keys">,
  now: () => number = () => 0,
): LimitService {
  let rows: readonly LimitRow[] = [];
  const limits = {
    all: () => rows,
    under(): never {
      throw new Error("these limits are shown to the whole installation's people only");
    },
    create: (row: LimitRow) => ((rows = [...rows, row]), row),
    change(id: string, change: Partial<LimitRow>) {
      rows = rows.map((row) => (row.id === id ? { ...row, ...change } : row));
      return rows.find((row) => row.id === id) ?? null;
    },
    remove(id: string) {
      const before = rows.length;
      rows = rows.filter((row) => row.id !== id);
      return rows.length < before;
    },
  };
  return limitService({
    database: { ...database, limits },
    book: limitBook(fileRules([])),
    limiters: [{ name: "token-bucket", slot: tokenBucket({ now, elapsed: now }) }],
    now,
    newId: () => crypto.randomUUID(),
    enforces: { limits: true, budgets: true },
  });
}
