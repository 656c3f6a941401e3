import { GatewayError, type Scope } from "../chat/error.ts";
import type { Envelope } from "../dialects/dialect.ts";
import { labelText } from "../plugin/labels.ts";
import type { Awaitable, Claim, Hold, Limit, Principal } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { HeldOn } from "../storage/call-why.ts";
import type { Admission, AdmitResult } from "../storage/database.ts";
import { type Bill, billOf, isUnbilled } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { asWhole, countedInputs, isHopeless, mayCount } from "./count-input.ts";
import { closedHook, type HookContext } from "./hook.ts";
import { claimOf, noteSpared } from "./limit-claim.ts";
import type { Route } from "./models.ts";
import { step } from "../runtime/turn.ts";
import { limitsFor, openLine, scopesOf } from "./scopes.ts";
import type { Services } from "./services.ts";
import { checkedHold, releaseLate, toldWith, type ToldHold } from "./told-hold.ts";

/** What a plugin keeps for the call. */
interface Taken extends ToldHold {
  readonly name: string;
  readonly kind: "rate-limit" | "billing";
  /** For its end alone. */
  readonly hold: Pick<Hold, "settle" | "release">;
}

/** What was granted, until `settle` ends it. */
export interface Admitted {
  readonly route: Route;
  /** Limits and outside credit, in the order they were taken. The ledger's own hold ends with the final record. */
  readonly holds: readonly Taken[];
  /** What each budget in scope holds of it. */
  readonly held: readonly HeldOn[];
  /** The most of that; 0 when there is none. */
  readonly heldNano: number;
  /** The cap on one candidate's output that must be sent upstream; `null`: the request's own stands. */
  readonly maxOutputTokens: number | null;
  readonly expectedInputTokens: number;
  /** The most input that the hold covers. */
  readonly inputBoundTokens: number;
  /** The most output that the hold, or else the caller's own cap, lets pass, all candidates; `null`: nothing bounds it. */
  readonly outputBoundTokens: number | null;
}

/**
 * RESERVE: limits, then outside credit, then the ledger's one transaction. All or nothing: a refusal gives back what was
 * taken, in reverse.
 */
export async function admit(
  call: Call,
  principal: Principal,
  asked: Asked,
  route: Route,
  services: Services,
): Promise<Admitted> {
  if (services.draining.value) throw unavailable("the proxy is shutting down");
  if (asked.envelope.stream) services.overload.admitStream();
  if (services.database.trouble() !== null) throw unavailable("usage cannot be recorded now");

  const line = openLine(call, principal, services);
  // Most know at once: an `await` for what is there takes a turn of its own.
  call.accounts = line instanceof Promise ? await line : line;
  let scopes = scopesOf(call, principal, asked, route);
  const limits = limitsOf(principal, scopes, services);
  // What it may cost comes next, for all calls of the turn that have come as far as this.
  await step;
  const first = billFor(call, asked, route, scopes, services);
  const applicant = { call, principal, asked, route };
  const holds: Taken[] = [];
  try {
    if (limits || services.billing?.slot.authorize) await takeBeforeLedger(applicant, first, limits, holds, services);
    let bill = first;
    let told: readonly (number | null)[] | undefined;
    for (;;) {
      const isCountable = told === undefined && mayCount(call, asked, bill, route);
      const need = isCountable ? asWhole(bill.need) : bill.need;
      const result = await services.database.ledger.admit(admissionOf(applicant, scopes, bill, need));
      if (result.admitted) return granted(call, asked, bill, result, route, holds);
      if (result.outdated) {
        call.accounts = await openLine(call, principal, services);
        scopes = scopesOf(call, principal, asked, route);
      } else if (isCountable) told = isHopeless(bill, result) ? [] : await countedInputs(call, asked, route, services);
      else throw shortBudget(result, asked.envelope.candidates, services.now());
      bill = billFor(call, asked, route, scopes, services, told);
    }
  } catch (error) {
    call.refusedBill = first;
    await giveBack(holds, call, services);
    throw error;
  }
}

/** What plugins keep. Apart, because most calls have none of it. */
async function takeBeforeLedger(
  { call, principal, asked, route }: Applicant,
  first: Bill,
  limits: readonly (readonly Limit[])[] | null,
  holds: Taken[],
  services: Services,
): Promise<void> {
  const { expectedInputTokens, dearest } = first;
  const claim = claimOf({ call, principal, asked, route, expectedInputTokens }, limits?.flat() ?? none, services);
  if (limits) await takeLimits(call, claim, limits, holds, services);
  const { billing } = services;
  const authorize = billing?.slot.authorize?.bind(billing.slot);
  if (billing && authorize && dearest)
    holds.push(await take(call, "billing", billing, () => checkedHold(authorize(claim, dearest)), services));
}

/** Of each limiter those that it counts; `null`: no limit at all. */
function limitsOf(principal: Principal, scopes: readonly Scope[], services: Services): (readonly Limit[])[] | null {
  if (services.rateLimit.length === 0) {
    if (limitsFor(undefined, true, principal, scopes, services.limits).length > 0)
      throw unavailable("limits count the call, and nothing is configured that keeps them");
    return null;
  }
  let limits: (readonly Limit[])[] | null = null;
  for (const [at, { slot }] of services.rateLimit.entries()) {
    const own = limitsFor(slot.own, at === 0, principal, scopes, services.limits);
    if (own.length > 0) (limits ??= services.rateLimit.map(() => none))[at] = own;
  }
  return limits;
}

async function takeLimits(
  call: Call,
  claim: Claim,
  limits: readonly (readonly Limit[])[],
  holds: Taken[],
  services: Services,
) {
  for (const [at, limiter] of services.rateLimit.entries()) {
    const own = limits[at] ?? none;
    if (own.length === 0) continue;
    try {
      const acquire = () => checkedHold(limiter.slot.acquire(claim, own));
      const taken = await take(call, "rate-limit", limiter, acquire, services);
      holds.push(taken);
      if (taken.spared) noteSpared(taken.spared, call, services);
    } catch (error) {
      if (error instanceof GatewayError && error.kind === "rate-limited") services.limits.refusedBy(error);
      throw error;
    }
  }
}

const none: readonly Limit[] = [];

async function take(
  call: Call,
  kind: Taken["kind"],
  plugin: Instance<object>,
  grant: () => Awaitable<Hold>,
  services: Services,
): Promise<Taken> {
  const { name } = plugin;
  const hook = kind === "billing" ? "authorize" : "acquire";
  const hold = await closedHook(hookOf(call, services), kind, name, hook, grant, releaseLate);
  return { kind, name, hold, ...toldWith(hold, kind, plugin, services.logger) };
}

function billFor(
  call: Call,
  asked: Asked,
  route: Route,
  scopes: readonly Scope[],
  services: Services,
  told?: readonly (number | null)[],
): Bill {
  const counted = isUnbilled(call.endpoint.operation) ? "free" : services.database.budgets.inScope(scopes);
  if (counted !== "none" && counted !== "free" && !services.billing)
    throw unavailable("a budget counts the call, and nothing is configured that rates it");
  return billOf(asked, route, counted, services, call.accounts, told);
}

interface Applicant {
  readonly call: Call;
  readonly principal: Principal;
  readonly asked: Asked;
  readonly route: Route;
}

const admissionOf = (
  { call, principal, asked, route }: Applicant,
  scopes: readonly Scope[],
  { budgeted, ifInterrupted }: Bill,
  need: Bill["need"],
): Admission => ({
  callId: call.id,
  startedMs: call.startedMs,
  accountId: principal.accountId,
  keyId: principal.keyId,
  principal: principal.name,
  labels: labelText(principal.labels),
  dialect: call.endpoint.dialect.name,
  operation: call.endpoint.operation,
  model: asked.envelope.model,
  stream: asked.envelope.stream,
  provider: route.targets[0].provider,
  upstreamModel: route.targets[0].model,
  scopes: isUnbilled(call.endpoint.operation) ? [] : scopes,
  need,
  budgeted,
  ifInterrupted,
});

const hookOf = (call: Call, services: Services): HookContext => ({ logger: services.logger, timings: call.timings });

const unavailable = (message: string) => new GatewayError("unavailable", message, { retryAfterSeconds: 5 });

function granted(
  call: Call,
  { envelope }: Asked,
  bill: Bill,
  result: Extract<AdmitResult, { admitted: true }>,
  route: Route,
  holds: readonly Taken[],
): Admitted {
  const perCandidate =
    bill.capTokens === null || !bill.budgeted ? null : Math.floor(result.outputTokens / envelope.candidates);
  const lowered = perCandidate !== null && perCandidate < (envelope.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  if (lowered)
    call.warnings.push(
      envelope.maxOutputTokens === null
        ? `max output tokens set to ${perCandidate}, because a budget holds for the call`
        : `max output tokens lowered from ${envelope.maxOutputTokens} to ${perCandidate} to fit the budget`,
    );
  return {
    route,
    holds,
    held: result.holds,
    heldNano: result.heldNano,
    maxOutputTokens: lowered ? perCandidate : null,
    expectedInputTokens: bill.expectedInputTokens,
    inputBoundTokens: bill.inputBoundTokens,
    outputBoundTokens: perCandidate === null ? capOf(envelope) : result.outputTokens,
  };
}

const capOf = ({ maxOutputTokens, candidates }: Envelope): number | null =>
  maxOutputTokens === null ? null : maxOutputTokens * candidates;

type ShortResult = Extract<AdmitResult, { budget: unknown }>;

/** Money that is spent comes back only with the window; money that is held, as soon as a call in flight ends. */
function shortBudget(
  { budget, prepaid, neededNano, fittingOutputTokens }: ShortResult,
  candidates: number,
  nowMs: number,
) {
  const { limitNano, spentNano, heldNano, resetsAtMs } = budget;
  const what = prepaid ? "balance" : "budget";
  const limit = {
    scope: budget.scope,
    limit: limitNano,
    used: spentNano,
    held: heldNano,
    needed: neededNano,
    free: Math.max(limitNano - spentNano - heldNano, 0),
    fittingMaxOutputTokens: Math.floor(fittingOutputTokens / candidates),
    resetsAt: resetsAtMs,
  };
  const onlyHeld = neededNano <= limitNano - spentNano;
  if (onlyHeld)
    return new GatewayError("rate-limited", `the rest of the ${what} is held by calls in flight; try again soon`, {
      code: "budget_held",
      retryAfterSeconds: 1,
      limit,
    });
  const retryAfterSeconds =
    resetsAtMs === null ? {} : { retryAfterSeconds: Math.max(1, Math.ceil((resetsAtMs - nowMs) / 1_000)) };
  return new GatewayError(
    "insufficient-quota",
    `the ${what} of the ${budget.scope.kind} does not cover this call: it needs ${neededNano} nano-USD, ${limit.free} are free`,
    { code: "insufficient_quota", shouldRetry: false, limit, ...retryAfterSeconds },
  );
}

async function giveBack(holds: Admitted["holds"], call: Call, services: Services) {
  for (const { name, kind, hold } of holds.toReversed()) {
    try {
      await closedHook(hookOf(call, services), kind, name, "release", () => hold.release());
    } catch {
      // Logged by the hook; the refusal that is on its way matters more to the client.
    }
  }
}
