import { eq } from "drizzle-orm";
import { type AccountTerms, type AccountTermsRepository, openTerms } from "../account-terms.ts";
import { accountTerms } from "../schema/sqlite-account-terms.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

export interface StoredAccountTerms extends AccountTermsRepository {
  /** Inside a transaction: only what is given changes, for the next call on. */
  put(accountId: string, change: Partial<AccountTerms>): void;
  /** After a rollback. */
  reload(): void;
}

export function accountTermsRepository(database: SqliteDatabase): StoredAccountTerms {
  const read = () => new Map(database.select().from(accountTerms).all().map(entryOf));
  let known = read();
  return {
    isAnySet: () => known.size > 0,
    of: (accountId) => known.get(accountId) ?? null,
    reload: () => void (known = read()),
    put(accountId, change) {
      if (Object.keys(change).length === 0) return;
      const terms = { ...openTerms, ...known.get(accountId), ...change };
      if (saysNothing(terms)) {
        database.delete(accountTerms).where(eq(accountTerms.accountId, accountId)).run();
        known.delete(accountId);
        return;
      }
      const set = columnsOf(terms);
      database
        .insert(accountTerms)
        .values({ accountId, ...set })
        .onConflictDoUpdate({ target: accountTerms.accountId, set })
        .run();
      known.set(accountId, terms);
    },
  };
}

const saysNothing = (terms: AccountTerms): boolean =>
  terms.models === "all" &&
  terms.providers === "all" &&
  terms.operations === "all" &&
  terms.uncappedOutputTokens === null &&
  terms.keyRotation &&
  Object.keys(terms.metadata).length === 0;

const columnsOf = ({ models, providers, operations, metadata, ...same }: AccountTerms) => ({
  ...same,
  models: textOf(models),
  providers: textOf(providers),
  operations: textOf(operations),
  metadata: JSON.stringify(metadata),
});

const textOf = (list: readonly string[] | "all"): string | null => (list === "all" ? null : JSON.stringify(list));

/** The columns are written by `columnsOf` only. */
const entryOf = ({
  accountId,
  models,
  providers,
  operations,
  metadata,
  ...same
}: typeof accountTerms.$inferSelect): [string, AccountTerms] => [
  accountId,
  {
    ...same,
    models: models === null ? "all" : JSON.parse(models),
    providers: providers === null ? "all" : JSON.parse(providers),
    operations: operations === null ? "all" : JSON.parse(operations),
    metadata: JSON.parse(metadata),
  },
];
