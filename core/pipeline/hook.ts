import { GatewayError } from "../chat/error.ts";
import { within } from "../plugin/deadline.ts";
import type { Awaitable, Kind, Logger } from "../plugin/plugin.ts";
import { soundRefusal } from "./told-hold.ts";
import { blockedMs, hookBlocked, hookOpened } from "./watchdog.ts";

/** Longest a hook of a plugin may take before its policy applies. It cannot stop a loop that never yields. */
const hookTimeoutMs = 5_000;

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
  run: () => Awaitable<T>,
  onLate?: (value: T) => void,
): Awaitable<T> {
  const startedMs = performance.now();
  let value: Awaitable<T>;
  try {
    value = run();
  } catch (error) {
    returned(context, kind, name, startedMs);
    throw closed(context.logger, kind, name, error);
  }
  if (!(value instanceof Promise)) {
    returned(context, kind, name, startedMs);
    return value;
  }
  returned(context, kind, name, startedMs);
  return inTime(context, kind, name, value, onLate);
}

/** Apart, so that a hook that returns a plain value makes none of these functions. */
function inTime<T>(
  context: HookContext,
  kind: Kind,
  name: string,
  promise: Promise<T>,
  onLate: (value: T) => void = () => {},
): Promise<T> {
  const calledMs = performance.now();
  const ended = hookOpened(kind, name);
  return within(hookTimeoutMs, () => promise)
    .catch((error: unknown) => {
      promise.then(onLate, () => {});
      throw closed(context.logger, kind, name, error);
    })
    .finally(() => {
      ended();
      count(context, kind, name, performance.now() - calledMs);
    });
}

/** What a hook does before it returns, a promise or not, it does on everybody's time. */
function returned(context: HookContext, kind: Kind, name: string, startedMs: number): void {
  const tookMs = performance.now() - startedMs;
  count(context, kind, name, tookMs);
  if (tookMs > blockedMs) hookBlocked(context.logger, kind, name, tookMs);
}

function count({ timings }: HookContext, kind: Kind, name: string, tookMs: number): void {
  const label = labelOf(kind, name);
  timings[label] = (timings[label] ?? 0) + tookMs;
}

/** Put together once for each plugin: a text that is new each time costs more than what it counts. */
function labelOf(kind: Kind, name: string): string {
  const ofKind = labels.get(kind) ?? new Map<string, string>();
  const known = ofKind.get(name);
  if (known !== undefined) return known;
  const label = `${kind}/${name}`;
  labels.set(kind, ofKind.set(name, label));
  return label;
}

const labels = new Map<Kind, Map<string, string>>();

function closed(logger: Logger, kind: Kind, name: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return soundRefusal(error);
  logger.error({ plugin: `${kind}/${name}`, error }, "a plugin failed; the call is refused");
  return new GatewayError("unavailable", "the call could not be checked", { retryAfterSeconds: 5, cause: error });
}
