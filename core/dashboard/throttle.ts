/** Counts failed tries at the login. */
export interface Throttle {
  /**
   * Takes one try. `null`: go on; else whole seconds ≥ 1 until the next one. Taken before the check and not after it,
   * so that many at once cannot slip through.
   */
  take(address: string): number | null;
  /** The try succeeded: it does not count. */
  giveBack(address: string): void;
}

/** At most `tries` failures a minute and address. In memory and bounded: it is a brake, not a record. */
export function createThrottle(now: () => number, tries = 10): Throttle {
  const windows = new Map<string, { startMs: number; used: number }>();
  return {
    take(address) {
      const atMs = now();
      const window = windows.get(address);
      if (window === undefined || atMs - window.startMs >= windowMs) {
        windows.delete(address);
        if (windows.size >= maxAddresses) windows.delete(windows.keys().next().value ?? address);
        windows.set(address, { startMs: atMs, used: 1 });
        return null;
      }
      if (window.used >= tries) return Math.max(1, Math.ceil((window.startMs + windowMs - atMs) / 1000));
      window.used += 1;
      return null;
    },
    giveBack(address) {
      const window = windows.get(address);
      if (window !== undefined && window.used > 0) window.used -= 1;
    },
  };
}

const windowMs = 60_000;
const maxAddresses = 10_000;
