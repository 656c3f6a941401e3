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
function createThrottle(now: () => number, tries = 10, windowMs = 60_000): Throttle {
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

/** The throttle of that name, always the same. */
export type Throttles = (name: string, tries?: number, windowMs?: number) => Throttle;

/** Throttles that outlive those who use them, which a reload makes anew. */
export function throttlesOf(now: () => number): Throttles {
  const made = new Map<string, Throttle>();
  return (name, tries, windowMs) => {
    const throttle = made.get(name) ?? createThrottle(now, tries, windowMs);
    made.set(name, throttle);
    return throttle;
  };
}

const maxWindows = 10_000;
