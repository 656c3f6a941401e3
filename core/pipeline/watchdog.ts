import type { Kind, Logger } from "../plugin/plugin.ts";

/**
 * Finds the plugin that blocks the event loop, and with it every call. A hook that blocks before it returns is caught by
 * its own time; one that blocks after an `await` is among those that were open when the loop stood still.
 */

/** A hook that computes for longer than this stalls every stream. */
export const blockedMs = 200;

/** A line of each kind at most so often: a plugin that blocks, blocks each call. */
const quietMs = 10_000;

/** Open promises of hooks by label, and those that ended since the last sample. The process has one loop, so one list. */
const open = new Map<string, number>();
const ended = new Set<string>();
const saidMs = new Map<string, number>();

/** A hook goes on in the background: it returned a promise. Returns what to call when it has ended. */
export function hookOpened(kind: Kind, name: string): () => void {
  const label = `${kind}/${name}`;
  open.set(label, (open.get(label) ?? 0) + 1);
  return () => {
    const left = (open.get(label) ?? 1) - 1;
    if (left > 0) open.set(label, left);
    else open.delete(label);
    ended.add(label);
  };
}

/** To be told how long a hook ran without yielding, when it was longer than `blockedMs`. */
export function hookBlocked(logger: Logger, kind: Kind, name: string, tookMs: number): void {
  const plugin = `${kind}/${name}`;
  if (isSaid(plugin)) return;
  logger.warn({ plugin, blockedMs: Math.round(tookMs) }, "a plugin blocked the event loop, and with it every call");
}

/** Takes the samples of the loop's lag. */
export const loopWatchdog =
  (logger: Logger): ((lagMs: number) => void) =>
  (lagMs) => {
    if (lagMs >= blockedMs) {
      const hooks = [...new Set([...open.keys(), ...ended])];
      const words = hooks.length > 0 ? "these hooks were" : "no hook was";
      if (isNews(hooks)) logger.warn({ lagMs: Math.round(lagMs), hooks }, `the event loop stood still; ${words} open`);
    }
    if (ended.size > 0) ended.clear();
  };

/** A busy machine's lag, said a moment ago, must not hide the hook that makes the next one: each hook is quiet for itself. */
function isNews(hooks: readonly string[]): boolean {
  const isSaidOfAll = isSaid("lag");
  return hooks.length > 0 ? hooks.filter((hook) => !isSaid(`lag ${hook}`)).length > 0 : !isSaidOfAll;
}

function isSaid(what: string): boolean {
  const atMs = performance.now();
  if (atMs - (saidMs.get(what) ?? -Infinity) < quietMs) return true;
  saidMs.set(what, atMs);
  return false;
}
