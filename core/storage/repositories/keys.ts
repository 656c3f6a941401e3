import { and, desc, eq, isNull, lt, sql } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { BudgetBook } from "../budget-book.ts";
import { lastOfKeyInBlocks, lastOfKeysAfterBlocks } from "../call-blocks.ts";
import type { KeyRepository, KeyRow, Page, PageQuery } from "../database.ts";
import type { GroupCommit } from "../group-commit.ts";
import { accounts, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { purgedKeys } from "../schema/sqlite-upkeep.ts";
import { insertBudget } from "./budgets.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";

/** Of calls that are gone for their age. */
const lastOfPurged = sql`(select ${purgedKeys.lastUsedMs} from ${purgedKeys} where ${purgedKeys.keyRef} = ${keys.ref})`;

/** The columns of a key, with the time of its last call of those in blocks. */
const columns = {
  ref: keys.ref,
  id: keys.id,
  accountId: accounts.id,
  name: keys.name,
  prefix: keys.prefix,
  last4: keys.last4,
  models: keys.models,
  limits: keys.limits,
  cidrs: keys.cidrs,
  expiresMs: keys.expiresMs,
  revokedMs: keys.revokedMs,
  createdMs: keys.createdMs,
  lastUsedMs: sql<number | null>`coalesce(${lastOfKeyInBlocks(keys.ref)}, ${lastOfPurged})`,
};

export function keyReads(database: SqliteDatabase) {
  const select = () => database.select(columns).from(keys).innerJoin(accounts, eq(accounts.ref, keys.accountRef));
  return {
    get(id: string): KeyRow | null {
      const row = select().where(eq(keys.id, id)).all()[0];
      return row ? lately(row, lastOfKeysAfterBlocks(database)) : null;
    },
    list(query: PageQuery): Page<KeyRow> {
      const limit = pageSize(query);
      const rows = select()
        .where(lt(keys.ref, cursorOf(query)))
        .orderBy(desc(keys.ref))
        .limit(limit + 1)
        .all();
      const last = lastOfKeysAfterBlocks(database);
      return pageOf(
        rows,
        limit,
        (row) => row.ref,
        (row) => lately(row, last),
      );
    },
  };
}

const lately = (row: Stored, last: ReadonlyMap<number | null, number>): KeyRow =>
  shown({ ...row, lastUsedMs: last.get(row.ref) ?? row.lastUsedMs });

export function keyRepository(database: SqliteDatabase, writer: GroupCommit, book: BudgetBook): KeyRepository {
  const reads = keyReads(database);
  // On the path of every call whose key is not cached: without the look-up of its last use.
  const findByDigest = database
    .select({ ...columns, lastUsedMs: sql<number | null>`null` })
    .from(keys)
    .innerJoin(accounts, eq(accounts.ref, keys.accountRef))
    .where(eq(keys.digest, sql.placeholder("digest")))
    .prepare();

  return {
    ...reads,
    findByDigest(digest) {
      const row = findByDigest.all({ digest })[0];
      return row ? shown(row) : null;
    },
    create: (key, budget) =>
      writer.run(() => {
        const account = database
          .select({ ref: accounts.ref })
          .from(accounts)
          .where(and(eq(accounts.id, key.accountId), isNull(accounts.removedMs)))
          .all()[0];
        if (!account) throw new GatewayError("not-found", "no such account");
        database
          .insert(keys)
          .values({
            id: key.id,
            accountRef: account.ref,
            name: key.name,
            prefix: key.prefix,
            last4: key.last4,
            digest: key.digest,
            models: key.models === "all" ? null : JSON.stringify(key.models),
            limits: JSON.stringify(key.limits),
            cidrs: JSON.stringify(key.cidrs),
            expiresMs: key.expiresMs,
            createdMs: key.createdMs,
          })
          .run();
        if (budget) insertBudget(database, book, budget);
        const { digest: _, ...row } = key;
        return { ...row, revokedMs: null, lastUsedMs: null };
      }),
    revoke: (id, atMs) =>
      writer.run(() => {
        database
          .update(keys)
          .set({ revokedMs: sql`coalesce(${keys.revokedMs}, ${atMs})` })
          .where(eq(keys.id, id))
          .run();
        return reads.get(id);
      }),
  };
}

interface Stored extends Omit<KeyRow, "models" | "limits" | "cidrs"> {
  readonly ref: number;
  readonly models: string | null;
  readonly limits: string;
  readonly cidrs: string;
}

const shown = ({ ref: _, models, limits, cidrs, ...row }: Stored): KeyRow => ({
  ...row,
  models: models === null ? "all" : JSON.parse(models),
  limits: JSON.parse(limits),
  cidrs: JSON.parse(cidrs),
});
