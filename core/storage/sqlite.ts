import type { SqliteClient } from "../runtime/sqlite.ts";
import { uuidv7 } from "../runtime/uuid.ts";
import { accountTree } from "./account-tree.ts";
import { disabledAccounts } from "./disabled-accounts.ts";
import { answerRoom } from "./answer-room.ts";
import { auditedWriter } from "./audit-writer.ts";
import { alertWriter } from "./alert-writer.ts";
import { budgetAlerts } from "./budget-alerts.ts";
import { budgetBook } from "./budget-book.ts";
import { callAlerts } from "./call-alerts.ts";
import { chargesOf } from "./charges.ts";
import type { Database } from "./database.ts";
import { creditBook } from "./credit-book.ts";
import { type GroupCommit, groupCommit } from "./group-commit.ts";
import { laterCalls } from "./later-calls.ts";
import { purgeLoop } from "./purge-loop.ts";
import { oldestCall, purgeState } from "./purge-state.ts";
import { purgeWriter } from "./purge-writer.ts";
import { accountTermsRepository } from "./repositories/account-terms.ts";
import { accountRepository } from "./repositories/accounts.ts";
import { adjustmentRepository } from "./repositories/adjustments.ts";
import { answerRepository } from "./repositories/answers.ts";
import { auditRepository } from "./repositories/audit.ts";
import { bookRepository } from "./repositories/book.ts";
import { budgetRepository } from "./repositories/budgets.ts";
import { contentRepository } from "./repositories/content.ts";
import { creditRepository } from "./repositories/credits.ts";
import { keyRepository } from "./repositories/keys.ts";
import { labelsOf } from "./repositories/labels.ts";
import { ledgerRepository } from "./repositories/ledger.ts";
import { credentialRepository } from "./repositories/credentials.ts";
import { limitRepository } from "./repositories/limits.ts";
import { namespaceOf } from "./repositories/namespace.ts";
import { peopleRepository } from "./repositories/people.ts";
import { outboxRepository } from "./repositories/outbox.ts";
import { sessionRepository } from "./repositories/sessions.ts";
import { settingRepository } from "./repositories/settings.ts";
import { type RollupLoop, rollupLoop } from "./rollup-loop.ts";
import { type RollupWriter, rollupWriter } from "./rollup-writer.ts";
import { lockFolder, openFile, unusable } from "./sqlite-file.ts";
import { spentBesides } from "./spent-besides.ts";
import { sqliteDatabase } from "./sqlite-database.ts";
import { totalChanges } from "./total-changes.ts";
import { deleteUnnamedLabels } from "./unnamed-labels.ts";
import { keepStarts } from "./window-starts.ts";
import { writeGate } from "./write-gate.ts";
import { type StorageThreads, storageThreads, type ThreadOptions } from "./storage-threads.ts";

export interface SqliteOptions {
  readonly path: string;
  /** `full` also survives a power cut without losing the last commits; `normal` survives everything else. */
  readonly synchronous: "normal" | "full";
  readonly now: () => number;
  readonly onBackup: (path: string) => void;
  /** Before a database with data is copied and upgraded: of a large one that takes a while. */
  readonly onUpgrade?: (versions: { readonly from: number; readonly to: number }) => void;
  /** Opens the file; default: with the driver of this runtime. */
  readonly driver?: (path: string) => Promise<SqliteClient>;
  /** Work beside the serving thread, for a process that serves; without it everything happens on this thread. */
  readonly threads?: ThreadOptions;
  /** Calls older than this are deleted, by a process that serves; absent: none ever. */
  readonly keepMs?: number | undefined;
}

/** Opens, locks and migrates. Throws `StorageError` or `LockedError` with a message for the operator. */
export async function openSqliteDatabase(options: SqliteOptions): Promise<Database> {
  const release = await lockFolder(options.path);
  let client: SqliteClient;
  try {
    client = await openFile(options);
  } catch (error) {
    release();
    throw error;
  }
  const database = sqliteDatabase(client);
  const book = budgetBook(client, database);
  const tree = accountTree(database, options.now);
  const disabled = disabledAccounts(database);
  const balances = creditBook(database, book);
  const labels = labelsOf(database);
  const charges = chargesOf(client);
  const room = answerRoom(database);
  const newId = () => uuidv7(options.now());
  const alerts = alertWriter(database, options.now, newId);
  const thresholds = budgetAlerts(database, book, alerts, options.now);
  const addBesides = spentBesides(client, database);
  const later = laterCalls({ database, book, tree, addBesides });
  const gate = writeGate();
  const hooks = {
    beforeCommit() {
      thresholds.check(book.touched());
      book.write();
      charges.write();
    },
    afterRollback() {
      book.reload();
      thresholds.reload();
      tree.forget();
      disabled.reload();
      balances.forget();
      room.forget();
      labels.reload();
      charges.forget();
      ledger.reload();
      prices.reload();
      content.reload();
      limits.reload();
      accountTerms.reload();
      credentials.reload();
    },
  };
  const writer = groupCommit(client, hooks, { gate });
  const audited = auditedWriter(client, database, writer, options.now);
  let damage: string | null = null;
  const threads =
    options.threads &&
    storageThreads(
      client,
      options.path,
      {
        ...options.threads,
        onDamage(detail) {
          damage = "the database file is damaged: run doctor";
          options.threads?.onDamage?.(detail);
        },
      },
      { gate, flush: () => writer.flush() },
    );
  const reads = threads ?? (await import("./own-reads.ts")).ownReads(client, database);
  const rollups = rollupWriter(client, database);
  const folding = threads && startFolding(client, rollups, writer, threads.nextFold, options.threads?.foldEveryMs);
  const stopStarts = keepStarts(writer, database, options.now);
  const { keepMs } = options;
  const purging =
    threads &&
    keepMs !== undefined &&
    purgeLoop({
      client,
      writer: audited,
      purges: purgeWriter({ client, database, book, tree, addBesides }),
      next: threads.nextPurge,
      keepMs,
      now: options.now,
      ...(options.threads?.purgeEveryMs !== undefined && { everyMs: options.threads.purgeEveryMs }),
    });
  const prices = bookRepository({ database, writer, audited, now: options.now });
  const limits = limitRepository(database, audited);
  const accountTerms = accountTermsRepository(database);
  const credentials = credentialRepository(database, audited);
  // Stands in the row of every open call: short, and random enough that no two processes ever have the same.
  const processId = crypto.randomUUID().slice(-12);
  const content = contentRepository(database, writer, audited);
  const ledger = ledgerRepository({
    client,
    database,
    writer,
    book,
    tree,
    later,
    creditBook: balances,
    labels,
    charges,
    tell: callAlerts(database, alerts, options.now),
    processId,
  });
  return {
    settings: settingRepository(database, audited),
    accountTerms,
    accounts: accountRepository({
      database,
      writer: audited,
      tree,
      later,
      disabledOnes: disabled,
      contents: content,
      terms: accountTerms,
      now: options.now,
    }),
    keys: { ...keyRepository(database, audited, book, content), ...threads?.keys },
    budgets: budgetRepository({ database, writer: audited, book, later, addBesides, now: options.now }),
    credits: {
      ...creditRepository({
        database,
        writer,
        audited,
        book,
        later,
        creditBook: balances,
        now: options.now,
        newId,
      }),
      ...threads?.credits,
    },
    calls: reads.calls,
    attempts: reads.attempts,
    adjustments: adjustmentRepository({
      client,
      database,
      writer,
      book,
      tree,
      creditBook: balances,
      addBesides,
      labels,
      rollups,
      now: options.now,
    }),
    book: prices,
    content,
    limits: { ...limits, ...threads?.limits },
    credentials,
    exports: reads.exports,
    people: peopleRepository(database, audited),
    outbox: outboxRepository({
      database,
      writer,
      audited,
      alertWriter: alerts,
      usageAfter: reads.usageAfter,
    }),
    sessions: sessionRepository(database, audited),
    answers: answerRepository(database, writer, room),
    audit: { ...auditRepository(database, audited), ...threads?.audit },
    ledger,
    namespace: (name) => namespaceOf(database, writer, name, options.now),
    trouble: () => damage ?? writer.trouble() ?? ledger.trouble(),
    load: () => ({
      commitsWaiting: writer.waiting(),
      finalsWaiting: ledger.finalsWaiting(),
      heldNano: book.heldNano(),
      goneCalls: purgeState(database)?.calls ?? 0,
      ...ledger.swept(),
    }),
    retention() {
      const state = purgeState(database);
      return {
        keepMs: keepMs ?? null,
        oldestMs: oldestCall(database),
        goneBeforeMs: state?.beforeMs ?? null,
        goneCalls: state?.calls ?? 0,
        lastMs: state?.lastMs ?? null,
      };
    },
    compact() {
      const pages = () => Number(client.prepare("PRAGMA page_count").values()[0]?.[0] ?? 0);
      const before = pages();
      if (purgeState(database) !== null) deleteUnnamedLabels(database);
      labels.reload();
      client.exec("PRAGMA auto_vacuum = INCREMENTAL");
      client.exec("VACUUM");
      return (before - pages()) * Number(client.prepare("PRAGMA page_size").values()[0]?.[0] ?? 0);
    },
    prove: () => reads.prove(),
    async close() {
      stopStarts();
      folding?.stop();
      if (purging) purging.stop();
      writer.close();
      giveLeaseBack(client, processId);
      await threads?.stop();
      try {
        // Everything into the one file, so that a copy of it is a whole copy.
        client.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch (error) {
        throw unusable(options.path, error, `brought into one file, and needs ${options.path}-wal still`);
      } finally {
        client.close();
        release();
      }
    },
  };
}

function giveLeaseBack(client: SqliteClient, processId: string) {
  try {
    client.prepare("DELETE FROM processes WHERE id = ?").run(processId);
  } catch {
    // The disk is full, say: the next start does it.
  }
}

function startFolding(
  client: SqliteClient,
  rollups: RollupWriter,
  writer: GroupCommit,
  next: StorageThreads["nextFold"],
  everyMs?: number,
): RollupLoop {
  return rollupLoop({
    writer,
    rollups,
    next,
    changes: totalChanges(client),
    ...(everyMs !== undefined && { everyMs }),
  });
}
