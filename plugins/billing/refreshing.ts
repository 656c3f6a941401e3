import { clearTimeout, setTimeout } from "node:timers";
import { boundedText, type Context } from "llm-proxy/plugin";
import { differenceOf, type Snapshot, snapshotsIn, versionOf } from "./price-data.ts";

export interface RefreshOptions {
  readonly url: string;
  readonly everyHours: number;
}

/** The data is some 2 MB. */
const maxBytes = 32 * 1024 * 1024;
const timeoutMs = 60_000;
/** After the start, so that the boot waits for nobody. */
const firstAfterMs = 1_000;
const hourMs = 3_600_000;
/** In the plugin's own state. */
const stateKey = "price-data";

/** Looks at the data now and then. `use` gets every snapshot there is: at once those of before, later what is new. */
export async function startRefreshing(
  { url, everyHours }: RefreshOptions,
  context: Context,
  use: (snapshots: readonly Snapshot[]) => void,
): Promise<void> {
  let snapshots = snapshotsIn(await context.storage.get(stateKey));
  use(snapshots);
  let timer: NodeJS.Timeout | undefined;
  const disposal = new AbortController();
  const { signal } = disposal;
  const again = (afterMs: number) => {
    timer = setTimeout(() => void look(), afterMs).unref();
  };
  async function look() {
    try {
      snapshots = await refreshed(url, snapshots, context, signal);
      if (!signal.aborted) use(snapshots);
    } catch (error) {
      if (!signal.aborted)
        context.logger.warn({ error }, "the price data could not be refreshed; the prices stay as they are");
    }
    if (!signal.aborted) again(everyHours * hourMs);
  }
  context.onDispose(() => {
    clearTimeout(timer);
    disposal.abort();
  });
  again(firstAfterMs);
}

/**
 * With what the data changes from now on as a new one, which is stored. Throws when the data cannot be had or used, or
 * `signal` aborted: who comes after then stores its own.
 */
export async function refreshed(
  url: string,
  snapshots: readonly Snapshot[],
  { fetch, now, storage, logger }: Pick<Context, "fetch" | "now" | "storage" | "logger">,
  signal: AbortSignal,
): Promise<readonly Snapshot[]> {
  const response = await fetch(new Request(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) }));
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  const { entries, held } = await differenceOf(await boundedText(response, maxBytes), snapshots);
  signal.throwIfAborted();
  if (held.length > 0)
    logger.warn({ models: held.slice(0, 50) }, "prices that moved more than tenfold were not taken over");
  if (entries.length === 0) return snapshots;
  const snapshot: Snapshot = { fromMs: now() + 1, version: versionOf(entries), entries };
  const all = [...snapshots, snapshot];
  await storage.set(stateKey, { snapshots: all });
  logger.info({ models: entries.length, version: snapshot.version }, "the price data was refreshed");
  return all;
}
