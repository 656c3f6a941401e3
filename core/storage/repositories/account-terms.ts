import { eq } from "drizzle-orm";
import {
  type AccountTerms,
  type AccountTermsChange,
  type AccountTermsRepository,
  openTerms,
} from "../account-terms.ts";
import { accountTerms } from "../schema/sqlite-account-terms.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

export interface StoredAccountTerms extends AccountTermsRepository {
  /** Inside a transaction: only what is given changes, for the next call on. */
  put(accountId: string, change: AccountTermsChange, fromBelow: boolean): void;
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
    put(accountId, change, fromBelow) {
      if (Object.keys(change).length === 0) return;
      const before = known.get(accountId) ?? openTerms;
      const terms = { ...before, ...change, metadataBelow: setBelow(before, change, fromBelow) };
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

/** Whoever changes one text says the others again, and need not have looked at them: they stay whose they were. */
const setBelow = (
  { metadata, metadataBelow }: AccountTerms,
  change: AccountTermsChange,
  fromBelow: boolean,
): readonly string[] =>
  change.metadata === undefined
    ? metadataBelow
    : Object.entries(change.metadata).flatMap(([name, text]) =>
        (metadata[name] === text ? metadataBelow.includes(name) : fromBelow) ? [name] : [],
      );

const saysNothing = (terms: AccountTerms): boolean =>
  terms.models === "all" &&
  terms.providers === "all" &&
  terms.operations === "all" &&
  terms.uncappedOutputTokens === null &&
  terms.keyRotation &&
  Object.keys(terms.metadata).length === 0;

const columnsOf = ({ models, providers, operations, metadata, metadataBelow, ...same }: AccountTerms) => ({
  ...same,
  models: textOf(models),
  providers: textOf(providers),
  operations: textOf(operations),
  metadata: JSON.stringify(
    Object.fromEntries(
      Object.entries(metadata).map(([name, text]) => [name, metadataBelow.includes(name) ? { below: text } : text]),
    ),
  ),
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
}: typeof accountTerms.$inferSelect): [string, AccountTerms] => {
  const written: Readonly<Record<string, string | { readonly below: string }>> = JSON.parse(metadata);
  const texts = Object.entries(written);
  return [
    accountId,
    {
      ...same,
      models: models === null ? "all" : JSON.parse(models),
      providers: providers === null ? "all" : JSON.parse(providers),
      operations: operations === null ? "all" : JSON.parse(operations),
      metadata: Object.fromEntries(texts.map(([name, text]) => [name, typeof text === "string" ? text : text.below])),
      metadataBelow: texts.flatMap(([name, text]) => (typeof text === "string" ? [] : [name])),
    },
  ];
};
