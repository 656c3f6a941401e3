import { GatewayError } from "../chat/error.ts";
import type { GroupCommit } from "./group-commit.ts";

/** At most so many final records wait for a storage that fails; each is some hundred bytes. */
const maxWaiting = 10_000;
const firstPauseMs = 100;
const maxPauseMs = 1_000;

/**
 * Work that must reach the disk, however long storage fails: the end of a call that has been served. Meanwhile
 * `trouble()` keeps new calls from being admitted, so the queue is bounded by the calls that were open.
 */
export function retried(writer: GroupCommit) {
  let waiting = 0;

  const run = <T>(work: () => T): Promise<T> => writer.run(work).catch((error: unknown) => runUntilDone(work, error));

  async function runUntilDone<T>(work: () => T, error: unknown): Promise<T> {
    if (!isUnavailable(error)) throw error;
    if (waiting >= maxWaiting)
      throw new GatewayError("unavailable", "too many records wait for storage", { cause: error });
    waiting += 1;
    try {
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        try {
          return await writer.run(work);
        } catch (failure) {
          if (!isUnavailable(failure)) throw failure;
        }
      }
    } finally {
      waiting -= 1;
    }
  }

  return {
    run,
    waiting: () => waiting,
    trouble: () => (waiting > 0 ? `${waiting} final records wait for storage` : null),
  };
}

const isUnavailable = (error: unknown): boolean => error instanceof GatewayError && error.kind === "unavailable";
