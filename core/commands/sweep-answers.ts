import { clearInterval, setInterval } from "node:timers";
import type { Logger } from "../plugin/plugin.ts";
import type { Database } from "../storage/database.ts";

const everyMs = 10_000;

/** Removes kept answers whose time is over, a few at a time. Returns what ends it. */
export function sweepAnswers({ answers }: Pick<Database, "answers">, logger: Logger, now: () => number): () => void {
  let stopped = false;
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    void sweep()
      .catch((error: unknown) => logger.warn({ error }, "kept answers whose time is over could not be removed"))
      .finally(() => (running = false));
  }, everyMs).unref();

  async function sweep(): Promise<void> {
    while (!stopped && (await answers.sweep(now())));
  }

  return () => {
    stopped = true;
    clearInterval(timer);
  };
}
