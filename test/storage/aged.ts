import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { Scope } from "../../core/chat/error.ts";
import { accountTree } from "../../core/storage/account-tree.ts";
import { budgetBook } from "../../core/storage/budget-book.ts";
import type { Database } from "../../core/storage/database.ts";
import { groupCommit } from "../../core/storage/group-commit.ts";
import { purgePlanner } from "../../core/storage/purge-plan.ts";
import { purgeWriter } from "../../core/storage/purge-writer.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { spentBesides } from "../../core/storage/spent-besides.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { aBudget, aFinal, aKey, anAdmission, anId, aRefusal, startMs } from "../contract/storage-samples.ts";
import type { Random } from "../support/random.ts";

const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** Who calls in `call`: an account below another, one that is gone again, and nobody's key. */
export interface Callers {
  readonly org: string;
  readonly user: string;
  left: string;
  readonly keyId: string;
}

/** Accounts, a key, credits, and a budget of every window and scope. */
export async function settled(database: Database): Promise<Callers> {
  const account = async (parentId: string | null) =>
    (await database.accounts.create({ id: anId(), name: "", parentId, createdMs: startMs })).id;
  const org = await account(null);
  const user = await account(org);
  const left = await account(org);
  const keyId = (await database.keys.create(aKey({ accountId: user }), null)).id;
  const scopes: readonly Scope[] = [
    { kind: "key", id: keyId },
    { kind: "account", id: org },
    { kind: "model", id: "fast" },
    { kind: "model", id: "two/b" },
    { kind: "provider", id: "one" },
    { kind: "global", id: "global" },
  ];
  const windows = ["day", "week", "month", "lifetime", "48h"] as const;
  for (const [at, scope] of scopes.entries())
    for (const window of [windows[at % windows.length], "lifetime"] as const)
      await database.budgets.create(aBudget({ scope, window: window ?? "day", limitNano: 1e15, createdMs: startMs }));
  await database.budgets.create(
    aBudget({ window: "day", timeZone: "Asia/Kathmandu", limitNano: 1e15, createdMs: startMs }),
  );
  await database.credits.add({ accountId: org, nano: 1e12, expiresMs: null, note: null });
  return { org, user, left, keyId };
}

/** One call from `atMs` on, of a caller, a target and an end by chance. */
export async function call(database: Database, callers: Callers, random: Random, atMs: number): Promise<void> {
  const pick = <Value>(values: readonly [Value, ...Value[]]): Value => values[random.below(values.length)] ?? values[0];
  const accountId = pick([callers.user, callers.left, "default"]);
  const keyId = accountId === callers.user ? callers.keyId : null;
  if (random.below(8) === 0) {
    await database.ledger.refuse(aRefusal({ accountId, keyId, startedMs: atMs, finishedMs: atMs + 1 }));
    return;
  }
  const provider = pick(["one", "two"]);
  const upstreamModel = pick(["a", "b"]);
  const admission = anAdmission({
    startedMs: atMs,
    accountId,
    keyId,
    principal: `caller ${random.below(50)}`,
    labels: keyId === null && random.below(2) === 0 ? `{"team":"team ${random.below(5)}"}` : null,
    provider,
    upstreamModel,
    scopes: [
      ...(keyId === null ? [] : [{ kind: "key", id: keyId } as const]),
      ...(accountId === "default" ? ["default"] : [accountId, callers.org]).map(
        (id) => ({ kind: "account", id }) as const,
      ),
      { kind: "model", id: "fast" },
      { kind: "model", id: `${provider}/${upstreamModel}` },
      { kind: "model", id: upstreamModel },
      { kind: "provider", id: provider },
      { kind: "global", id: "global" },
    ],
  });
  const result = await database.ledger.admit(admission);
  if (!result.admitted) throw new Error("not admitted");
  const unpriced = random.below(8) === 0;
  const attempt = { provider, upstreamModel, upstreamId: null, status: 200, billed: true };
  const costNano = unpriced ? null : random.below(90);
  await database.ledger.finish(
    aFinal(admission.callId, {
      provider,
      upstreamModel,
      status: pick(["ok", "ok", "client_aborted"]),
      costNano,
      chargeNano: costNano === null ? null : costNano * 2,
      finishedMs: atMs + random.below(hourMs),
      attempts: random.below(4) === 0 ? [attempt, attempt] : [attempt],
    }),
  );
}

/** What the loop of a serving process does, step by step, on a database that nobody else has open. */
export async function purger(path: string, driver = (client: SqliteClient): SqliteClient => client) {
  const own = await openSqlite(path);
  const client = driver(own);
  const database = sqliteDatabase(client);
  const book = budgetBook(client, database);
  const tree = accountTree(database, () => startMs);
  const writer = groupCommit(client, { beforeCommit: () => book.write(), afterRollback: () => book.reload() });
  const fold = foldReader(database);
  const rollups = rollupWriter(client, database);
  const next = purgePlanner(database);
  const purges = purgeWriter({ client, database, book, tree, addBesides: spentBesides(client, database) });
  return {
    async foldAll() {
      for (let part = fold({ calls: 50, groups: 500 }); part !== null; part = fold({ calls: 50, groups: 500 })) {
        const folded = part;
        await writer.run(() => rollups.add(folded));
      }
    },
    plan: next,
    remove: (plan: Parameters<typeof purges.remove>[0], nowMs = startMs) =>
      writer.run(() => purges.remove(plan, nowMs, () => {})),
    /** Everything admitted before, in transactions of `calls`; says how many calls went. */
    async removeBefore(beforeMs: number, calls: number, steps = Number.POSITIVE_INFINITY): Promise<number> {
      let gone = 0;
      for (let step = 0; step < steps; step += 1) {
        const plan = next({ beforeMs, calls });
        if (plan === null) break;
        const done = await writer.run(() => purges.remove(plan, startMs, () => {}));
        if (!done) throw new Error("nobody else writes here");
        gone += plan.sums.reduce((sum, row) => sum + row.calls, 0);
      }
      return gone;
    },
    close() {
      writer.close();
      own.close();
    },
  };
}
