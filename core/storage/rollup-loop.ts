import { clearTimeout, setTimeout } from "node:timers";
import type { GroupCommit } from "./group-commit.ts";
import type { Fold, FoldSize } from "./rollup-fold.ts";
import type { RollupWriter } from "./rollup-writer.ts";

export interface RollupLoop {
  /** Nothing is asked for or written from here on. */
  stop(): void;
}

export interface RollupLoopOptions {
  readonly writer: GroupCommit;
  readonly rollups: RollupWriter;
  readonly next: (size: FoldSize) => Promise<Fold | null>;
  /** Changes whenever this process has written: while it stays, nobody is asked. */
  readonly changes: () => unknown;
  readonly everyMs?: number;
}

/** How far the rollups may be behind the calls. */
const everyMs = 1_000;
/** At most this is written at once; it takes 2 to 3 ms. */
const foldSize: FoldSize = { calls: 2_000, groups: 250 };
const fewestCalls = 100;

/** Keeps the rollups up to date: the sums are made by a thread, the one writer only adds them, one small fold at a time. */
export function rollupLoop({
  writer,
  rollups,
  next,
  changes,
  everyMs: pauseMs = everyMs,
}: RollupLoopOptions): RollupLoop {
  let stopped = false;
  let isPrepared = false;
  let seen: unknown;
  /** Calls to ask for: as many as make no more groups than may be written, by the last folds. */
  let calls = fewestCalls;
  let timer = setTimeout(turn, pauseMs).unref();

  function turn() {
    void step().then(
      (more) => again(more ? 0 : pauseMs),
      // The thread died or the disk is full, and both are told elsewhere: the reports add what is not folded.
      () => again(pauseMs),
    );
  }

  function again(inMs: number) {
    if (!stopped) timer = setTimeout(turn, inMs).unref();
  }

  async function step(): Promise<boolean> {
    if (!isPrepared) await rollups.prepare();
    isPrepared = true;
    const now = changes();
    if (now === seen) return false;
    const fold = await next({ ...foldSize, calls });
    if (fold === null) {
      seen = now;
      return false;
    }
    if (stopped) return false;
    // Twice as many while that fits; what was too many is not tried again.
    const few =
      fold.usage.length <= foldSize.groups / 2 && Math.max(fold.blocks.length, fold.attempts.length) <= foldSize.groups;
    calls = few
      ? Math.min(calls * 2, foldSize.calls)
      : Math.max(Math.min(calls, fold.through - fold.from), fewestCalls);
    await writer.run(() => rollups.add(fold));
    return fold.more;
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
