import { clearInterval, setInterval } from "node:timers";
import type { ContentLog } from "../pipeline/content/log.ts";
import type { Logger } from "../plugin/plugin.ts";

const everyMs = 60_000;

/** Takes out prompts and answers that are older than they may be. Returns what ends it. */
export function sweepContent({ sweep }: Pick<ContentLog, "sweep">, logger: Logger): () => void {
  const timer = setInterval(() => {
    sweep().catch((error: unknown) => logger.warn({ error }, "content that is too old is still kept"));
  }, everyMs).unref();
  return () => clearInterval(timer);
}
