import { GatewayError } from "../chat/error.ts";
import type { Target } from "../plugin/plugin.ts";
import { attemptsOver } from "./timeouts.ts";
import { isNotCarried } from "./translate/native-only.ts";

/** When a target that fails is left alone, and how it is found to be well again. */
export interface BreakerSettings {
  readonly enabled: boolean;
  /** So many failures in a row open it. */
  readonly consecutive: number;
  /** So does this share of failures, 0 to 1, of at least `minCalls` in `windowMs`. */
  readonly errorShare: number;
  readonly minCalls: number;
  readonly windowMs: number;
  /** An open one lets a single call through this often, to see. */
  readonly probeMs: number;
}

/** `unknown`: says nothing of the target, as a client that left or a rate limit. */
export type Verdict = "ok" | "failed" | "unknown";

export interface BreakerState {
  readonly provider: string;
  readonly model: string;
  /** `half-open`: a call is out to see. */
  readonly state: "closed" | "open" | "half-open";
  /** What opened it, or the last failure. */
  readonly reason: string;
  readonly consecutiveFailures: number;
  readonly sinceMs: number;
  /** `null`: it is closed. */
  readonly nextProbeMs: number | null;
}

export interface Breakers {
  /** Before an attempt. Throws `unavailable` where the target is left alone. `true`: this call is the one to see. */
  enter(target: Target): boolean;
  /** After it. */
  ended(target: Target, isProbe: boolean, verdict: Verdict, reason?: string): void;
  /** Targets that failed lately, the others are well. */
  list(): readonly BreakerState[];
  /** Attempts that were not made, since the start. */
  readonly skipped: number;
  /** How often one opened. */
  readonly opened: number;
}

interface Breaker {
  readonly provider: string;
  readonly model: string;
  state: BreakerState["state"];
  reason: string;
  consecutive: number;
  sinceMs: number;
  nextProbeMs: number;
  /** The window in two halves, of which the older one is dropped. */
  halfMs: number;
  counts: [ok: number, failed: number];
  before: [ok: number, failed: number];
}

/** Clients may name any model of a provider. */
const mostBreakers = 1_000;
/** A probe that says nothing for so many times `probeMs` no longer keeps the next one back. */
const patience = 5;

const breakerOpen = "breaker_open";

/**
 * Nothing is kept of a target that does not fail, so one that never did costs a look into an empty map.
 *
 * @param settings read each time, because a reload changes them in place.
 */
export function targetBreakers(settings: BreakerSettings, now: () => number): Breakers {
  const breakers = new Map<string, Breaker>();

  function made({ provider, model }: Target, nowMs: number): Breaker {
    if (breakers.size >= mostBreakers) {
      const oldest = [...breakers].find(([, { state }]) => state === "closed")?.[0] ?? breakers.keys().next().value;
      if (oldest !== undefined) breakers.delete(oldest);
    }
    const breaker: Breaker = {
      provider,
      model,
      state: "closed",
      reason: "",
      consecutive: 0,
      sinceMs: nowMs,
      nextProbeMs: 0,
      halfMs: nowMs,
      counts: [0, 0],
      before: [0, 0],
    };
    breakers.set(keyOf({ provider, model }), breaker);
    return breaker;
  }

  function turn(breaker: Breaker, nowMs: number): void {
    const halves = Math.floor((nowMs - breaker.halfMs) / (settings.windowMs / 2));
    if (halves <= 0) return;
    breaker.before = halves === 1 ? breaker.counts : [0, 0];
    breaker.counts = [0, 0];
    breaker.halfMs += halves * (settings.windowMs / 2);
  }

  function open(breaker: Breaker, nowMs: number): void {
    breakersTold.opened += 1;
    breaker.state = "open";
    breaker.sinceMs = nowMs;
    breaker.nextProbeMs = nowMs + settings.probeMs;
  }

  function closedEnded(breaker: Breaker, verdict: "ok" | "failed", nowMs: number): void {
    turn(breaker, nowMs);
    breaker.counts[verdict === "ok" ? 0 : 1] += 1;
    breaker.consecutive = verdict === "ok" ? 0 : breaker.consecutive + 1;
    const failed = breaker.counts[1] + breaker.before[1];
    const calls = failed + breaker.counts[0] + breaker.before[0];
    if (failed === 0) breakers.delete(keyOf(breaker));
    else if (breaker.consecutive >= settings.consecutive || isTooMany(failed, calls)) open(breaker, nowMs);
  }

  const isTooMany = (failed: number, calls: number): boolean =>
    calls >= settings.minCalls && failed >= calls * settings.errorShare;

  const breakersTold = {
    skipped: 0,
    opened: 0,
    enter(target: Target): boolean {
      if (breakers.size === 0) return false;
      const breaker = breakers.get(keyOf(target));
      if (!breaker || breaker.state === "closed") return false;
      const nowMs = now();
      if (nowMs < breaker.nextProbeMs) {
        breakersTold.skipped += 1;
        throw isOpen(breaker, nowMs);
      }
      breaker.state = "half-open";
      breaker.nextProbeMs = nowMs + patience * settings.probeMs;
      return true;
    },
    ended(target: Target, isProbe: boolean, verdict: Verdict, reason = "") {
      if (breakers.size === 0 && verdict !== "failed") return;
      if (!settings.enabled) return;
      const nowMs = now();
      const breaker = breakers.get(keyOf(target)) ?? (verdict === "failed" ? made(target, nowMs) : null);
      if (!breaker) return;
      if (verdict === "failed") breaker.reason = reason;
      if (breaker.state === "closed") {
        if (verdict !== "unknown") closedEnded(breaker, verdict, nowMs);
        return;
      }
      // Calls that were under way when it opened tell of the time before.
      if (!isProbe) return;
      if (verdict === "ok") breakers.delete(keyOf(target));
      else {
        breaker.state = "open";
        breaker.nextProbeMs = nowMs + settings.probeMs;
        if (verdict === "failed") breaker.consecutive += 1;
      }
    },
    list: (): BreakerState[] =>
      [...breakers.values()].map(({ provider, model, state, reason, consecutive: inRow, sinceMs, nextProbeMs }) => ({
        provider,
        model,
        state,
        reason,
        consecutiveFailures: inRow,
        sinceMs,
        nextProbeMs: state === "closed" ? null : nextProbeMs,
      })),
  };
  return breakersTold;
}

const keyOf = ({ provider, model }: Pick<Target, "provider" | "model">): string => `${provider}/${model}`;

function isOpen({ provider, model, reason, sinceMs, nextProbeMs }: Breaker, nowMs: number): GatewayError {
  return new GatewayError("unavailable", "the model's provider fails, and is not asked for a moment", {
    code: breakerOpen,
    retryAfterSeconds: Math.max(1, Math.ceil((nextProbeMs - nowMs) / 1_000)),
    breaker: { provider, model, reason, openSince: sinceMs, nextProbe: nextProbeMs },
  });
}

/** The request was not sent, for a reason that is not its own: what a target that was asked said matters more. */
export const isPassedOver = (error: unknown): boolean =>
  isNotCarried(error) || (error instanceof GatewayError && passedOver.has(error.details.code ?? ""));
const passedOver: ReadonlySet<string> = new Set([breakerOpen, "provider_busy"]);

/** What the failure of an attempt says of its target. */
export function verdictOf(reason: unknown): Verdict {
  if (!(reason instanceof GatewayError)) return "unknown";
  const { kind, details, status } = reason;
  if (kind === "upstream-refused") return status === 429 ? "unknown" : "ok";
  if (kind === "unavailable") return details.code === "provider_overloaded" ? "failed" : "unknown";
  if (kind !== "upstream-invalid" && kind !== "upstream-timeout") return "unknown";
  return notItsFault.has(details.code ?? "") ? "unknown" : "failed";
}
/** A bad key is the operator's to mend; the others are ours. */
const notItsFault: ReadonlySet<string> = new Set([
  "provider_credential",
  "egress_refused",
  "client_left",
  attemptsOver,
]);
