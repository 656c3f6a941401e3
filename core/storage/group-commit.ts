import type { SqliteClient } from "../runtime/sqlite.ts";

/**
 * The one writer. Work asked for during one turn of the event loop shares one transaction, because a commit costs more
 * than all the rows in it; each promise settles after the commit.
 */
export interface GroupCommit {
  /** Runs `work` inside the next transaction. It is synchronous, and may run again alone if the shared one fails. */
  run<T>(work: () => T): Promise<T>;
  /** Commits what is waiting now. */
  flush(): void;
  /** The last failure of a whole commit, until one succeeds; `null` when storage works. */
  trouble(): string | null;
}

export interface GroupCommitHooks {
  /** Called last in each transaction: writes what the works only summed up in memory. */
  beforeCommit(): void;
  /** The transaction is gone: memory must be read again from the database. */
  afterRollback(): void;
}

interface Job {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export function groupCommit(client: SqliteClient, hooks: GroupCommitHooks): GroupCommit {
  const begin = client.prepare("BEGIN IMMEDIATE");
  const commit = client.prepare("COMMIT");
  let waiting: Job[] = [];
  let trouble: string | null = null;

  /** The values in order, or a throw with nothing written. */
  function transact(jobs: readonly Job[]): unknown[] {
    begin.run();
    try {
      const values = jobs.map((job) => job.work());
      hooks.beforeCommit();
      commit.run();
      return values;
    } catch (error) {
      try {
        client.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      hooks.afterRollback();
      throw error;
    }
  }

  function settle(jobs: readonly Job[]) {
    try {
      const values = transact(jobs);
      trouble = null;
      // `resolve` belongs to the promise of this very job, whose type `run` fixed.
      jobs.forEach((job, at) => job.resolve(values[at] as never));
    } catch (error) {
      if (jobs.length > 1) {
        // One bad work must not fail its neighbours: each gets a transaction of its own.
        for (const job of jobs) settle([job]);
        return;
      }
      if (isStorageFailure(error)) trouble = "the database cannot be written";
      jobs[0]?.reject(error);
    }
  }

  function flush() {
    const jobs = waiting;
    waiting = [];
    if (jobs.length > 0) settle(jobs);
  }

  return {
    flush,
    trouble: () => trouble,
    run: (work) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ work, resolve, reject });
      }),
  };
}

/** Told apart from a mistake in one work (a constraint, say), which does not mean that nothing can be written. */
export const isStorageFailure = (error: unknown): boolean => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : "";
  return (
    /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CORRUPT|CANTOPEN|NOTADB)/.test(code) ||
    /database is locked|disk is full|disk I\/O error|readonly database|malformed|unable to open/.test(message)
  );
};
