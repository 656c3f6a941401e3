import type { Target } from "../plugin/plugin.ts";
import { targetName } from "./target-name.ts";

/** How busy and how fast targets are, as the calls of this process see it. */
export interface Loads {
  began(target: Target): void;
  /** The attempt's answer has begun, or failed, `ms` after it began. */
  answered(target: Target, ms: number, failed: boolean): void;
  /** Nothing of the call is there any more. */
  ended(target: Target): void;
  /** Calls that are there now, streams to their end. */
  busy(target: Target): number;
  /** Milliseconds to the first byte times the calls there; 0 for one that nothing is known of, so that it is tried. */
  cost(target: Target): number;
}

interface Load {
  busy: number;
  /** Jumps up with a slow answer, and falls as quick ones and time come after it (Finagle's peak EWMA). */
  latencyMs: number;
  atMs: number;
}

/** The time after which a latency counts for a third. */
const memoryMs = 10_000;
/** What fails fast must not look fast. */
const failedMs = 10_000;
const mostLoads = 10_000;

export function targetLoads(now: () => number): Loads {
  const loads = new Map<string, Load>();

  function loadOf(target: Target): Load {
    const key = targetName(target);
    let load = loads.get(key);
    if (load) return load;
    if (loads.size >= mostLoads) {
      const idle = [...loads].find(([, { busy }]) => busy === 0)?.[0];
      if (idle !== undefined) loads.delete(idle);
    }
    load = { busy: 0, latencyMs: 0, atMs: now() };
    loads.set(key, load);
    return load;
  }

  return {
    began: (target) => void (loadOf(target).busy += 1),
    answered(target, ms, failed) {
      const load = loadOf(target);
      const nowMs = now();
      const seenMs = failed ? Math.max(ms, failedMs) : ms;
      const kept = Math.exp((load.atMs - nowMs) / memoryMs);
      load.latencyMs = seenMs > load.latencyMs ? seenMs : load.latencyMs * kept + seenMs * (1 - kept);
      load.atMs = nowMs;
    },
    ended(target) {
      const load = loads.get(targetName(target));
      if (load) load.busy = Math.max(load.busy - 1, 0);
    },
    busy: (target) => loads.get(targetName(target))?.busy ?? 0,
    cost(target) {
      const load = loads.get(targetName(target));
      if (!load) return 0;
      return load.latencyMs * Math.exp((load.atMs - now()) / memoryMs) * (load.busy + 1);
    },
  };
}
