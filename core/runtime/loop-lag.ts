/** How late the event loop runs its timers, in ms: what every call waits beyond its own work. */
export interface LoopLag {
  /** When the process serves: until then it loads and reads, and nobody waits for it. Once. */
  start(): void;
  /** The newest sample, and the worst one of the last half to whole minute. */
  read(): { readonly lastMs: number; readonly maxMs: number };
  stop(): void;
}

export interface LoopLagOptions {
  /** Monotonic, in ms. */
  readonly clock: () => number;
  /** Called with each sample, `sampleMs` apart on an idle loop. */
  readonly onSample?: (lagMs: number) => void;
}

export const sampleMs = 100;
const windowMs = 30_000;

/** One timer, ten times a second; it does not keep the process alive. */
export function watchLoop({ clock, onSample }: LoopLagOptions): LoopLag {
  let lastMs = 0;
  /** The worst of this window and of the one before: a reader that comes each 15 s misses no stall. */
  let worst = 0;
  let worstBefore = 0;
  let windowStart = 0;
  let sampledAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function sample() {
    const at = clock();
    lastMs = Math.max(0, at - sampledAt - sampleMs);
    sampledAt = at;
    if (at - windowStart >= windowMs) {
      worstBefore = worst;
      worst = 0;
      windowStart = at;
    }
    worst = Math.max(worst, lastMs);
    onSample?.(lastMs);
  }

  return {
    start() {
      windowStart = sampledAt = clock();
      timer = setInterval(sample, sampleMs).unref();
    },
    read: () => ({ lastMs, maxMs: Math.max(worst, worstBefore) }),
    stop: () => clearInterval(timer),
  };
}
