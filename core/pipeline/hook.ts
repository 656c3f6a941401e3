import { GatewayError } from "../chat/error.ts";
import { within } from "../plugin/deadline.ts";
import {
  type CountedHook,
  countFault,
  countTime,
  type HookTally,
  type InstanceTallies,
  talliesOf,
  tallyIn,
} from "../plugin/hook-tally.ts";
import type { Awaitable, Kind, Logger } from "../plugin/plugin.ts";
import { toldError } from "../plugin/told-error.ts";
import { blockedMs, hookBlocked, hookOpened } from "./watchdog.ts";

/** Longest a hook of a plugin may take before its policy applies. It cannot stop a loop that never yields. */
export const hookTimeoutMs = 5_000;

export interface HookContext {
  readonly logger: Logger;
  /** Milliseconds spent in hooks, by `kind/name`. */
  readonly timings: Record<string, number>;
}

/**
 * Runs a hook that fails closed: what it throws other than a GatewayError, or that it hangs, becomes `unavailable`, and
 * the plugin is named in the log only. A hook that returns a plain value costs no promise and no timer. `onLate` gets what
 * a hook that hung returns after all.
 */
export function closedHook<T>(
  context: HookContext,
  kind: Kind,
  name: string,
  hook: CountedHook,
  run: () => Awaitable<T>,
  onLate?: (value: T) => void,
): Awaitable<T> {
  const instance = talliesOf(kind, name);
  const tally = tallyIn(instance, hook);
  tally.calls += 1;
  const startedMs = performance.now();
  let value: Awaitable<T>;
  try {
    value = run();
  } catch (error) {
    countTime(tally, returned(context, kind, name, instance, startedMs));
    throw closed(context.logger, instance, tally, hook, error);
  }
  const tookMs = returned(context, kind, name, instance, startedMs);
  if (value instanceof Promise) return inTime(context, kind, name, { instance, tally, hook, tookMs }, value, onLate);
  countTime(tally, tookMs);
  return value;
}

interface Begun {
  readonly instance: InstanceTallies;
  readonly tally: HookTally;
  readonly hook: CountedHook;
  /** Until it returned its promise. */
  readonly tookMs: number;
}

/** Apart, so that a hook that returns a plain value makes none of these functions. */
function inTime<T>(
  context: HookContext,
  kind: Kind,
  name: string,
  { instance, tally, hook, tookMs }: Begun,
  promise: Promise<T>,
  onLate: (value: T) => void = () => {},
): Promise<T> {
  const calledMs = performance.now();
  const ended = hookOpened(kind, name);
  return within(hookTimeoutMs, () => promise)
    .catch((error: unknown) => {
      promise.then(onLate, () => {});
      throw closed(context.logger, instance, tally, hook, error);
    })
    .finally(() => {
      ended();
      const waitedMs = performance.now() - calledMs;
      count(context, instance, waitedMs);
      countTime(tally, tookMs + waitedMs);
    });
}

/** What a hook does before it returns, a promise or not, it does on everybody's time. Returns how long that took. */
function returned(
  context: HookContext,
  kind: Kind,
  name: string,
  instance: InstanceTallies,
  startedMs: number,
): number {
  const tookMs = performance.now() - startedMs;
  count(context, instance, tookMs);
  if (tookMs > blockedMs) hookBlocked(context.logger, kind, name, tookMs);
  return tookMs;
}

function count({ timings }: HookContext, { label }: InstanceTallies, tookMs: number): void {
  timings[label] = (timings[label] ?? 0) + tookMs;
}

function failedText(hook: CountedHook): string {
  if (endsHold(hook)) return "a plugin could not end its hold; what it counts may be wrong";
  return hook === "request" ? "a plugin failed; its target was not asked" : "a plugin failed; the call is refused";
}

/** It comes when there is nothing left to refuse: whatever is thrown there is a failure. */
const endsHold = (hook: CountedHook): boolean => hook === "settle" || hook === "release";

function closed(
  logger: Logger,
  { label }: InstanceTallies,
  tally: HookTally,
  hook: CountedHook,
  thrown: unknown,
): GatewayError {
  const error = toldError(thrown);
  if (endsHold(hook) && error instanceof GatewayError) tally.failures += 1;
  else countFault(tally, error);
  if (error instanceof GatewayError && !endsHold(hook)) return error;
  logger.error({ plugin: label, error }, failedText(hook));
  return new GatewayError("unavailable", "the call could not be checked", { retryAfterSeconds: 5, cause: error });
}
