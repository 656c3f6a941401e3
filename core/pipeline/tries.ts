import type { Call } from "./call.ts";
import type { Route } from "./models.ts";
import { AmbiguousError, ElsewhereError, OtherKeyError, RepeatableError } from "./repeatable.ts";
import type { Services } from "./services.ts";
import { isNotCarried } from "./translate/native-only.ts";
import { mayFallBack } from "./upstream-error.ts";

/** One budget for a call, whatever retries and fallbacks make it up. */
export interface AttemptSettings {
  /** Requests sent for one call, all targets together. */
  readonly max: number;
  /** From the arrival of the call to the first byte of its answer. */
  readonly totalMs: number;
  /** The first wait is between 0 and this, each further one between 0 and twice as much. */
  readonly backoffMs: number;
  /** No longer than this between two attempts, not even when a provider asks for it: then it is not asked again. */
  readonly maxWaitMs: number;
  /** Retries there may be for each call, over all calls. */
  readonly retryShare: number;
  /** Ask again after a connection that broke when the request was sent, though it may be billed twice. */
  readonly afterReset: boolean;
  /** Ask the next target what the content filter of one refused. */
  readonly afterContentFilter: boolean;
}

export interface Step {
  /** Index of the target. */
  readonly at: number;
  readonly waitMs: number;
}

type Tried = Pick<Call, "arrivedMs" | "attempts" | "ownTimeouts">;
type Needs = Pick<Services, "random" | "retries"> & {
  readonly watch: Pick<Services["watch"], "now">;
  readonly settings: Pick<Services["settings"], "attempts">;
};

interface Asked {
  /** Not to be asked before; `null`: not to be asked again. */
  dueMs: number | null;
  failures: number;
}

/**
 * Which target a call asks next. Each is asked once, in order and without a wait; then those that may be asked again, the
 * first that is due first. Only that is a retry and takes of the budget for retries: falling back must stay possible when
 * a provider is down and all calls do it. A target that has refused one of its keys is asked at once with the next one.
 */
export class Tries {
  at = 0;
  readonly #call: Tried;
  readonly #route: Pick<Route, "targets">;
  readonly #services: Needs;
  #asked: (Asked | undefined)[] | null = null;
  #decided: Step | null | undefined = undefined;

  constructor(call: Tried, route: Pick<Route, "targets">, services: Needs) {
    this.#call = call;
    this.#route = route;
    this.#services = services;
  }

  /** Where the call goes on after its attempt failed for `reason`; `null`: nowhere. Decided once an attempt. */
  after(reason: unknown): Step | null {
    if (this.#decided === undefined) this.#decided = this.#decide(reason);
    return this.#decided;
  }

  take({ at }: Step): void {
    this.at = at;
    this.#decided = undefined;
  }

  #decide(reason: unknown): Step | null {
    const { settings, watch, retries } = this.#services;
    const { max, totalMs, afterContentFilter } = settings.attempts;
    if (!mayFallBack(reason) && !isNotCarried(reason) && !mayElsewhere(reason, afterContentFilter)) return null;
    const nowMs = watch.now();
    const hasKey = reason instanceof OtherKeyError;
    if (!hasKey) this.#note(reason, nowMs);
    const endMs = this.#call.arrivedMs + Math.min(totalMs, this.#call.ownTimeouts?.totalMs ?? Infinity);
    if (this.#call.attempts.length >= max || nowMs >= endMs) return null;
    if (hasKey) return { at: this.at, waitMs: 0 };
    const next = this.#asked?.length ?? 0;
    if (next < this.#route.targets.length) return { at: next, waitMs: 0 };
    const again = this.#soonest();
    if (again === null) return null;
    const waitMs = Math.max(again.dueMs - nowMs, 0);
    return nowMs + waitMs < endMs && retries.take() ? { at: again.at, waitMs } : null;
  }

  #note(reason: unknown, nowMs: number): void {
    const asked = (this.#asked ??= []);
    const failures = (asked[this.at]?.failures ?? 0) + 1;
    asked[this.at] = { failures, dueMs: this.#dueMs(reason, failures, nowMs) };
  }

  #dueMs(reason: unknown, failures: number, nowMs: number): number | null {
    const { settings, random } = this.#services;
    const { backoffMs, maxWaitMs, afterReset } = settings.attempts;
    const afterMs = reason instanceof RepeatableError ? (reason.afterMs ?? 0) : 0;
    const isRepeatable = reason instanceof RepeatableError || (afterReset && reason instanceof AmbiguousError);
    if (!isRepeatable || afterMs > maxWaitMs) return null;
    // Full jitter: calls that failed together do not come back together.
    const jitterMs = random() * Math.min(maxWaitMs, backoffMs * 2 ** (failures - 1));
    return nowMs + Math.max(afterMs, jitterMs);
  }

  #soonest(): { readonly at: number; readonly dueMs: number } | null {
    let soonest: { at: number; dueMs: number } | null = null;
    for (const [at, one] of (this.#asked ?? []).entries()) {
      const dueMs = one?.dueMs ?? null;
      if (dueMs !== null && (soonest === null || dueMs < soonest.dueMs)) soonest = { at, dueMs };
    }
    return soonest;
  }
}

const mayElsewhere = (reason: unknown, afterContentFilter: boolean): boolean =>
  reason instanceof ElsewhereError && (reason.why === "context-window" || afterContentFilter);
