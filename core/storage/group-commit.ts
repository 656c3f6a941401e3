import { clearTimeout, setTimeout } from "node:timers";
import { GatewayError } from "../chat/error.ts";
import { isLocked, type SqliteClient } from "../runtime/sqlite.ts";
import { type WriteGate, writeGate } from "./write-gate.ts";
import { atTurnEnd } from "../runtime/turn.ts";

/**
 * The one writer. Work asked for during one turn of the event loop shares one transaction, because a commit costs more
 * than all the rows in it; each promise settles after the commit.
 */
export interface GroupCommit {
  /**
   * Runs `work` inside the next transaction. It is synchronous, and may run again alone if the shared one fails. Throws
   * `unavailable` when nothing can be written.
   */
  run<T>(work: () => T | Refused): Promise<T>;
  /** Commits what is waiting now. */
  flush(): void;
  /** Commits what is waiting and is done: nothing runs from here on. */
  close(): void;
  /** The last failure of a whole commit, until one succeeds; `null` when storage works. */
  trouble(): string | null;
  /** Works that wait for the next commit. */
  waiting(): number;
}

/**
 * Returned by a work that changed nothing, neither in the database nor in memory: its promise is rejected with the reason,
 * and the transaction of the others goes on. A work that throws takes all of it back, and memory is read again.
 */
export class Refused {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

export interface GroupCommitHooks {
  /** Called last in each transaction: writes what the works only summed up in memory. */
  beforeCommit(): void;
  /** The transaction is gone: memory must be read again from the database. If that throws, nothing runs until it succeeds. */
  afterRollback(): void;
}

interface Job {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** While nothing can be written, how often that is tried, so that trouble ends without a call that dares. */
const probePauseMs = 500;
/** How long works wait for a lock that another program holds, and how often it is tried meanwhile. */
const maxLockWaitMs = 2_000;
const lockPauseMs = 1;
/**
 * How long they wait for the log to start anew, which takes three syncs, whatever the disk makes of them: a call that waits
 * is better than one refused.
 */
const maxGateWaitMs = 8_000;

export interface GroupCommitOptions {
  /** Closed while the log starts anew. */
  readonly gate?: WriteGate;
  /** Monotonic, in ms. */
  readonly clock?: () => number;
}

export function groupCommit(
  client: SqliteClient,
  hooks: GroupCommitHooks,
  { gate = writeGate(), clock = () => performance.now() }: GroupCommitOptions = {},
): GroupCommit {
  const begin = client.prepare("BEGIN IMMEDIATE");
  const commit = client.prepare("COMMIT");
  let waiting: Job[] = [];
  let trouble: string | null = null;
  let probe: NodeJS.Timeout | undefined;
  /** Memory holds what a transaction did that is gone. */
  let stale = false;
  /** Since when somebody else holds the lock; `null`: nobody does. */
  let lockedSinceMs: number | null = null;
  let again: NodeJS.Timeout | undefined;

  /** The values in order, or a throw with nothing written. */
  function transact(jobs: readonly Job[]): unknown[] {
    if (stale) reread();
    begin.run();
    try {
      const values: unknown[] = [];
      for (const job of jobs) values.push(job.work());
      hooks.beforeCommit();
      commit.run();
      return values;
    } catch (error) {
      try {
        client.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      stale = true;
      try {
        reread();
      } catch {
        // Tried again before the next transaction: memory that may be wrong admits nothing.
      }
      throw error;
    }
  }

  function reread() {
    hooks.afterRollback();
    stale = false;
  }

  function settle(jobs: readonly Job[]) {
    if (gate.isClosed() && mayWait()) {
      putBack(jobs);
      return;
    }
    try {
      const values = transact(jobs);
      trouble = null;
      lockedSinceMs = null;
      for (let at = 0; at < jobs.length; at++) {
        const value = values[at];
        if (value instanceof Refused) jobs[at]?.reject(value.reason);
        // `resolve` belongs to the promise of this very job, whose type `run` fixed.
        else jobs[at]?.resolve(value as never);
      }
    } catch (error) {
      // Only ever at the start of a transaction: in WAL mode nothing but the write lock is waited for.
      if (isLocked(error) && mayWait()) {
        putBack(jobs);
        return;
      }
      // While it is held past that time, who comes next is refused at once; the end of the lock ends that.
      if (!isLocked(error)) lockedSinceMs = null;
      if (isStorageFailure(error)) {
        refuseAll(jobs, error);
        return;
      }
      if (jobs.length > 1) {
        // One bad work must not fail its neighbours: each gets a transaction of its own.
        for (const job of jobs) settle([job]);
        return;
      }
      jobs[0]?.reject(error);
    }
  }

  /** SQLite's own way to wait would hold up the event loop meanwhile. */
  function mayWait(): boolean {
    lockedSinceMs ??= clock();
    return clock() - lockedSinceMs < (gate.isClosed() ? maxGateWaitMs : maxLockWaitMs);
  }

  /** Nothing else can have come to wait since `flush`, but what was put back before, which is earlier in line. */
  function putBack(jobs: readonly Job[]) {
    waiting.push(...jobs);
    again ??= setTimeout(tryLock, lockPauseMs);
  }

  function tryLock() {
    again = undefined;
    flush();
  }

  /** All at once: one after the other, each would block the process until its own attempt gives up. */
  function refuseAll(jobs: readonly Job[], cause: unknown) {
    trouble = "the database cannot be written";
    probe ??= setTimeout(tryAgain, probePauseMs).unref();
    for (const job of jobs) job.reject(new GatewayError("unavailable", trouble, { retryAfterSeconds: 5, cause }));
  }

  function tryAgain() {
    probe = undefined;
    if (trouble !== null) settle([]);
    // It waits for a lock: without works to wait for, nobody would come back to it.
    if (trouble !== null) probe ??= setTimeout(tryAgain, probePauseMs).unref();
  }

  function flush() {
    const jobs = waiting;
    waiting = [];
    if (jobs.length > 0) settle(jobs);
  }

  return {
    flush,
    close() {
      client.exec(`PRAGMA busy_timeout = ${maxGateWaitMs}`);
      lockedSinceMs = Number.NEGATIVE_INFINITY;
      flush();
      clearTimeout(probe);
      clearTimeout(again);
    },
    trouble: () => trouble,
    waiting: () => waiting.length,
    run: (work) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) atTurnEnd(flush);
        waiting.push({ work, resolve, reject });
      }),
  };
}

/** Told apart from a mistake in one work (a constraint, say), which does not mean that nothing can be written. */
const isStorageFailure = (error: unknown): boolean => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : "";
  return (
    /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CORRUPT|CANTOPEN|NOTADB)/.test(code) ||
    /database is locked|disk is full|disk I\/O error|readonly database|malformed|unable to open/.test(message)
  );
};
