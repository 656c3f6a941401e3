import { clearTimeout, setTimeout } from "node:timers";
import { startThread, type Thread } from "../runtime/worker.ts";

/** What a thread gets to know when it starts. */
export interface ThreadWork {
  /** The database file. */
  readonly path: string;
}

/** A thread that is started again when it dies. */
export interface StorageThread {
  /** Resolves when it has let go of the database. */
  stop(): Promise<void>;
}

export interface StorageThreadOptions {
  readonly entry: URL;
  readonly work: ThreadWork;
  readonly firstPauseMs?: number;
  onReady(): void;
  /** It died, or could not be started; another one is on its way. */
  onDeath(error: Error): void;
}

const firstPauseMs = 1_000;
const maxPauseMs = 60_000;
/** How long `stop` waits for what the thread is doing. */
const stopMs = 2_000;

export function storageThread(options: StorageThreadOptions): StorageThread {
  const pauses = options.firstPauseMs ?? firstPauseMs;
  let pauseMs = pauses;
  let thread: Thread | null = null;
  let again: NodeJS.Timeout | undefined;
  let stopped: (() => void) | null = null;

  function start() {
    try {
      thread = startThread(options.entry, options.work, { onMessage, onEnd });
    } catch (error) {
      onEnd(error instanceof Error ? error : new Error(String(error)));
    }
  }

  function onMessage() {
    pauseMs = pauses;
    if (!stopped) options.onReady();
  }

  function onEnd(error: Error | null) {
    thread = null;
    if (stopped) return stopped();
    options.onDeath(error ?? new Error("it ended by itself"));
    again = setTimeout(start, pauseMs).unref();
    pauseMs = Math.min(pauseMs * 2, maxPauseMs);
  }

  start();
  return {
    stop() {
      clearTimeout(again);
      if (!thread) return Promise.resolve();
      const ending = thread;
      return new Promise((resolve) => {
        const late = setTimeout(() => {
          ending.kill();
          resolve();
        }, stopMs);
        stopped = () => {
          clearTimeout(late);
          resolve();
        };
        ending.post("stop");
      });
    },
  };
}
