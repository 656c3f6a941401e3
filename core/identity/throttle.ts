/** Counts failed tries, e.g. at the login. */
export interface Throttle {
  /**
   * Takes one try. `null`: go on; else whole seconds ≥ 1 until the next one. Taken before the check and not after it,
   * so that many at once cannot slip through. `of`: an address, or an account.
   */
  take(of: string): number | null;
  /** The try succeeded: it does not count. */
  giveBack(of: string): void;
}

/** At most `tries` failures in each window. In memory and bounded: it is a brake, not a record. */
export function createThrottle(now: () => number, tries = 10, windowMs = 60_000): Throttle {
  const windows = new Map<string, { startMs: number; used: number }>();
  return {
    take(of) {
      const atMs = now();
      const window = windows.get(of);
      if (window === undefined || atMs - window.startMs >= windowMs) {
        windows.delete(of);
        if (windows.size >= maxWindows) windows.delete(windows.keys().next().value ?? of);
        windows.set(of, { startMs: atMs, used: 1 });
        return null;
      }
      if (window.used >= tries) return Math.max(1, Math.ceil((window.startMs + windowMs - atMs) / 1000));
      window.used += 1;
      return null;
    },
    giveBack(of) {
      const window = windows.get(of);
      if (window !== undefined && window.used > 0) window.used -= 1;
    },
  };
}

const maxWindows = 10_000;
