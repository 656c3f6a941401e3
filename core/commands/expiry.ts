import { clearInterval, setInterval } from "node:timers";
import type { Logger } from "../plugin/plugin.ts";
import type { Database } from "../storage/database.ts";

const everyMs = 1_000;

/** Takes credits that expire out of their balances, also while no call asks for them. Returns what ends it. */
export function expireCredits({ credits }: Pick<Database, "credits">, logger: Logger): () => void {
  const timer = setInterval(() => {
    // In a promise of its own, so that a throw is handled as a rejection is.
    void Promise.resolve()
      .then(() => credits.expire())
      .catch((error: unknown) => logger.warn({ error }, "credits that expired are still in their balances"));
  }, everyMs).unref();
  return () => clearInterval(timer);
}
