import type { Settings } from "../config/settings.ts";
import { type Overload, watchOverload } from "../pipeline/overload.ts";
import { type Watch, watchStreams } from "../pipeline/watch.ts";
import { loopWatchdog } from "../pipeline/watchdog.ts";
import type { Logger } from "../plugin/plugin.ts";
import { type LoopLag, watchLoop } from "../runtime/loop-lag.ts";
import { collectGarbage, processMemory } from "../runtime/memory.ts";

/** What tells when the process has too much to do: its streams, its memory, and the lag of its event loop. */
export function watchProcess(
  limits: Settings["overload"],
  logger: Logger,
  elapsed: () => number,
): { readonly watch: Watch; readonly overload: Overload; readonly lag: LoopLag } {
  const watch = watchStreams(elapsed);
  const overload = watchOverload({
    limits,
    memory: processMemory(),
    heldStreams: watch.held,
    collectGarbage,
    onChange: (reason) =>
      reason === null
        ? logger.info({ shed: overload.shed }, "new calls are taken again")
        : logger.warn({ reason }, "new calls are refused"),
  });
  const watchdog = loopWatchdog(logger);
  const lag = watchLoop({
    clock: elapsed,
    onSample: (lagMs) => {
      watchdog(lagMs);
      overload.sample(lagMs);
    },
  });
  return { watch, overload, lag };
}
