export interface FloodOptions {
  /** Let through in one second; the others are counted. */
  readonly perSecond: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** How many were kept back, told as soon as one is let through in a later second. */
  readonly onSkipped: (count: number) => void;
}

/** Bounds what strangers can make us write. Each call asks whether one more may pass. */
export function floodGate({ perSecond, now, onSkipped }: FloodOptions): () => boolean {
  let second = 0;
  let passed = 0;
  let skipped = 0;
  return () => {
    const current = Math.floor(now() / 1_000);
    if (current !== second) {
      second = current;
      passed = 0;
      if (skipped > 0) {
        const count = skipped;
        skipped = 0;
        onSkipped(count);
      }
    }
    if (passed >= perSecond) {
      skipped += 1;
      return false;
    }
    passed += 1;
    return true;
  };
}
