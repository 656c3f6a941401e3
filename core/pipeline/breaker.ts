import { GatewayError } from "../chat/error.ts";
import type { Target } from "../plugin/plugin.ts";
import { counted, type FailureRules, type Failures, noFailures } from "./failures.ts";
import { ofProvider, type WithOwn } from "./of-provider.ts";
import { attemptsOver, callersOwn, clientLeft } from "./timeouts.ts";
import { isNotCarried } from "./translate/native-only.ts";
import { targetName } from "./target-name.ts";
import { providerRefused } from "./upstream-error.ts";

export type BreakerSettings = WithOwn<FailureRules>;

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
  /** Whether that would throw now. Changes nothing. */
  leavesAlone(target: Target): boolean;
  /** After it. */
  ended(target: Target, isProbe: boolean, verdict: Verdict, reason?: string): void;
  /** Targets that failed lately, the others are well. */
  list(): readonly BreakerState[];
  /** Attempts that were not made, since the start. */
  readonly skipped: number;
  /** How often one opened. */
  readonly opened: number;
}

interface Breaker extends Failures {
  readonly provider: string;
  readonly model: string;
  state: BreakerState["state"];
  reason: string;
  sinceMs: number;
  nextProbeMs: number;
}

/** Clients may name any model of a provider. */
const mostBreakers = 1_000;
/** A probe that says nothing for so many times `probeMs` no longer keeps the next one back. */
export const patience = 5;

const breakerOpen = "breaker_open";

/**
 * Nothing is kept of a target that does not fail, so one that never did costs a look into an empty map.
 *
 * @param settings read each time, because a reload changes them in place.
 * @param now in ms; one that never steps, or a breaker could stay open for as long as the clock was set back.
 * @param epoch what is told, in epoch ms, of a time of that clock.
 */
export function targetBreakers(
  settings: BreakerSettings,
  now: () => number,
  epoch: (ms: number) => number = (ms) => ms,
): Breakers {
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
      sinceMs: nowMs,
      nextProbeMs: 0,
      ...noFailures(nowMs),
    };
    breakers.set(targetName(breaker), breaker);
    return breaker;
  }

  const rulesOf = (provider: string): FailureRules => ofProvider(settings, provider);
  /** Else a reload has turned it off since it was made. */
  const isOn = ({ provider }: Breaker): boolean => rulesOf(provider).enabled;

  function closedEnded(breaker: Breaker, verdict: "ok" | "failed", nowMs: number): void {
    const rules = rulesOf(breaker.provider);
    const found = counted(breaker, verdict === "failed", rules, nowMs);
    if (found === "none") breakers.delete(targetName(breaker));
    if (found !== "too many") return;
    breakersTold.opened += 1;
    breaker.state = "open";
    breaker.sinceMs = nowMs;
    breaker.nextProbeMs = nowMs + rules.probeMs;
  }

  const breakersTold = {
    skipped: 0,
    opened: 0,
    enter(target: Target): boolean {
      if (breakers.size === 0) return false;
      const breaker = breakers.get(targetName(target));
      if (!breaker || breaker.state === "closed" || !isOn(breaker)) return false;
      const nowMs = now();
      if (isAlone(breaker, nowMs)) {
        breakersTold.skipped += 1;
        throw isOpen(breaker, nowMs, epoch);
      }
      breaker.state = "half-open";
      breaker.nextProbeMs = nowMs + patience * rulesOf(target.provider).probeMs;
      return true;
    },
    leavesAlone(target: Target): boolean {
      const breaker = breakers.get(targetName(target));
      return breaker !== undefined && isAlone(breaker, now()) && isOn(breaker);
    },
    ended(target: Target, isProbe: boolean, verdict: Verdict, reason = "") {
      if (breakers.size === 0 && verdict !== "failed") return;
      const rules = rulesOf(target.provider);
      if (!rules.enabled) {
        breakers.delete(targetName(target));
        return;
      }
      const nowMs = now();
      const breaker = breakers.get(targetName(target)) ?? (verdict === "failed" ? made(target, nowMs) : null);
      if (!breaker) return;
      if (verdict === "failed") breaker.reason = reason;
      if (breaker.state === "closed") {
        if (verdict !== "unknown") closedEnded(breaker, verdict, nowMs);
        return;
      }
      // Calls that were under way when it opened tell of the time before.
      if (!isProbe) return;
      if (verdict === "ok") breakers.delete(targetName(target));
      else {
        breaker.state = "open";
        breaker.nextProbeMs = nowMs + rules.probeMs;
        if (verdict === "failed") breaker.consecutive += 1;
      }
    },
    list: (): BreakerState[] =>
      [...breakers.values()]
        .filter(isOn)
        .map(({ provider, model, state, reason, consecutive: inRow, sinceMs, nextProbeMs }) => ({
          provider,
          model,
          state,
          reason,
          consecutiveFailures: inRow,
          sinceMs: epoch(sinceMs),
          nextProbeMs: state === "closed" ? null : epoch(nextProbeMs),
        })),
  };
  return breakersTold;
}

const isAlone = ({ state, nextProbeMs }: Breaker, nowMs: number): boolean => state !== "closed" && nowMs < nextProbeMs;

function isOpen(
  { provider, model, reason, sinceMs, nextProbeMs }: Breaker,
  nowMs: number,
  epoch: (ms: number) => number,
): GatewayError {
  return new GatewayError("unavailable", "the model's provider fails, and is not asked for a moment", {
    code: breakerOpen,
    retryAfterSeconds: Math.max(1, Math.ceil((nextProbeMs - nowMs) / 1_000)),
    breaker: { provider, model, reason, openSince: epoch(sinceMs), nextProbe: epoch(nextProbeMs) },
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
/** A bad key is the operator's to mend; the others are ours, or the caller's. */
const notItsFault: ReadonlySet<string> = new Set([
  "provider_credential",
  providerRefused,
  "egress_refused",
  clientLeft,
  attemptsOver,
  callersOwn,
]);
