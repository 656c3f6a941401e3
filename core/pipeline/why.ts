import type { GatewayError, ShortForm } from "../chat/error.ts";
import { remainingOf } from "../chat/limit.ts";
import type { LimitUse, Principal } from "../plugin/plugin.ts";
import type { CallWhy, CountedBy, Stage, TriedAt } from "../storage/call-why.ts";
import type { AttemptRow } from "../storage/attempt-row.ts";
import type { Admitted } from "./admit.ts";
import type { Bill } from "./bill.ts";
import type { Call } from "./call.ts";
import { NoFitError, type SkippedTarget, wordsOf } from "./fit.ts";
import type { RouteTarget } from "./models.ts";
import { targetName } from "./target-name.ts";

/**
 * What is recorded of an admitted call, beside its row, for `explain`. From memory alone, and without an object more than
 * is written: it is on the path of every call.
 */
export function whyOf(call: Call, admitted: Admitted): CallWhy {
  const { route, holds, held } = admitted;
  const { attempts, passed, timings } = call;
  const why: { -readonly [Field in keyof CallWhy]: CallWhy[Field] } = {};
  for (const _ in timings) {
    why.hooksUs = inMicroseconds(timings);
    break;
  }
  if (held.length > 0) why.holds = held;
  for (const { kind, use } of holds)
    if (kind === "rate-limit" && use) why.limits = countedBy(use, call.principal, why.limits);
  if (why.holds || why.limits)
    why.estimate = [admitted.expectedInputTokens, admitted.inputBoundTokens, admitted.outputBoundTokens];
  if (route.targets.length > 1) why.route = route.targets.map(scored);
  if (route.skipped) why.skipped = skippedIn(route.skipped);
  if (passed !== null) why.passed = passed;
  if (attempts.length > 0) why.tries = attempts.map(triedAt);
  return why;
}

/** The same of a call that was not admitted. */
export function whyRefused(call: Call, error: GatewayError): CallWhy {
  const { code = null, limit, use } = error.details;
  const bill = call.refusedBill;
  return {
    hooksUs: inMicroseconds(call.timings),
    ...(use && { limits: countedBy(use, call.principal) }),
    ...(bill && {
      estimate: [bill.expectedInputTokens, bill.inputBoundTokens, bill.need.outputTokens || null] as const,
    }),
    ...(error instanceof NoFitError && { skipped: skippedIn(error.skipped) }),
    refused: { stage: stageOf(call, error), code, ...(limit && { limit }) },
  };
}

const explained: ReadonlySet<number> = new Set([402, 429, 503]);

/** For the body of the error that the client gets; `undefined`: one of another status tells all in its message. */
export function shortForm(call: Call, error: GatewayError): ShortForm | undefined {
  if (!explained.has(error.status)) return undefined;
  const { admitted, attempts, passed, refusedBill: bill } = call;
  const failed = attempts.map(({ provider, upstreamModel, status, fault = error.kind }) => ({
    target: `${provider}/${upstreamModel}`,
    outcome: "failed" as const,
    code: fault,
    status,
  }));
  const over = (passed ?? []).map(([target, code]) => ({ target, outcome: "passed-over" as const, code }));
  const estimate = estimateOf(admitted, bill);
  return {
    stage: stageOf(call, error),
    ...(estimate && { estimate }),
    ...(admitted && { targets: [...failed, ...over] }),
  };
}

/** `bill`: of one that was not admitted. `null`: it was refused before anything was reckoned. */
export function estimateOf(admitted: Admitted | null, bill: Bill | null): NonNullable<ShortForm["estimate"]> | null {
  const found = admitted ?? bill;
  return (
    found && {
      expectedInputTokens: found.expectedInputTokens,
      mostInputTokens: found.inputBoundTokens,
      mostOutputTokens: admitted ? admitted.outputBoundTokens : bill?.need.outputTokens || null,
    }
  );
}

/** Where a call ended, by what it had got to. */
export function stageOf(call: Call, { kind, details }: GatewayError): Stage {
  if (call.admitted) return "targets";
  if (details.code === "overloaded") return "overload";
  if (details.limit) return details.limit["measure"] === undefined ? "budgets" : "limits";
  if (call.principal === null) return "authentication";
  if (call.envelope === null) return "request";
  const isRoute = kind === "model-not-found" || kind === "forbidden" || details.code === "no_target_fits";
  return isRoute ? "route" : "admission";
}

export const skippedIn = (skipped: readonly SkippedTarget[]): NonNullable<CallWhy["skipped"]> =>
  skipped.map(({ target, because }) => [target, because.why, wordsOf(because)]);

/** To three decimals. What cannot be written is infinite: a target without a price, say. */
function scored(target: RouteTarget): readonly [string, (number | null)?] {
  const { score } = target;
  if (score === undefined) return [targetName(target)];
  return [targetName(target), Number.isFinite(score) ? Math.round(score * 1_000) / 1_000 : null];
}

function inMicroseconds(timings: Call["timings"]): Readonly<Record<string, number>> {
  const us: Record<string, number> = {};
  for (const name in timings) us[name] = Math.round((timings[name] ?? 0) * 1_000);
  return us;
}

function countedBy(
  use: readonly LimitUse[],
  principal: Principal | null,
  counted: readonly CountedBy[] = [],
): readonly CountedBy[] {
  const found = [...counted];
  for (const each of use) {
    const { scope, measure, per = "minute", amount } = each.limit;
    const own = scope.kind === "key" ? principal?.keyId : scope.kind === "account" ? principal?.accountId : scope.kind;
    const id = scope.id === own ? null : scope.id;
    found.push([scope.kind, id, measure, measure === "concurrency" ? null : per, amount, remainingOf(each)]);
  }
  return found;
}

const triedAt = ({ sentMs = 0, tookMs = null, fault }: AttemptRow): TriedAt =>
  fault === undefined ? [sentMs, tookMs] : [sentMs, tookMs, fault];
