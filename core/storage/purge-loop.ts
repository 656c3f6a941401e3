import { clearTimeout, setTimeout } from "node:timers";
import type { SqliteClient } from "../runtime/sqlite.ts";
import type { AuditedWriter, Tell } from "./audit-writer.ts";
import type { PurgePlan, PurgeSize } from "./purge-plan.ts";
import type { PurgeWriter } from "./purge-writer.ts";
import { startOfDay } from "./range-parts.ts";

export interface PurgeLoop {
  /** Nothing is asked for or deleted from here on. */
  stop(): void;
}

export interface PurgeLoopOptions {
  readonly client: SqliteClient;
  readonly writer: AuditedWriter;
  readonly purges: PurgeWriter;
  readonly next: (size: PurgeSize) => Promise<PurgePlan | null>;
  /** Calls are kept for so long from their admission. */
  readonly keepMs: number;
  readonly now: () => number;
  readonly everyMs?: number;
}

/** How often it looks whether a day is over. */
const everyMs = 60_000;
/** At most so many calls in one transaction: it holds up the process for some 2 ms. */
const callsAtOnce = 32;
/** The process deletes for one part in so many of the time, so that a call waits for it once in as many. */
const idleParts = 12;
const leastPauseMs = 20;
/** Pages given back to the file system in one transaction: each is moved first, some 30 µs. */
const pagesAtOnce = 32;
/** What stays for new calls to fill: a part of the file, and at least so many pages. */
const sparePart = 1 / 20;
const leastSparePages = 256;

/**
 * Deletes calls that are older than the retention, whole days (UTC) at a time, at a pace that leaves the process to those
 * who call; then gives what the file does not need back, where the file was made to (`auto_vacuum`).
 */
export function purgeLoop({ client, writer, purges, next, keepMs, now, ...options }: PurgeLoopOptions): PurgeLoop {
  const pauseMs = options.everyMs ?? everyMs;
  const pragma = (name: string) => {
    const statement = client.prepare(`PRAGMA ${name}`);
    return () => Number(statement.values()[0]?.[0] ?? 0);
  };
  const shrinks = pragma("auto_vacuum")() === incremental;
  const [freePages, allPages] = [pragma("freelist_count"), pragma("page_count")];
  let stopped = false;
  let timer = setTimeout(turn, Math.min(pauseMs, firstMs)).unref();

  function turn() {
    void step().then(
      (tookMs) => again(tookMs === null ? pauseMs : Math.max(tookMs * idleParts, leastPauseMs)),
      // The thread died or the disk is full, and both are told elsewhere: what was not done is done later.
      () => again(pauseMs),
    );
  }

  function again(inMs: number) {
    if (!stopped) timer = setTimeout(turn, inMs).unref();
  }

  /** How long it held up the process, in ms; `null`: there is nothing to do. */
  async function step(): Promise<number | null> {
    const beforeMs = startOfDay(now() - keepMs);
    const plan = await next({ beforeMs, calls: callsAtOnce });
    if (stopped) return null;
    if (plan !== null) return timed((tell) => void purges.remove(plan, now(), tell));
    if (!shrinks || freePages() <= Math.max(allPages() * sparePart, leastSparePages)) return null;
    return timed(() => void client.exec(`PRAGMA incremental_vacuum(${pagesAtOnce})`));
  }

  const timed = (work: (tell: Tell) => void): Promise<number> =>
    writer.run((tell) => {
      const startMs = performance.now();
      work(tell);
      return performance.now() - startMs;
    });

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const incremental = 2;
/** The boot comes first. */
const firstMs = 1_000;
