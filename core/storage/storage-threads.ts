import type { AttemptReports } from "./attempts.ts";
import { clearTimeout, setTimeout } from "node:timers";
import type { SqliteClient } from "../runtime/sqlite.ts";
import { threadFile } from "../runtime/worker.ts";
import type { AuditRepository } from "./audit.ts";
import type { CreditRepository } from "./credit.ts";
import type { Proof } from "./condition.ts";
import type { CallRepository, Database } from "./database.ts";
import type { KeyRepository } from "./key.ts";
import type { LimitRepository } from "./limit.ts";
import type { ExportRepository } from "./export.ts";
import { isQuickList } from "./quick-list.ts";
import type { Answer, ReadName, Reads } from "./reads.ts";
import type { PurgePlan, PurgeSize } from "./purge-plan.ts";
import type { Fold, FoldSize } from "./rollup-fold.ts";
import { type StorageThread, storageThread } from "./storage-thread.ts";
import type { WriteGate } from "./write-gate.ts";

export interface ThreadOptions {
  /** A thread died or could not be started; another one is on its way. */
  readonly onDeath: (error: Error) => void;
  /** The file is damaged; in SQLite's words. */
  readonly onDamage?: (detail: string) => void;
  /** After the database is open, how long until its file is read from end to end. Default 10,000. */
  readonly examineAfterMs?: number;
  /** After the database is open, how long until the log is copied by a thread. Default 1,000: the boot comes first. */
  readonly afterMs?: number;
  /** How often what is new is folded into the rollups. Default 1,000. */
  readonly foldEveryMs?: number;
  /** How often it looks for calls that are too old. Default 60,000. */
  readonly purgeEveryMs?: number;
}

/** The threads beside the serving one, and what they answer in its place. */
export interface StorageThreads {
  readonly calls: CallRepository;
  readonly attempts: AttemptReports;
  readonly keys: Pick<KeyRepository, "list" | "get" | "names">;
  readonly limits: Pick<LimitRepository, "under">;
  readonly credits: Pick<CreditRepository, "entries">;
  readonly exports: ExportRepository;
  readonly audit: Pick<AuditRepository, "list" | "get" | "verify">;
  readonly usageAfter: (...values: Parameters<Reads["outbox.usage"]>) => Promise<Answer<"outbox.usage">>;
  readonly prove: Database["prove"];
  readonly nextFold: (size: FoldSize) => Promise<Fold | null>;
  readonly nextPurge: (size: PurgeSize) => Promise<PurgePlan | null>;
  stop(): Promise<void>;
}

/** SQLite's own default, in pages: the writer copies its log itself while no thread does. */
const autoCheckpointPages = 1_000;
/** While a thread that will do it is about to start, not before the log is as long as that one lets it become. */
const autoCheckpointPagesAtStart = 16_000;
const threadsAfterMs = 1_000;
const examineAfterMs = 10_000;
/** The file may have a hundred gigabytes. */
const examineDeadlineMs = 3_600_000;
const notExamined: Proof = { code: "file-damaged", name: "", ok: true, detail: "", hint: null };

/**
 * Two threads. `upkeep` copies the log, makes the reports and walks far; `pages` has the quick reads, which must not wait
 * for those, and is started by the first of them. `flush` commits what was asked for: a read sees it. `gate`: the writer's.
 */
export function storageThreads(
  client: SqliteClient,
  path: string,
  options: ThreadOptions,
  { gate, flush }: { readonly gate: WriteGate; readonly flush: () => void },
): StorageThreads {
  const autoCheckpoint = (pages: number) => client.exec(`PRAGMA wal_autocheckpoint = ${pages}`);
  autoCheckpoint(autoCheckpointPagesAtStart);
  let made: Promise<Reads> | null = null;
  const common = {
    entry: threadFile("core/storage/thread.ts"),
    instead: () => (made ??= import("./reads.ts").then(({ readsOf }) => readsOf(client))),
  };
  const upkeep = storageThread({
    ...common,
    work: { path, gate: gate.memory },
    onReady: () => autoCheckpoint(0),
    onDeath(error) {
      gate.open();
      autoCheckpoint(autoCheckpointPages);
      options.onDeath(error);
    },
  });
  const pages = storageThread({
    ...common,
    work: { path, gate: null },
    onReady: () => {},
    onDeath: options.onDeath,
  });
  // For one question, and gone with its answer. Where there are no threads the serving one has no time for it.
  const examiner = storageThread({
    ...common,
    instead: async () => ({ ...(await common.instead()), intact: () => notExamined }),
    work: { path, gate: null },
    deadlineMs: examineDeadlineMs,
    onReady: () => {},
    onDeath: options.onDeath,
  });
  async function examine() {
    const { ok, detail } = await examiner.ask("intact");
    if (!ok) options.onDamage?.(detail);
    await examiner.stop();
  }
  const examination = setTimeout(
    () => void examine().catch(options.onDeath),
    options.examineAfterMs ?? examineAfterMs,
  ).unref();
  const start = setTimeout(() => upkeep.start(), options.afterMs ?? threadsAfterMs).unref();

  const read =
    <Name extends ReadName>(thread: StorageThread, name: Name) =>
    (...values: Parameters<Reads[Name]>): Promise<Answer<Name>> => {
      flush();
      return thread.ask(name, ...values);
    };
  const quickList = read(pages, "calls.list");
  const farList = read(upkeep, "calls.list");

  return {
    calls: {
      list: (filter, query) => (isQuickList(filter) ? quickList : farList)(filter, query),
      get: read(pages, "calls.get"),
      usage: read(upkeep, "calls.usage"),
      ranking: read(upkeep, "calls.ranking"),
      latency: read(upkeep, "calls.latency"),
      openCount: read(pages, "calls.openCount"),
    },
    attempts: { report: read(upkeep, "attempts.report"), lastDay: read(upkeep, "attempts.lastDay") },
    keys: { list: read(pages, "keys.list"), get: read(pages, "keys.get"), names: read(pages, "keys.names") },
    limits: { under: read(pages, "limits.under") },
    credits: { entries: read(pages, "credits.entries") },
    exports: {
      calls: read(upkeep, "exports.calls"),
      entries: read(upkeep, "exports.entries"),
      usage: read(upkeep, "exports.usage"),
      audit: read(upkeep, "exports.audit"),
    },
    audit: { list: read(pages, "audit.list"), get: read(pages, "audit.get"), verify: read(upkeep, "audit.verify") },
    usageAfter: read(pages, "outbox.usage"),
    prove: read(upkeep, "prove"),
    nextFold: (size) => upkeep.ask("rollups.next", size),
    nextPurge: (size) => upkeep.ask("purges.next", size),
    async stop() {
      clearTimeout(start);
      clearTimeout(examination);
      await Promise.all([upkeep.stop(), pages.stop(), examiner.stop()]);
    },
  };
}
