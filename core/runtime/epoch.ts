/** The clocks come apart by less while nobody sets one. */
const leastStepMs = 1_000;

/**
 * Times of a clock that never steps, as the machine's clock has them, in epoch ms: for what is kept by the one and told by
 * the other. The same each time it is asked for, though the two tick apart; a clock that was set counts.
 */
export function epochOf(now: () => number, elapsed: () => number): (elapsedMs: number) => number {
  let startMs = now() - elapsed();
  return (elapsedMs) => {
    const sinceMs = now() - elapsed();
    if (Math.abs(sinceMs - startMs) >= leastStepMs) startMs = sinceMs;
    return Math.round(startMs + elapsedMs);
  };
}
