import { GatewayError } from "../../chat/error.ts";
import { toldBelow } from "../../chat/above.ts";
import { limitText, remainingOf } from "../../chat/limit.ts";
import { neededOf, type Principal, type Scope } from "../../plugin/plugin.ts";
import type { Database } from "../../storage/database.ts";
import { treeTerms } from "../account-terms.ts";
import { admit, type Admitted } from "../admit.ts";
import { type Call, openCall } from "../call.ts";
import type { Asked } from "../decode.ts";
import { NoFitError } from "../fit.ts";
import type { Route } from "../models.ts";
import { permit } from "../permit.ts";
import { limitsFor, openLine, scopesOf } from "../scopes.ts";
import type { Endpoint, Services } from "../services.ts";
import { targetName } from "../target-name.ts";
import { standing } from "../standing-limits.ts";
import { addWarnings } from "../warnings.ts";
import { estimateOf, skippedIn, stageOf } from "../why.ts";
import type {
  Explanation,
  ExplainedBudget,
  ExplainedHold,
  ExplainedLimit,
  ExplainedOutcome,
  ExplainedTarget,
} from "./explanation.ts";
import { explainedHold } from "./held-for.ts";
import { readOnly, type Seen } from "./read-only.ts";
import { isOwn, withExcluded } from "./recorded.ts";
import { plannedTargets } from "./planned-targets.ts";

/** A call that is not made. */
export interface HypotheticalCall {
  readonly principal: Principal;
  /** Why its credential would not let it in; `null`: it would. */
  readonly lockedOut: GatewayError | null;
  readonly endpoint: Endpoint;
  /** What is not looked at. */
  readonly notes: readonly string[];
  /** As the call's address would be. */
  readonly url: string;
  readonly asked: Asked;
  readonly headers: Headers;
  /** What the input was said to be; `null`: there is a body to count. */
  readonly inputTokens: number | null;
}

export interface DryRunDependencies {
  readonly services: Services;
  /** As whoever asks may see it. */
  readonly seen: Pick<Database, "accounts" | "budgets" | "credits">;
  /** As in `RecordedDependencies`. */
  readonly whole: boolean;
}

/** What would become of a call now, by the stages that it would go through. Changes nothing. */
export async function explainDryRun(given: HypotheticalCall, dependencies: DryRunDependencies): Promise<Explanation> {
  const { services: real, whole } = dependencies;
  const { principal, asked, endpoint } = given;
  const watched: Seen = { claim: null, mute: [] };
  const services = readOnly(real, given.inputTokens, watched);
  const call = openCall(null, endpoint, services);
  call.principal = principal;
  addWarnings(call.warnings, given.notes);
  const went = await through(call, given, services);
  const line = await dependencies.seen.accounts.lineage(principal.accountId, call.startedMs);
  const accounts = line.map(({ id }) => id);
  const scopes = went.route && (await openScopes(call, given, went.route, services));
  const limits = scopes && (await limitsOn(principal, scopes, watched, real));
  const budgets = scopes && (await budgetsOn(scopes, call.accounts, went.admitted, real.database));
  const mayLimits = limits?.filter(({ scope }) => whole || isOwn(scope, accounts)) ?? null;
  const mayBudgets =
    budgets?.filter((budget) => whole || (budget.scope !== null && isOwn(budget.scope, accounts))) ?? null;
  const above = budgets?.filter((budget) => !mayBudgets?.includes(budget)) ?? [];
  // What fits tells what is left up there.
  const isHidden = went.admitted !== null && above.some((budget) => hasLowered(budget, went.admitted));
  return {
    callId: null,
    kind: "dry-run",
    asked: {
      model: asked.envelope.model,
      dialect: endpoint.dialect.name,
      operation: endpoint.operation,
      stream: asked.envelope.stream,
      atMs: call.startedMs,
    },
    principal: {
      name: principal.name,
      keyId: principal.keyId,
      accountId: principal.accountId,
      accounts: line.map(({ id, name }) => ({ id, name })),
    },
    outcome: outcomeOf(call, went.refusal, whole ? null : accounts),
    estimate: isHidden ? null : estimateOf(went.admitted, call.refusedBill),
    limits: mayLimits,
    budgets: isHidden ? null : mayBudgets,
    limitsAbove: (limits?.length ?? 0) - (mayLimits?.length ?? 0),
    budgetsAbove: above.length,
    hold: isHidden ? null : went.admitted && holdOf(went.admitted, call, real, whole),
    targets: whole ? went.targets : went.targets.flatMap(seenFromBelow),
    plugins: Object.entries(call.timings).map(([plugin, ms]) => ({ plugin, tookUs: Math.round(ms * 1_000) })),
    attempts: [],
    warnings: isHidden ? [...given.notes, `the cap on the output is ${loweredAbove}`] : call.warnings,
    settlement: null,
    unknown: [
      ...unknownOf(watched, real),
      ...(isHidden ? ["estimate", "budgets", "hold"].map((field) => ({ field, because: loweredAbove })) : []),
    ],
  };
}

/** `null`: its account takes no calls. */
async function openScopes(call: Call, { principal, asked }: HypotheticalCall, route: Route, services: Services) {
  try {
    call.accounts = await openLine(call, principal, services);
    return scopesOf(call, principal, asked, route);
  } catch {
    return null;
  }
}

const loweredAbove = "lowered by a budget above";

/** Where a budget has lowered the cap, it has less left than another token costs. What it holds is the price of them all. */
function hasLowered({ heldNano, leftNano }: ExplainedBudget, admitted: Admitted | null): boolean {
  const { maxOutputTokens = null, outputBoundTokens = null } = admitted ?? {};
  return maxOutputTokens !== null && outputBoundTokens !== null && leftNano * outputBoundTokens <= heldNano * 2;
}

interface Went {
  readonly route: Route | null;
  readonly admitted: Admitted | null;
  readonly refusal: GatewayError | null;
  readonly targets: readonly ExplainedTarget[];
}

/** People of an account are told of targets that calls of theirs meet, and not by which figures or conditions. */
const seenFromBelow = (target: ExplainedTarget): readonly ExplainedTarget[] =>
  target.state === "chosen" || target.state === "passed-over" ? [{ ...target, words: null, score: null }] : [];

/** The stages of `handle` up to the first that would send something, in its order. */
async function through(call: Call, given: HypotheticalCall, services: Services): Promise<Went> {
  const { principal, asked, endpoint, url, headers } = given;
  let route: Route | null = null;
  try {
    if (given.lockedOut) throw given.lockedOut;
    const terms = await treeTerms(principal, services.database, call.startedMs);
    permit(principal, endpoint.operation, url, terms);
    call.envelope = asked.envelope;
    const choice = { endpoint, accountId: principal.accountId, envelope: asked.envelope, body: asked.body, headers };
    route = services.models.resolve(asked.envelope.model, principal, services.random, terms, choice);
    const admitted = await admit(call, principal, asked, route, services);
    return {
      route,
      admitted,
      refusal: null,
      targets: await plannedTargets(call, given, { route, admitted }, services),
    };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const skipped = error instanceof NoFitError ? skippedIn(error.skipped) : [];
    const targets = route
      ? await plannedTargets(call, given, { route, admitted: null }, services)
      : withExcluded([], skipped);
    return { route, admitted: null, refusal: error, targets };
  }
}

function outcomeOf(call: Call, refusal: GatewayError | null, accounts: readonly string[] | null): ExplainedOutcome {
  const passes = { status: "would-pass", httpStatus: null, stage: null, kind: null, code: null } as const;
  if (!refusal) return { ...passes, message: null, limit: null };
  const { code = null, limit } = refusal.details;
  return {
    status: "would-refuse",
    httpStatus: refusal.status,
    stage: refusal.kind === "unauthenticated" ? "authentication" : stageOf(call, refusal),
    kind: refusal.kind,
    code,
    message: accounts === null ? refusal.message : toldBelow(refusal, (scope) => isOwn(scope, accounts)).message,
    limit: limit && (accounts === null || isOwn(limit.scope, accounts)) ? limit : null,
  };
}

/** Each limit with what the call takes of it, and what is left before that. */
async function limitsOn(
  principal: Principal,
  scopes: readonly Scope[],
  { claim }: Seen,
  { rateLimit, limits: book }: Pick<Services, "rateLimit" | "limits">,
): Promise<readonly ExplainedLimit[]> {
  const found = await Promise.all(
    rateLimit.map(({ slot }, at) => standing(slot, limitsFor(slot.own, at === 0, principal, scopes, book))),
  );
  return found.flat().map(({ limit, use }): ExplainedLimit => {
    const { scope, measure, per = "minute", amount, enforce = true } = limit;
    return {
      text: limitText(limit),
      scope,
      measure,
      per: measure === "concurrency" ? null : per,
      limit: amount,
      left: use && remainingOf(use),
      enforced: enforce,
      ...(claim && { needed: neededOf(claim, measure) }),
    };
  });
}

/** Each budget in scope, and the balance that pays, with what they would hold and what is left after that. */
async function budgetsOn(
  scopes: readonly Scope[],
  accounts: readonly string[],
  admitted: Admitted | null,
  { budgets, credits }: Pick<Database, "budgets" | "credits">,
): Promise<readonly ExplainedBudget[]> {
  const held = new Map(admitted?.held.map(([id, nano, , kind = "budget"]) => [`${kind} ${id}`, nano]));
  const pages = await Promise.all(scopes.map(async (scope) => budgets.list({ scope, limit: maxBudgets })));
  const found = pages.flatMap(({ data }) =>
    data.map(({ id, scope, window, limitNano, spentNano, heldNano: before }): ExplainedBudget => {
      const heldNano = held.get(`budget ${id}`) ?? 0;
      return {
        id,
        kind: "budget",
        scope,
        window,
        limitNano,
        heldNano,
        leftNano: limitNano - spentNano - before - heldNano,
      };
    }),
  );
  for (const id of accounts) {
    const balance = await credits.balance(id);
    if (!balance) continue;
    const heldNano = held.get(`balance ${id}`) ?? 0;
    const scope = { kind: "account", id } as const;
    const leftNano = balance.balanceNano - balance.heldNano - heldNano;
    return [...found, { id, kind: "balance", scope, window: "lifetime", limitNano: null, heldNano, leftNano }];
  }
  return found;
}
/** More than anybody puts on one scope. */
const maxBudgets = 200;

function holdOf(
  { heldNano, inputBoundTokens, outputBoundTokens, route }: Admitted,
  call: Call,
  { billing, providers }: Services,
  whole: boolean,
): ExplainedHold | null {
  const held = {
    nano: heldNano,
    mostInputTokens: inputBoundTokens,
    mostOutputTokens: outputBoundTokens,
    atMs: call.startedMs,
    targets: route.targets.map(targetName),
    accounts: call.accounts,
  };
  return explainedHold(held, whole && billing ? billing.slot : null, providers);
}

function unknownOf({ mute }: Seen, { billing }: Services): Explanation["unknown"] {
  return [
    ...mute.map((name) => ({ field: "limits", because: `the plugin ${name} does not tell what it would say` })),
    ...(billing?.slot.authorize
      ? [{ field: "credit", because: `the plugin ${billing.name} is only asked for calls that are made` }]
      : []),
  ];
}
