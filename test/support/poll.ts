import { setInterval } from "node:timers/promises";

/** Asks again every `everyMs` until `ask` gives something truthy; throws with `what` after `deadlineMs`. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { deadlineMs = 10_000, everyMs = 10 }: { deadlineMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const first = await ask();
  if (first) return first;
  const endMs = performance.now() + deadlineMs;
  for await (const _ of setInterval(everyMs)) {
    const value = await ask();
    if (value) return value;
    if (performance.now() > endMs) break;
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}`);
}

/** A promise that a test opens by hand. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}

/** Runs `work` over all items, at most `width` at once, and keeps their order. */
export async function eachOf<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item !== undefined) results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
