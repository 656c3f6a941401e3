import { clearTimeout, setTimeout } from "node:timers";
import { GatewayError } from "../chat/error.ts";
import { startThread, type Thread } from "../runtime/worker.ts";
import type { Answer, ReadName, Reads } from "./reads.ts";
import { revived, type ThreadAnswer, type ThreadOrder, type ThreadWork } from "./thread-messages.ts";

/** A thread that reads, and is started again when it dies. */
export interface StorageThread {
  /** Starts it now; else the first question does. */
  start(): void;
  /**
   * Sees all that was committed before. Throws `unavailable` when too many questions wait, when the answer takes too long,
   * and when the thread dies over it.
   */
  ask<Name extends ReadName>(name: Name, ...values: Parameters<Reads[Name]>): Promise<Answer<Name>>;
  /** Resolves when it has let go of the database. */
  stop(): Promise<void>;
}

export interface StorageThreadOptions {
  readonly entry: URL;
  readonly work: ThreadWork;
  /** What answers where threads cannot be started; asked for only then. */
  readonly instead: () => Reads | Promise<Reads>;
  readonly firstPauseMs?: number;
  readonly deadlineMs?: number;
  readonly maxWaiting?: number;
  onReady(): void;
  /** It died, or could not be started; another one is on its way. */
  onDeath(error: Error): void;
}

const firstPauseMs = 1_000;
const maxPauseMs = 60_000;
/** How long `stop` waits for what the thread is doing. */
const stopMs = 2_000;
/** Well below the usual `timeouts.clientMs`, after which the server closes a silent connection: who asks gets an answer. */
const deadlineMs = 8_000;
const maxWaiting = 200;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly instead: () => unknown;
  /** Nobody waits for it any more. */
  isGivenUp: boolean;
}

export function storageThread(options: StorageThreadOptions): StorageThread {
  const pauses = options.firstPauseMs ?? firstPauseMs;
  let pauseMs = pauses;
  let thread: Thread | null = null;
  let again: NodeJS.Timeout | undefined;
  let stopped: (() => void) | null = null;
  let everReady = false;
  let lastId = 0;
  /** What the thread has not answered, given up or not: it is busy with all of it. */
  const waiting = new Map<number, Waiting>();

  function start() {
    clearTimeout(again);
    if (thread || stopped) return;
    try {
      thread = startThread(options.entry, options.work, { onMessage, onEnd });
    } catch (error) {
      onEnd(error instanceof Error ? error : new Error(String(error)));
    }
  }

  function onMessage(message: unknown) {
    // Posted by `thread.ts` only.
    const answer = message as ThreadAnswer;
    if ("ready" in answer) {
      pauseMs = pauses;
      everReady = true;
      if (!stopped) options.onReady();
      return;
    }
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("error" in answer) asked?.reject(revived(answer.error));
    else asked?.resolve(answer.value);
  }

  function onEnd(error: Error | null) {
    thread = null;
    const lost = [...waiting.values()];
    waiting.clear();
    for (const { resolve, reject, instead, isGivenUp } of lost)
      if (everReady) reject(unavailable("the report was lost"));
      else if (!isGivenUp) resolve(instead());
    if (stopped) return stopped();
    options.onDeath(error ?? new Error("it ended by itself"));
    again = setTimeout(start, pauseMs).unref();
    pauseMs = Math.min(pauseMs * 2, maxPauseMs);
  }

  return {
    start,
    ask<Name extends ReadName>(name: Name, ...values: Parameters<Reads[Name]>) {
      if (waiting.size >= (options.maxWaiting ?? maxWaiting))
        return Promise.reject(unavailable("too many reports are being made"));
      start();
      // Parameters of a union of functions: the name decides which.
      const instead = async () =>
        ((await options.instead())[name] as (...values: readonly unknown[]) => unknown)(...values);
      // The thread answers with what `Reads[Name]` returned there.
      if (!thread) return instead() as Promise<Answer<Name>>;
      const id = (lastId += 1);
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const asked: Waiting = { resolve, reject, instead, isGivenUp: false };
      waiting.set(id, asked);
      const late = setTimeout(() => {
        asked.isGivenUp = true;
        reject(unavailable("the report took too long"));
      }, options.deadlineMs ?? deadlineMs);
      thread.post({ id, name, values } satisfies ThreadOrder);
      return promise.finally(() => clearTimeout(late)) as Promise<Answer<Name>>;
    },
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
        ending.post("stop" satisfies ThreadOrder);
      });
    },
  };
}

const unavailable = (message: string) => new GatewayError("unavailable", message, { retryAfterSeconds: 5 });
