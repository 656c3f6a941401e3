import { GatewayError } from "../chat/error.ts";
import { DeadlineError } from "./deadline.ts";
import type { Awaitable, Kind } from "./plugin.ts";

const names = [
  "request",
  "chat",
  "authenticate",
  "acquire",
  "authorize",
  "settle",
  "release",
  "rate",
  "callEnded",
  "receiver",
  "mail",
  "metrics",
  "webhook",
] as const;
/** Hooks whose calls are counted; `settle` and `release` are of the holds that `acquire` and `authorize` grant. */
export type CountedHook = (typeof names)[number];

/** Those of what an instance fills that are counted. */
export function countedHooks(filled: readonly string[]): readonly CountedHook[] {
  const grants = filled.includes("acquire") || filled.includes("authorize");
  return names.filter((hook) => filled.includes(hook) || (grants && (hook === "settle" || hook === "release")));
}

/** What one hook of an instance came to since the process began. */
export interface HookTally {
  calls: number;
  /** It threw, or returned what is none. A refusal is no failure: it is what the hook is for. */
  failures: number;
  /** It had not ended by its deadline, or told of one of its own. */
  timeouts: number;
  /** From the call to its end, waits included: of `chat` as long as its client reads. 0 for `rate`, which is not timed. */
  totalMs: number;
  slowestMs: number;
}

/** Of one instance, by hook; and what it is called in the timings of calls. */
export interface InstanceTallies {
  readonly label: string;
  readonly hooks: Map<CountedHook, HookTally>;
}

/**
 * By kind and name, so that an instance that a reload sets up anew is counted on. A label is put together once: a text
 * that is new each time costs more than what it counts.
 */
const tallies = new Map<Kind, Map<string, InstanceTallies>>();

export function talliesOf(kind: Kind, name: string): InstanceTallies {
  let ofKind = tallies.get(kind);
  if (ofKind === undefined) tallies.set(kind, (ofKind = new Map<string, InstanceTallies>()));
  let known = ofKind.get(name);
  if (known === undefined) ofKind.set(name, (known = { label: `${kind}/${name}`, hooks: new Map() }));
  return known;
}

export function tallyIn({ hooks }: InstanceTallies, hook: CountedHook): HookTally {
  let tally = hooks.get(hook);
  if (tally === undefined) hooks.set(hook, (tally = { ...noCalls }));
  return tally;
}

export const noCalls: Readonly<HookTally> = { calls: 0, failures: 0, timeouts: 0, totalMs: 0, slowestMs: 0 };

export function countTime(tally: HookTally, tookMs: number): void {
  tally.totalMs += tookMs;
  if (tookMs > tally.slowestMs) tally.slowestMs = tookMs;
}

export function countFault(tally: HookTally, error: unknown): void {
  if (error instanceof DeadlineError) tally.timeouts += 1;
  else if (!(error instanceof GatewayError)) tally.failures += 1;
  else if (error.kind === "upstream-timeout") tally.timeouts += 1;
}

/** Counts a hook that no call waits for. */
export async function tallied<T>(kind: Kind, name: string, hook: CountedHook, work: () => Awaitable<T>): Promise<T> {
  const tally = tallyIn(talliesOf(kind, name), hook);
  tally.calls += 1;
  const startedMs = performance.now();
  try {
    return await work();
  } catch (error) {
    countFault(tally, error);
    throw error;
  } finally {
    countTime(tally, performance.now() - startedMs);
  }
}
