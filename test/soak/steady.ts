import { setTimeout as pause } from "node:timers/promises";
import { call, chat } from "../support/clients.ts";
import type { Setup } from "../support/setup.ts";

/** Between two calls: 100 a second. */
const everyMs = 10;

/** How long each call took, in milliseconds, begun every so often, whatever becomes of those before it. */
export async function steady(
  { gateway, key }: Pick<Setup, "gateway" | "key">,
  model: string,
  forMs: number,
): Promise<readonly number[]> {
  const took: Promise<number>[] = [];
  const startMs = performance.now();
  for (let at = 0; at * everyMs < forMs; at++) {
    await pause(Math.max(startMs + at * everyMs - performance.now(), 0));
    const beganMs = performance.now();
    took.push(
      call(gateway, key.key, chat(model)).then(({ status, text }) => {
        if (status !== 200) throw new Error(`${status}: ${text}`);
        return performance.now() - beganMs;
      }),
    );
  }
  return Promise.all(took);
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** What others do on the machine only ever adds. */
export const best = (rounds: readonly Percentiles[]): Percentiles => ({
  p50: Math.min(...rounds.map(({ p50 }) => p50)),
  p99: Math.min(...rounds.map(({ p99 }) => p99)),
});

export const percent = (ratio: number): string => `${ratio >= 1 ? "+" : ""}${((ratio - 1) * 100).toFixed(1)} %`;
