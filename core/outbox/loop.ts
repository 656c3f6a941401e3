import { clearTimeout, setTimeout } from "node:timers";
import type { Logger } from "../plugin/plugin.ts";

export interface Loop {
  start(): void;
  /** Resolves when the step that is under way has ended. */
  stop(): Promise<void>;
}

const idleMs = 500;

/** Runs a step again and again: at once where it says that there is more, else after a pause. */
export function loopOf(step: () => Promise<boolean>, logger: Logger, pauseMs = idleMs): Loop {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  async function turn() {
    let more = false;
    try {
      more = await step();
    } catch (error) {
      if (!stopped) logger.warn({ error }, "events could not be read or written; they are tried again");
    }
    if (!stopped) timer = setTimeout(next, more ? 0 : pauseMs).unref();
  }
  const next = () => {
    running = turn();
  };
  return {
    start: next,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
