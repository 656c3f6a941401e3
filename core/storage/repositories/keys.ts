import { and, desc, eq, gt, inArray, isNotNull, isNull, lt, sql } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { BudgetBook } from "../budget-book.ts";
import { lastOfKeyInBlocks, lastOfKeysAfterBlocks } from "../call-blocks.ts";
import type { Page, PageQuery, Under } from "../database.ts";
import type { KeyRepository, KeyRow, KeyTerms, NewKey } from "../key.ts";
import { accounts, keys } from "../schema/sqlite.ts";
import { olderSecrets } from "../schema/sqlite-keys.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { purgedKeys } from "../schema/sqlite-upkeep.ts";
import { budgetFields, insertBudget } from "./budgets.ts";
import type { ContentSettings } from "./content.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { accountOf } from "./scope-account.ts";
import { refsUnder } from "./under.ts";

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
  imported: keys.imported,
  models: keys.models,
  operations: keys.operations,
  routes: keys.routes,
  limits: keys.limits,
  cidrs: keys.cidrs,
  metadata: keys.metadata,
  expiresMs: keys.expiresMs,
  disabledMs: keys.disabledMs,
  revokedMs: keys.revokedMs,
  declaredAs: keys.declaredAs,
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
    names: (ids: readonly string[]): Pick<KeyRow, "id" | "name" | "accountId">[] =>
      database
        .select({ id: keys.id, name: keys.name, accountId: accounts.id })
        .from(keys)
        .innerJoin(accounts, eq(accounts.ref, keys.accountRef))
        .where(inArray(keys.id, [...ids]))
        .all(),
    list({ under, ...query }: PageQuery & Under): Page<KeyRow> {
      const limit = pageSize(query);
      const within = under === undefined ? undefined : inArray(keys.accountRef, refsUnder(database, under));
      const rows = select()
        .where(and(lt(keys.ref, cursorOf(query)), within))
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

export function keyRepository(
  database: SqliteDatabase,
  writer: AuditedWriter,
  book: BudgetBook,
  contents: ContentSettings,
): KeyRepository {
  const reads = keyReads(database);
  // On the path of every call whose key is not cached: without the look-up of its last use.
  const onCalls = { ...columns, lastUsedMs: sql<number | null>`null` };
  const findByDigest = database
    .select(onCalls)
    .from(keys)
    .innerJoin(accounts, eq(accounts.ref, keys.accountRef))
    .where(eq(keys.digest, sql.placeholder("digest")))
    .prepare();
  const findOlder = database
    .select({ ...onCalls, untilMs: olderSecrets.untilMs })
    .from(olderSecrets)
    .innerJoin(keys, eq(keys.ref, olderSecrets.keyRef))
    .innerJoin(accounts, eq(accounts.ref, keys.accountRef))
    .where(eq(olderSecrets.digest, sql.placeholder("digest")))
    .prepare();

  let imported: boolean | null = null;
  const taken = () => new GatewayError("conflict", "there is a key with this secret already");

  /** Of the key that has, or had, this secret. */
  function ownerOf(digest: string): number | null {
    return (findByDigest.all({ digest })[0] ?? findOlder.all({ digest })[0])?.ref ?? null;
  }

  function owner(accountId: string): { readonly accountRef: number } {
    const account = database
      .select({ accountRef: accounts.ref })
      .from(accounts)
      .where(and(eq(accounts.id, accountId), isNull(accounts.removedMs)))
      .all()[0];
    if (!account) throw new GatewayError("not-found", "no such account");
    return account;
  }

  function insert({ digest, ...row }: NewKey): KeyRow {
    const { accountRef } = owner(row.accountId);
    if (ownerOf(digest) !== null) throw taken();
    const { id, name, prefix, last4, declaredAs, createdMs, limits, cidrs } = row;
    database
      .insert(keys)
      .values({
        ...stored(row),
        id,
        accountRef,
        name,
        prefix,
        last4,
        digest,
        imported: row.imported,
        limits: JSON.stringify(limits),
        cidrs: JSON.stringify(cidrs),
        declaredAs,
        createdMs,
      })
      .run();
    if (row.imported) imported = true;
    return { ...row, disabledMs: null, revokedMs: null, lastUsedMs: null };
  }

  return {
    ...reads,
    findByDigest(digest) {
      const row = findByDigest.all({ digest })[0];
      if (row) return { row: shown(row), untilMs: null };
      const older = findOlder.all({ digest })[0];
      if (!older) return null;
      const { untilMs, ...key } = older;
      return { row: shown(key), untilMs };
    },
    hasImported() {
      imported ??=
        database.select({ ref: keys.ref }).from(keys).where(eq(keys.imported, true)).limit(1).all().length > 0 ||
        database
          .select({ ref: olderSecrets.keyRef })
          .from(olderSecrets)
          .where(eq(olderSecrets.imported, true))
          .limit(1)
          .all().length > 0;
      return imported;
    },
    declare: (declared, atMs) =>
      writer.run((tell) => {
        const names = new Set(declared.map(({ declaredAs }) => declaredAs));
        const before = database
          .select({ ref: keys.ref, id: keys.id, declaredAs: keys.declaredAs })
          .from(keys)
          .where(isNotNull(keys.declaredAs))
          .all();
        const rows = new Map(before.map(({ id }) => [id, reads.get(id)]));
        for (const { ref, declaredAs } of before)
          if (!names.has(declaredAs))
            database
              .update(keys)
              .set({ disabledMs: sql`coalesce(${keys.disabledMs}, ${atMs})` })
              .where(eq(keys.ref, ref))
              .run();
        const ids = declared.map((key) => {
          const known = before.find(({ declaredAs }) => declaredAs === key.declaredAs);
          try {
            if (!known) return insert(key).id;
            const { accountRef } = owner(key.accountId);
            const { digest, prefix, last4, imported: foreign } = key;
            if (ownerOf(digest) !== null && ownerOf(digest) !== known.ref) throw taken();
            database
              .update(keys)
              .set({ ...stored(key), accountRef, digest, prefix, last4, imported: foreign, disabledMs: null })
              .where(eq(keys.ref, known.ref))
              .run();
            if (foreign) imported = true;
            return known.id;
          } catch (error) {
            if (!(error instanceof GatewayError) || key.declaredAs === null) throw error;
            throw new GatewayError(error.kind, error.message, { param: key.declaredAs });
          }
        });
        const all = [...new Set([...ids, ...rows.keys()])];
        for (const id of all) tell(changeOf("key.declare", id, facts(rows.get(id) ?? null), facts(reads.get(id))));
        return all.flatMap((id) => reads.get(id) ?? []);
      }),
    create: (key, budget, content) =>
      writer.run((tell) => {
        const row = insert(key);
        if (content !== undefined) contents.put({ kind: "key", id: key.id }, content);
        if (budget) insertBudget(database, book, budget);
        const budgetOfIt = budget && { budget: budgetFields(budget) };
        tell(changeOf("key.create", key.id, null, { ...facts(row), ...budgetOfIt }));
        return row;
      }),
    change: (id, change) =>
      writer.run((tell) => {
        const before = facts(reads.get(id));
        const columnsOfChange = stored(change);
        if (Object.keys(columnsOfChange).length > 0)
          database.update(keys).set(columnsOfChange).where(eq(keys.id, id)).run();
        if (before && change.content !== undefined) contents.put({ kind: "key", id }, change.content);
        const row = reads.get(id);
        tell(changeOf("key.change", id, before, facts(row)));
        return row;
      }),
    rotate: (id, secret, atMs, untilMs) =>
      writer.run((tell) => {
        const before = facts(reads.get(id));
        const present = database.select().from(keys).where(eq(keys.id, id)).all()[0];
        if (!present) return null;
        if (present.revokedMs !== null) throw new GatewayError("conflict", "the key is revoked");
        const ofKey = eq(olderSecrets.keyRef, present.ref);
        database
          .update(olderSecrets)
          .set({ untilMs: sql`min(${olderSecrets.untilMs}, ${untilMs})` })
          .where(ofKey)
          .run();
        database
          .delete(olderSecrets)
          .where(and(ofKey, sql`${olderSecrets.untilMs} <= ${atMs}`))
          .run();
        const { digest, prefix, last4 } = present;
        if (untilMs > atMs)
          database
            .insert(olderSecrets)
            .values({ digest, keyRef: present.ref, prefix, last4, imported: present.imported, untilMs })
            .run();
        database
          .update(keys)
          .set({ digest: secret.digest, prefix: secret.prefix, last4: secret.last4, imported: secret.imported })
          .where(eq(keys.ref, present.ref))
          .run();
        const row = reads.get(id);
        tell(changeOf("key.rotate", id, before, { ...facts(row), olderSecretsUntil: untilMs }));
        return row;
      }),
    olderSecrets: (id, atMs) =>
      database
        .select({
          prefix: olderSecrets.prefix,
          last4: olderSecrets.last4,
          imported: olderSecrets.imported,
          untilMs: olderSecrets.untilMs,
        })
        .from(olderSecrets)
        .innerJoin(keys, eq(keys.ref, olderSecrets.keyRef))
        .where(and(eq(keys.id, id), gt(olderSecrets.untilMs, atMs)))
        .orderBy(desc(olderSecrets.untilMs))
        .all(),
    revoke: (id, atMs) =>
      writer.run((tell) => {
        const before = facts(reads.get(id));
        database
          .update(keys)
          .set({ revokedMs: sql`coalesce(${keys.revokedMs}, ${atMs})` })
          .where(eq(keys.id, id))
          .run();
        const row = reads.get(id);
        tell(changeOf("key.revoke", id, before, facts(row)));
        return row;
      }),
  };

  function facts(row: KeyRow | null): Fields | null {
    if (row === null) return null;
    const { id, lastUsedMs: _, createdMs: __, ...told } = row;
    return { ...told, limits: { ...told.limits }, content: contents.setting({ kind: "key", id }) };
  }
  function changeOf(action: string, id: string, before: Fields | null, after: Fields | null): Change {
    return { action, object: { kind: "key", id }, accountId: accountOf(database, { kind: "key", id }), before, after };
  }
}

type Texts = Record<"models" | "operations" | "routes", string | null> &
  Record<"limits" | "cidrs" | "metadata", string>;
type Stored = Omit<KeyRow, keyof Texts> & Texts & { readonly ref: number };

const shown = ({ ref: _, models, operations, routes, limits, cidrs, metadata, ...row }: Stored): KeyRow => ({
  ...row,
  models: models === null ? "all" : JSON.parse(models),
  operations: operations === null ? "all" : JSON.parse(operations),
  routes: routes === null ? "all" : JSON.parse(routes),
  limits: JSON.parse(limits),
  cidrs: JSON.parse(cidrs),
  metadata: JSON.parse(metadata),
});

/** The columns of what is given. */
const stored = (terms: Partial<KeyTerms>) => ({
  ...(terms.name !== undefined && { name: terms.name }),
  ...(terms.models !== undefined && { models: listText(terms.models) }),
  ...(terms.operations !== undefined && { operations: listText(terms.operations) }),
  ...(terms.routes !== undefined && { routes: listText(terms.routes) }),
  ...(terms.limits !== undefined && { limits: JSON.stringify(terms.limits) }),
  ...(terms.cidrs !== undefined && { cidrs: JSON.stringify(terms.cidrs) }),
  ...(terms.metadata !== undefined && { metadata: JSON.stringify(terms.metadata) }),
  ...(terms.expiresMs !== undefined && { expiresMs: terms.expiresMs }),
  ...(terms.disabledMs !== undefined && { disabledMs: terms.disabledMs }),
});

const listText = (list: readonly string[] | "all"): string | null => (list === "all" ? null : JSON.stringify(list));
