import { reasonOf } from "../config/problem.ts";
import { within } from "./deadline.ts";
import type { Awaitable, Kind, Logger } from "./plugin.ts";

interface Owner {
  readonly kind: Kind;
  readonly name: string;
}

export interface Cleanups {
  /** `deadlineMs: null` waits for ever. */
  add(owner: Owner, run: () => Awaitable<void>, deadlineMs: number | null): void;
  /** Runs all, last added first. Logs what fails and goes on. A second call has nothing left to do. */
  run(): Promise<void>;
}

export function createCleanups(logger: (owner: Owner) => Logger): Cleanups {
  const waiting: { owner: Owner; run: () => Awaitable<void>; deadlineMs: number | null }[] = [];
  return {
    add: (owner, run, deadlineMs) => void waiting.push({ owner, run, deadlineMs }),
    async run() {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const { owner, run, deadlineMs } = next;
        try {
          await (deadlineMs === null ? run() : within(deadlineMs, run));
        } catch (error) {
          logger(owner).error({ reason: reasonOf(error) }, "clean-up failed");
        }
      }
    },
  };
}
