import { isDeepStrictEqual } from "node:util";
import { aboveText } from "../chat/above.ts";
import { GatewayError, missing } from "../chat/error.ts";
import { type AccountTerms, type AccountTermsChange, openTerms } from "../storage/account-terms.ts";
import type { AccountChange, AccountRow, CallDetail, Database, Under } from "../storage/database.ts";
import type { KeyRow } from "../storage/key.ts";
import type { UsagePair } from "../storage/ranking.ts";
import { namedAccounts } from "./named-accounts.ts";
import { isOnOwn } from "./reach.ts";

/**
 * What the API and the pages read and change of a database. Whatever else is in one, a route gets it by a service that it
 * names: so nothing new is open to people of an account without being decided here.
 */
export type TenantDatabase = Pick<
  Database,
  "accounts" | "audit" | "accountTerms" | "budgets" | "calls" | "content" | "credits" | "exports" | "keys" | "retention"
>;

/** What is of an account or below it, and what may be changed there by its own people. */
export interface Place {
  readonly accountId: string;
  readonly holds: (accountId: string) => Promise<boolean>;
  readonly key: (id: string) => Promise<KeyRow | null>;
  readonly inScope: (scope: AnyScope) => Promise<boolean>;
  /** Throws `forbidden` for the account itself: what binds it is set from above. */
  readonly checkBelow: (scope: AnyScope) => void;
}
/** Of a budget or a limit; `id` `null`: each of its kind. */
interface AnyScope {
  readonly kind: string;
  readonly id: string | null;
}

/** What the config in use says that people of an account may not undo. */
export interface FromFile {
  /** Metadata of accounts that aliases go by: set from above on all of them. */
  readonly routingTags: () => ReadonlySet<string>;
  /** Ids, names and paths by which it names accounts. */
  readonly accountsInFile: () => readonly string[];
}

export function placeOf({ accounts, keys }: Pick<TenantDatabase, "accounts" | "keys">, accountId: string): Place {
  const holds = async (id: string): Promise<boolean> =>
    (await accounts.lineage(id)).some((account) => account.id === accountId);
  async function key(id: string) {
    const row = await keys.get(id);
    return row && (await holds(row.accountId)) ? row : null;
  }
  return {
    accountId,
    holds,
    key,
    async inScope({ kind, id }) {
      if (id === null) return false;
      return kind === "account" ? holds(id) : kind === "key" && (await key(id)) !== null;
    },
    checkBelow(scope) {
      if (isOnOwn({ accountId }, scope)) throw forbidden("what binds your own account is set above it");
    },
  };
}

/**
 * The same, as those see it who belong to an account: it and what is below it is all there is, and it is the root. What
 * is elsewhere is as if it did not exist. Budgets on the account itself are set from above. What providers bill is the
 * operator's to see: no row tells a cost, nor what it could be reckoned from.
 */
export function within(
  database: TenantDatabase,
  accountId: string,
  { routingTags, accountsInFile }: FromFile,
): TenantDatabase {
  const { accounts, accountTerms, audit, budgets, calls, content, credits, exports, keys } = database;

  const { holds, key, inScope, checkBelow } = placeOf(database, accountId);
  const named = namedAccounts(accounts, accountsInFile);
  /** What is asked for, of the own account and those below it. An account elsewhere is none. */
  async function narrowed<Asked extends Under>(asked: Asked): Promise<Asked & { readonly under: string }> {
    if (asked.under === undefined) return { ...asked, under: accountId };
    return { ...asked, under: (await holds(asked.under)) ? asked.under : "" };
  }
  const rooted = <Row extends { readonly id: string; readonly parentId: string | null }>(row: Row): Row =>
    row.id === accountId ? { ...row, parentId: null } : row;
  /** What is above one's own account is nobody's business below it. */
  const upToOwn = (line: readonly AccountRow[]): readonly AccountRow[] =>
    line.slice(0, line.findIndex(({ id }) => id === accountId) + 1).map(rooted);

  /** What no alias goes by is only told, and theirs to say. */
  function checkTags(before: AccountTerms["metadata"], after = before) {
    for (const name of routingTags())
      if (before[name] !== after[name])
        throw forbidden(`metadata.${name}: calls are routed by it, so it is set above your account`);
  }
  /** What the form of one's own account says again is no change; all else is set from above. */
  async function checkOwn({ name, parentId = null, disabled, content: kept, terms }: AccountChange): Promise<void> {
    if (kept !== undefined && kept !== content.setting({ kind: "account", id: accountId }))
      throw forbidden("what is kept of your own account is said above it");
    // Credentials find it by its name: it could take that of a tenant to come.
    if (name !== undefined && name !== (await accounts.get(accountId))?.name)
      throw forbidden("your own account is named above it");
    if (terms && changesTerms(accountTerms.of(accountId) ?? openTerms, terms))
      throw forbidden("what binds your own account is set above it");
    if (parentId !== null) throw forbidden("your own account stays");
    if (disabled !== undefined) throw forbidden("your own account is disabled from above");
  }
  async function budget(id: string) {
    const row = await budgets.get(id);
    return row && (await inScope(row.scope)) ? row : null;
  }
  /** A refusal by what is set above tells only that it was. */
  async function refusedAbove(row: CallDetail): Promise<CallDetail> {
    const { refused, ...why } = row.why ?? {};
    const { limit, ...said } = refused ?? { stage: "admission", code: null };
    if (!limit || limit.scope.kind === "key" || (await inScope(limit.scope))) return row;
    return { ...row, notes: { ...row.notes, error: aboveText(limit) }, why: { ...why, refused: said } };
  }
  /** For a change. */
  async function changeable(id: string): Promise<boolean> {
    const row = await budget(id);
    if (row) checkBelow(row.scope);
    return row !== null;
  }
  async function call(id: string) {
    const row = await calls.get(id);
    return row && (await holds(row.accountId)) ? row : null;
  }

  return {
    accounts: {
      async get(id) {
        const row = (await holds(id)) ? await accounts.get(id) : null;
        return row && rooted(row);
      },
      async find(id) {
        const row = (await holds(id)) ? await accounts.find(id) : null;
        return row && rooted(row);
      },
      async list({ parentId, ...query }) {
        if (parentId === null) {
          const row = await accounts.get(accountId);
          return { data: row && !query.after ? [rooted(row)] : [], next: null };
        }
        if (parentId !== undefined && !(await holds(parentId))) return { data: [], next: null };
        const page = await accounts.list({ ...(await narrowed(query)), ...(parentId !== undefined && { parentId }) });
        return { ...page, data: page.data.map(rooted) };
      },
      lineage: async (id, atMs) => upToOwn(await accounts.lineage(id, atMs)),
      countedLine: async (id, atMs) => upToOwn(await accounts.countedLine(id, atMs)),
      // For credentials of calls, which no account's people look up.
      idOf: () => null,
      whyNot: () => "no account has this id or name",
      isDisabled: (id) => accounts.isDisabled(id),
      // Without a parent it is right under one's own.
      create: async (account, said) => {
        const parentId = account.parentId ?? accountId;
        if (!(await holds(parentId))) return missing();
        checkTags({}, said?.terms?.metadata);
        await named.checkPlace({ ...account, parentId }, null);
        return rooted(await accounts.create({ ...account, parentId }, { ...said, fromBelow: true }));
      },
      async change(id, change) {
        if (!(await holds(id))) return null;
        if (id === accountId) await checkOwn(change);
        checkTags(accountTerms.of(id)?.metadata ?? {}, change.terms?.metadata);
        const { parentId, ...others } = change;
        const place = parentId === null ? accountId : parentId;
        const moves = place !== undefined && id !== accountId;
        if (moves && !(await holds(place))) return missing();
        const before = await accounts.get(id);
        const { name = before?.name ?? "" } = change;
        if (before) await named.checkPlace({ id, name, parentId: moves ? place : before.parentId }, before);
        const row = await accounts.change(id, { ...others, ...(moves && { parentId: place }), fromBelow: true });
        return row && rooted(row);
      },
      async remove(id) {
        if (id === accountId) throw forbidden("your own account stays");
        if (!(await holds(id))) return false;
        await named.checkRemoval(id);
        return accounts.remove(id);
      },
    },
    accountTerms: {
      isAnySet: () => accountTerms.isAnySet(),
      of: (id) => accountTerms.of(id),
    },
    keys: {
      create: async (row, ...rest) => ((await holds(row.accountId)) ? keys.create(row, ...rest) : missing()),
      findByDigest: () => null,
      hasImported: () => keys.hasImported(),
      get: key,
      async names(ids) {
        const rows = await keys.names(ids);
        const held = new Map<string, boolean>();
        for (const { accountId: of } of rows) if (!held.has(of)) held.set(of, await holds(of));
        return rows.filter((row) => held.get(row.accountId));
      },
      declare: () => {
        throw forbidden("the config file declares keys");
      },
      change: async (id, change) => ((await key(id)) ? keys.change(id, change) : null),
      rotate: async (id, secret, atMs, untilMs) => ((await key(id)) ? keys.rotate(id, secret, atMs, untilMs) : null),
      olderSecrets: async (id, atMs) => ((await key(id)) ? keys.olderSecrets(id, atMs) : []),
      list: async (query) => keys.list(await narrowed(query)),
      revoke: async (id, atMs) => ((await key(id)) ? keys.revoke(id, atMs) : null),
    },
    budgets: {
      async create(made) {
        if (made.scope.kind !== "account" && made.scope.kind !== "key")
          throw forbidden("your budgets are on accounts and keys");
        if (!(await inScope(made.scope))) return missing();
        checkBelow(made.scope);
        return budgets.create(made);
      },
      get: budget,
      async list(query) {
        if (query.scope && !(await inScope(query.scope))) return { data: [], next: null };
        return budgets.list(await narrowed(query));
      },
      change: async (id, change) => ((await changeable(id)) ? budgets.change(id, change) : null),
      reset: async (id) => ((await changeable(id)) ? budgets.reset(id) : null),
      remove: async (id) => (await changeable(id)) && budgets.remove(id),
      inScope: (scopes) => budgets.inScope(scopes),
    },
    credits: {
      add: () => {
        throw forbidden("credit is given from above");
      },
      balance: async (id) => ((await holds(id)) ? credits.balance(id) : null),
      balances: async (query) => credits.balances(await narrowed(query)),
      expire: () => 0,
      entries: async (filter, query) => credits.entries(await narrowed(filter), query),
    },
    calls: {
      async list(filter, query) {
        const { data, next } = await calls.list(await narrowed(filter), query);
        return { data: data.map(withoutCost), next };
      },
      async get(id) {
        const row = await call(id);
        if (row === null) return null;
        // The call that a paid copy is of may be somebody else's.
        const { shadowOf, ...notes } = row.notes ?? {};
        const isTold = shadowOf === undefined || (await call(shadowOf)) !== null;
        return refusedAbove(charged(isTold ? row : { ...row, notes }));
      },
      async usage(range) {
        const { data, total } = await calls.usage(await narrowed(range));
        return { data: data.map(withoutCost), total: withoutCost(total) };
      },
      async ranking(query) {
        // By their cost, their order would tell of it.
        const { rows, others, total } = await calls.ranking({ ...(await narrowed(query)), by: "chargeNano" });
        return {
          rows: rows.map(withoutCosts),
          others: others && withoutCosts(others),
          total: withoutCosts(total),
        };
      },
      // Kept for all accounts together.
      latency: () => ({ durationMs: null, ttftMs: null }),
      openCount: async (query) => calls.openCount(await narrowed(query ?? {})),
    },
    exports: {
      calls: async (filter, query) => exports.calls(await narrowed(filter), { ...query, withoutCost: true }),
      entries: async (filter, query) => exports.entries(await narrowed(filter), query),
      audit: async (filter, query) => exports.audit(await narrowed(filter), query),
      usage: async (range, query) => exports.usage(await narrowed(range), { ...query, withoutCost: true }),
    },
    content: {
      setting: (owner) => content.setting(owner),
      isOnForSome: () => content.isOnForSome(),
      write: (stored, maxTotalBytes) => content.write(stored, maxTotalBytes),
      read: async (callId) => ((await call(callId)) ? content.read(callId) : null),
      remove: (which) => content.remove(which),
      size: () => content.size(),
    },
    audit: {
      list: async (filter, query) => audit.list(await narrowed(filter), query),
      get: async (seq, query) => audit.get(seq, await narrowed(query ?? {})),
      // The chain goes through the entries of all.
      head: () => {
        throw forbidden("the log as a whole is for those above");
      },
      verify: () => {
        throw forbidden("the log as a whole is for those above");
      },
      add: (change) => audit.add(change),
    },
    retention: () => database.retention(),
  };
}

const withoutCost = <Row extends { readonly costNano: unknown }>(row: Row) => ({ ...row, costNano: null });

const withoutCosts = <Pair extends UsagePair>(pair: Pair) => ({
  ...pair,
  now: withoutCost(pair.now),
  before: pair.before && withoutCost(pair.before),
});

/** Its price lines add up to the cost, and its terms lead back from the charge to it. */
function charged(row: CallDetail): CallDetail {
  const { lines: _, terms: __, ...notes } = row.notes ?? {};
  return {
    ...withoutCost(row),
    notes: row.notes && notes,
    adjustments: row.adjustments
      .filter(({ chargeDeltaNano }) => chargeDeltaNano !== 0)
      .map((adjustment) => ({ ...adjustment, costDeltaNano: null })),
  };
}

const forbidden = (message: string) => new GatewayError("forbidden", message);

/** Whether it says anything else than before; the form of the page says all of it again. Aliases route by the metadata. */
const changesTerms = (before: AccountTerms, change: AccountTermsChange): boolean =>
  !isDeepStrictEqual({ ...before, ...change }, before);
