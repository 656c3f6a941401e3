import { and, desc, eq, inArray, isNull, lt, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import { GatewayError, missing } from "../../chat/error.ts";
import { defaultAccount } from "../../plugin/default-account.ts";
import { openTerms } from "../account-terms.ts";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { AccountTree } from "../account-tree.ts";
import type { DisabledAccounts } from "../disabled-accounts.ts";
import type { AccountRepository, AccountSummary } from "../database.ts";
import { freshMoment } from "../fresh-moment.ts";
import type { LaterCalls } from "../later-calls.ts";
import { ownAccounts } from "../own-accounts.ts";
import { people } from "../schema/sqlite-people.ts";
import { accounts, budgets, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import type { StoredAccountTerms } from "./account-terms.ts";
import type { ContentSettings } from "./content.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { refsUnder } from "./under.ts";

/** Never removed. */
const lasting: ReadonlySet<string> = new Set([defaultAccount, ...Object.values(ownAccounts).map(({ id }) => id)]);

/** Levels of the tree, the root's and the lowest one's included. */
const maxLevels = 8;

export interface AccountDependencies {
  readonly database: SqliteDatabase;
  readonly writer: AuditedWriter;
  readonly tree: AccountTree;
  readonly later: LaterCalls;
  readonly disabledOnes: DisabledAccounts;
  readonly contents: ContentSettings;
  readonly terms: Pick<StoredAccountTerms, "of" | "put">;
  readonly now: () => number;
}

export function accountRepository(dependencies: AccountDependencies): AccountRepository {
  const { database, writer, tree, later, disabledOnes, contents, terms, now } = dependencies;
  const parent = alias(accounts, "parent");
  const child = alias(accounts, "child");
  const select = () =>
    database
      .select({
        ref: accounts.ref,
        id: accounts.id,
        parentId: parent.id,
        name: accounts.name,
        createdMs: accounts.createdMs,
        children: sql<number>`(select count(*) from ${accounts} "child"
          where ${child.parentRef} = ${accounts.ref} and ${child.removedMs} is null)`,
        keys: sql<number>`(select count(*) from ${keys}
          where ${keys.accountRef} = ${accounts.ref} and ${keys.revokedMs} is null)`,
      })
      .from(accounts)
      .leftJoin(parent, eq(parent.ref, accounts.parentRef));
  const one = (id: string) =>
    select()
      .where(and(eq(accounts.id, id), isNull(accounts.removedMs)))
      .all()[0];
  const parentOf = (id: string) => one(id) ?? missing();
  const budgetsOn = (id: string): boolean =>
    database
      .select({ ref: budgets.ref })
      .from(budgets)
      .where(and(eq(budgets.scopeKind, "account"), eq(budgets.scopeId, id), isNull(budgets.removedMs)))
      .limit(1)
      .all().length > 0;

  const peopleOf = (ref: number): boolean =>
    database.select({ ref: people.ref }).from(people).where(eq(people.accountRef, ref)).limit(1).all().length > 0;

  type Selected = Omit<AccountSummary, "disabled"> & { readonly ref: number };
  const shown = ({ ref: _, ...row }: Selected): AccountSummary => ({ ...row, disabled: disabledOnes.has(row.id) });

  function get(id: string): AccountSummary | null {
    const row = one(id);
    return row ? shown(row) : null;
  }

  /** Whether the account, with all below it, may be under the parent. */
  function checkPlace(levels: number, parentRef: number) {
    if (tree.depth(parentRef) + levels > maxLevels)
      refuse("invalid-request", `parentId: accounts are at most ${maxLevels} levels deep`, "parentId");
  }

  return {
    get,
    find: (id) => tree.lineage(id)[0] ?? null,
    lineage: (id, atMs) => tree.lineage(id, atMs),
    countedLine: (id, atMs) => tree.countedLine(id, atMs),
    idOf: (word) => tree.idOf(word),
    whyNot: (word) => tree.whyNot(word),
    isDisabled: (id) => disabledOnes.has(id),
    list({ parentId, under, ...query }) {
      const limit = pageSize(query);
      const below = under === undefined ? undefined : inArray(accounts.ref, refsUnder(database, under));
      const within =
        parentId === undefined ? undefined : parentId === null ? isNull(accounts.parentRef) : eq(parent.id, parentId);
      const rows = select()
        .where(and(lt(accounts.ref, cursorOf(query)), isNull(accounts.removedMs), within, below))
        .orderBy(desc(accounts.ref))
        .limit(limit + 1)
        .all();
      return pageOf(rows, limit, (row) => row.ref, shown);
    },
    create: ({ parentId, ...account }, { content, terms: said = {}, fromBelow = false } = {}) =>
      writer.run((tell) => {
        const parentRef = parentId === null ? null : parentOf(parentId).ref;
        if (parentRef !== null) checkPlace(1, parentRef);
        const made = database
          .insert(accounts)
          .values({ ...account, parentRef })
          .returning({ ref: accounts.ref })
          .all()[0];
        if (!made) throw new Error("the new account has no row");
        tree.plant(made.ref, parentRef);
        if (content !== undefined) contents.put({ kind: "account", id: account.id }, content);
        terms.put(account.id, said, fromBelow);
        tell(changeOf("create", account.id, null, fieldsOf(get(account.id))));
        return { ...account, parentId, children: 0, keys: 0, disabled: false };
      }),
    change: (id, { name, parentId, disabled, content, terms: said = {}, fromBelow = false }) =>
      writer.run((tell) => {
        const row = one(id);
        if (!row) return null;
        const before = fieldsOf(get(id));
        if (content !== undefined) contents.put({ kind: "account", id }, content);
        terms.put(id, said, fromBelow);
        if (disabled !== undefined) disabledOnes.put(row, disabled, now());
        if (name !== undefined) database.update(accounts).set({ name }).where(eq(accounts.ref, row.ref)).run();
        if (parentId !== undefined && parentId !== row.parentId) {
          const parentRef = parentId === null ? null : parentOf(parentId).ref;
          if (parentRef !== null) {
            if (tree.isUnder(parentRef, row.ref))
              refuse("invalid-request", "parentId: an account cannot be below itself", "parentId");
            checkPlace(tree.height(row.ref), parentRef);
          }
          database.update(accounts).set({ parentRef }).where(eq(accounts.ref, row.ref)).run();
          const fromMs = freshMoment(database, now());
          later.stay(fromMs, () => tree.move(row.ref, parentRef, fromMs));
        }
        tree.forget();
        const changed = get(id);
        tell(changeOf("change", id, before, fieldsOf(changed)));
        return changed;
      }),
    remove: (id) =>
      writer.run((tell) => {
        const row = one(id);
        if (!row) return false;
        if (lasting.has(id)) refuse("conflict", `the account ${id} cannot be removed`);
        if (row.children > 0) refuse("conflict", "the account has accounts below it");
        if (row.keys > 0) refuse("conflict", "the account has keys that are not revoked");
        if (peopleOf(row.ref)) refuse("conflict", "the account has people");
        if (budgetsOn(id)) refuse("conflict", "the account has a budget or a balance");
        tell(changeOf("remove", id, fieldsOf(get(id)), null));
        database.update(accounts).set({ removedMs: now() }).where(eq(accounts.ref, row.ref)).run();
        tree.forget();
        return true;
      }),
  };

  function fieldsOf(row: AccountSummary | null): Fields | null {
    if (row === null) return null;
    const { id, name, parentId, disabled } = row;
    const content = contents.setting({ kind: "account", id });
    return { name, parentId, disabled, content, ...(terms.of(id) ?? openTerms) };
  }
  function changeOf(what: string, id: string, before: Fields | null, after: Fields | null): Change {
    return { action: `account.${what}`, object: { kind: "account", id }, accountId: id, before, after };
  }
}

function refuse(kind: "not-found" | "conflict" | "invalid-request", message: string, param?: string): never {
  throw new GatewayError(kind, message, param === undefined ? {} : { param });
}
