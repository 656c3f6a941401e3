import { readdirSync } from "node:fs";

/** What this process takes of its machine. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** `null` where the system has no `/proc`. */
  readonly openFds: number | null;
  /** Seconds since the epoch. */
  readonly startedSeconds: number;
}

export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    openFds: openFds(),
    startedSeconds: performance.timeOrigin / 1_000,
  };
}

function openFds(): number | null {
  try {
    // The listing itself is open while it is read.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return null;
  }
}
