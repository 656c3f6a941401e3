import { GatewayError } from "../../core/chat/error.ts";
import { emptyHead } from "../../core/storage/audit-chain.ts";
import type { ContentSetting } from "../../core/storage/content.ts";
import { type AccountTerms, openTerms } from "../../core/storage/account-terms.ts";
import type { BudgetRow, NewBudget } from "../../core/storage/budget.ts";
import type { NewSession } from "../../core/storage/people.ts";
import type { Balance, LedgerEntry } from "../../core/storage/credit.ts";
import type { UnpricedRow } from "../../core/storage/book.ts";
import type {
  AccountRow,
  AccountSummary,
  CallDetail,
  CallFilter,
  Database,
  Page,
  PageQuery,
  Retention,
} from "../../core/storage/database.ts";
import type { KeyRow } from "../../core/storage/key.ts";
import type { Quantiles } from "../../core/storage/latency.ts";
import { fakeUsage } from "./fake-usage.ts";

/** What a test starts with; rows in any order. */
export interface Seed {
  readonly accounts?: readonly AccountRow[];
  readonly keys?: readonly KeyRow[];
  readonly budgets?: readonly BudgetRow[];
  readonly calls?: readonly CallDetail[];
  readonly unpriced?: readonly UnpricedRow[];
  readonly retention?: Partial<Retention>;
}
export interface FakeDatabase extends Pick<
  Database,
  | "accounts"
  | "audit"
  | "accountTerms"
  | "budgets"
  | "calls"
  | "content"
  | "credits"
  | "keys"
  | "retention"
  | "sessions"
> {
  /** The rows themselves, for a test to look at and change. */
  readonly rows: {
    readonly accounts: AccountRow[];
    readonly entries: LedgerEntry[];
    readonly keys: KeyRow[];
    readonly budgets: BudgetRow[];
    readonly calls: CallDetail[];
    readonly sessions: Map<string, NewSession>;
  };
}

/** The part of the database that pages use, in memory: same order, same paging, same sums, no SQL. */
export function fakeDatabase(seed: Seed = {}): FakeDatabase {
  const accounts = [...(seed.accounts ?? [])];
  const keys = [...(seed.keys ?? [])];
  const disabled = new Set<string>();
  const digests = new Map<string, string>();
  const termsOf = new Map<string, AccountTerms>();
  const contentSettings = new Map<string, ContentSetting>();
  const budgets = [...(seed.budgets ?? [])];
  const calls = [...(seed.calls ?? [])];
  const entries: LedgerEntry[] = [];
  const balance = (accountId: string): Balance | null => {
    const own = entries.filter((entry) => entry.accountId === accountId);
    const first = own.find(({ kind }) => kind === "credit");
    if (first === undefined) return null;
    const balanceNano = own.reduce((total, { deltaNano }) => total + deltaNano, 0);
    return { accountId, balanceNano, heldNano: 0, sinceMs: first.createdMs };
  };
  const sessions = new Map<string, NewSession>();
  const account = (id: string): AccountSummary | null => {
    const row = accounts.find((one) => one.id === id);
    return row ? summary(row) : null;
  };
  const lineOf = (id: string): readonly AccountRow[] => {
    const line: AccountRow[] = [];
    for (let row = account(id); row !== null; row = row.parentId === null ? null : account(row.parentId))
      line.push(row);
    return line;
  };
  const summary = (row: AccountRow): AccountSummary => ({
    ...row,
    disabled: disabled.has(row.id),
    children: accounts.filter(({ parentId }) => parentId === row.id).length,
    keys: keys.filter((key_) => key_.accountId === row.id && key_.revokedMs === null).length,
  });
  const key = (id: string): KeyRow | null => keys.find((row) => row.id === id) ?? null;
  const changed = (id: string, change: (row: KeyRow) => Partial<KeyRow>): KeyRow | null => {
    const at = keys.findIndex((row) => row.id === id);
    const row = keys[at];
    return row === undefined ? null : (keys[at] = { ...row, ...change(row) });
  };

  function keepTerms(id: string, terms: Partial<AccountTerms> = {}) {
    if (Object.keys(terms).length > 0) termsOf.set(id, { ...openTerms, ...termsOf.get(id), ...terms });
  }
  function keepContent(kind: "key" | "account", id: string, setting: ContentSetting | null | undefined) {
    if (setting === null) contentSettings.delete(`${kind}/${id}`);
    else if (setting !== undefined) contentSettings.set(`${kind}/${id}`, setting);
  }

  return {
    audit: {
      list: () => ({ data: [], next: null }),
      get: () => null,
      head: () => emptyHead,
      verify: (through) => ({ through, broken: null, more: false }),
      add: () => {},
    },
    retention: () => ({
      keepMs: null,
      oldestMs: null,
      goneBeforeMs: null,
      goneCalls: 0,
      lastMs: null,
      ...seed.retention,
    }),
    rows: { accounts, entries, keys, budgets, calls, sessions },
    accounts: {
      get: account,
      find: (id) => accounts.find((row) => row.id === id) ?? null,
      lineage: lineOf,
      countedLine: lineOf,
      isDisabled: (id) => disabled.has(id),
      idOf(word) {
        const own = accounts.filter(({ id }) => id === word);
        const [first, second] =
          own.length > 0 ? own : accounts.filter(({ name, parentId }) => name === word && parentId === null);
        return first === undefined || second !== undefined ? null : first.id;
      },
      whyNot: () => "no account has this id or name",
      list: ({ parentId, ...query }) =>
        paged(
          newestFirst(accounts.filter((row) => parentId === undefined || row.parentId === parentId)).map(summary),
          (row) => row.id,
          query,
        ),
      create(row, { content, terms } = {}) {
        keepContent("account", row.id, content);
        keepTerms(row.id, terms);
        accounts.push(row);
        return summary(row);
      },
      change(id, { disabled: isDisabled, content, terms, ...change }) {
        keepTerms(id, terms);
        keepContent("account", id, content);
        const at = accounts.findIndex((row) => row.id === id);
        const row = accounts[at];
        if (row === undefined) return null;
        if (isDisabled !== undefined) disabled[isDisabled ? "add" : "delete"](id);
        return summary((accounts[at] = { ...row, ...change }));
      },
      remove(id) {
        if (accounts.some(({ parentId }) => parentId === id))
          throw new GatewayError("conflict", "the account has accounts below it");
        const at = accounts.findIndex((row) => row.id === id);
        if (at >= 0) accounts.splice(at, 1);
        return at >= 0;
      },
    },
    accountTerms: {
      isAnySet: () => termsOf.size > 0,
      of: (id) => termsOf.get(id) ?? null,
    },
    content: {
      setting: ({ kind, id }) => contentSettings.get(`${kind}/${id}`) ?? null,
      isOnForSome: () => contentSettings.size > 0,
      write: () => {},
      read: () => null,
      remove: () => 0,
      size: () => ({ calls: 0, bytes: 0 }),
    },
    keys: {
      create({ digest, ...row }, budget, content) {
        keepContent("key", row.id, content);
        const made: KeyRow = { ...row, disabledMs: null, revokedMs: null, lastUsedMs: null };
        keys.push(made);
        digests.set(digest, made.id);
        if (budget !== null) budgets.push(begun(budget));
        return made;
      },
      findByDigest(digest) {
        const row = key(digests.get(digest) ?? "");
        return row && { row, untilMs: null };
      },
      hasImported: () => keys.some(({ imported }) => imported),
      declare: () => [],
      change(id, { content, ...change }) {
        keepContent("key", id, content);
        return changed(id, () => change);
      },
      rotate: (id, { digest, ...secret }) => {
        digests.set(digest, id);
        return changed(id, () => secret);
      },
      olderSecrets: () => [],
      get: key,
      names: (ids) => keys.filter(({ id }) => ids.includes(id)),
      list: (query) => paged(newestFirst(keys), (row) => row.id, query),
      revoke: (id, atMs) => changed(id, (row) => ({ revokedMs: row.revokedMs ?? atMs })),
    },
    budgets: {
      create(budget) {
        const made = begun(budget);
        budgets.push(made);
        return made;
      },
      get: (id) => budgets.find((row) => row.id === id) ?? null,
      list: ({ scope, ...query }) => {
        const fitting = budgets.filter(
          (row) => scope === undefined || (row.scope.kind === scope.kind && row.scope.id === scope.id),
        );
        return paged(newestFirst(fitting), (row) => row.id, query);
      },
      remove(id) {
        const at = budgets.findIndex((row) => row.id === id);
        if (at >= 0) budgets.splice(at, 1);
        return at >= 0;
      },
      change(id, { limitNano, increase, ...terms }) {
        const at = budgets.findIndex((row) => row.id === id);
        const row = budgets[at];
        if (row === undefined) return null;
        const base = limitNano ?? row.limitNano - (row.increase?.nano ?? 0);
        const more = increase === undefined ? row.increase : increase;
        return (budgets[at] = { ...row, ...terms, increase: more, limitNano: base + (more?.nano ?? 0) });
      },
      reset(id) {
        const at = budgets.findIndex((row) => row.id === id);
        const row = budgets[at];
        return row === undefined ? null : (budgets[at] = { ...row, spentNano: 0, heldNano: 0 });
      },
      inScope: (scopes) =>
        budgets.find((row) => scopes.some((scope) => scope.kind === row.scope.kind && scope.id === row.scope.id))
          ?.admission ?? "none",
    },
    credits: {
      add({ accountId, nano, expiresMs, note }) {
        const seq = entries.length + 1;
        const amount = { kind: "credit", deltaNano: nano, createdMs: seq, expiresMs, note } as const;
        const entry = { seq, accountId, callId: null, ...amount };
        entries.push(entry);
        return { entry, balance: balance(accountId) ?? { accountId, balanceNano: nano, heldNano: 0, sinceMs: seq } };
      },
      balance,
      balances: (query) => {
        const ids = new Set(entries.map(({ accountId }) => accountId));
        const found = [...ids].flatMap((id) => balance(id) ?? []);
        return paged(found, (row) => row.accountId, query);
      },
      expire: () => 0,
      entries: ({ account: of, kind }, query) =>
        paged(
          entries
            .filter((row) => (of === undefined || row.accountId === of) && (kind === undefined || row.kind === kind))
            .toReversed(),
          (row) => String(row.seq),
          query,
        ),
    },
    calls: {
      list: (filter, query) =>
        paged(newestFirst(calls.filter((call) => fits(call, filter))), (row) => row.callId, query),
      get: (callId) => calls.find((row) => row.callId === callId) ?? null,
      ...fakeUsage(calls, accounts),
      latency({ from, to }) {
        const good = calls.filter((call) => call.status === "ok" && call.createdMs >= from && call.createdMs < to);
        return {
          durationMs: quantiles(good.map((call) => call.durationMs)),
          ttftMs: quantiles(good.map((call) => call.ttftMs)),
        };
      },
      openCount: () => calls.filter((call) => call.status === "open").length,
    },
    sessions: {
      removeAll: () => sessions.clear(),
      create(digest, session) {
        sessions.set(digest, session);
      },
      find(digest, nowMs) {
        const session = sessions.get(digest);
        return session !== undefined && session.expiresMs > nowMs ? { ...session, digest, person: null } : null;
      },
      list: (personId, nowMs) =>
        [...sessions]
          .filter(([, session]) => session.personId === personId && session.expiresMs > nowMs)
          .map(([digest, session]) => ({ ...session, person: null, digest }))
          .toReversed(),
      remove(digest) {
        sessions.delete(digest);
      },
    },
  };
}

const begun = (budget: NewBudget): BudgetRow => ({
  timeZone: null,
  onShortfall: "cap",
  admission: "bound",
  alertPercents: [80, 100],
  increase: null,
  ...budget,
  windowStartMs: budget.createdMs,
  resetsAtMs: null,
  spentNano: 0,
  heldNano: 0,
});

const newestFirst = <Row extends { readonly createdMs: number }>(rows: readonly Row[]): readonly Row[] =>
  [...rows].sort((left, right) => right.createdMs - left.createdMs);

/** The cursor is the id of the last row shown. */
function paged<Row>(rows: readonly Row[], idOf: (row: Row) => string, { after, limit = 50 }: PageQuery): Page<Row> {
  const start = after ? rows.findIndex((row) => idOf(row) === after) + 1 : 0;
  const data = rows.slice(start, start + limit);
  const last = data.at(-1);
  return { data, next: last !== undefined && start + limit < rows.length ? idOf(last) : null };
}

const fits = (call: CallDetail, filter: CallFilter): boolean =>
  (filter.key === undefined || call.keyId === filter.key) &&
  (filter.account === undefined || call.accountId === filter.account) &&
  (filter.model === undefined || call.model === filter.model) &&
  (filter.provider === undefined || call.provider === filter.provider) &&
  (filter.status === undefined || call.status === filter.status) &&
  (filter.from === undefined || call.createdMs >= filter.from) &&
  (filter.to === undefined || call.createdMs < filter.to);

function quantiles(values: readonly (number | null)[]): Quantiles | null {
  const known = values.filter((value) => value !== null).toSorted((left, right) => left - right);
  const at = (part: number) => known[Math.ceil(known.length * part) - 1] ?? null;
  return known.length === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
