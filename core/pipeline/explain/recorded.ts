import type { Biller, Provider } from "../../plugin/plugin.ts";
import { type LimitScope, limitText } from "../../chat/limit.ts";
import type { CallWhy, CountedBy, HeldOn } from "../../storage/call-why.ts";
import type { CallDetail, Database } from "../../storage/database.ts";
import type {
  Explanation,
  ExplainedBudget,
  ExplainedHold,
  ExplainedLimit,
  ExplainedOutcome,
  ExplainedTarget,
} from "./explanation.ts";
import { explainedHold } from "./held-for.ts";
import { settlementOf } from "./settlement.ts";

export interface RecordedDependencies {
  /** As whoever asks may see it. */
  readonly database: Pick<Database, "accounts" | "budgets" | "calls" | "credits">;
  readonly biller: Biller | null;
  readonly providers: ReadonlyMap<string, Provider>;
  /** Whoever asks may see what providers bill, and what that could be reckoned from. */
  readonly whole: boolean;
}

/** What is known of a call that was made: what was recorded as it went, and nothing else. `null`: no such call. */
export async function explainRecorded(
  callId: string,
  { database, biller, providers, whole }: RecordedDependencies,
): Promise<Explanation | null> {
  const call = await database.calls.get(callId);
  if (call === null) return null;
  const { why } = call;
  const line = await database.accounts.countedLine(call.accountId, call.createdMs);
  const held = await Promise.all((why?.holds ?? []).map((one) => budgetOf(one, database, whole)));
  const budgets = held.filter((budget) => budget !== null);
  const accounts = line.map(({ id, name }) => ({ id, name }));
  const ids = line.map(({ id }) => id);
  const hold = holdOf(call, { biller: whole ? biller : null, providers, accounts: ids });
  const counted = (why?.limits ?? []).map((one) => limitOf(one, call));
  const limits = whole ? counted : counted.filter(({ scope }) => isOwn(scope, ids));
  const found = {
    estimate: why?.estimate
      ? { expectedInputTokens: why.estimate[0], mostInputTokens: why.estimate[1], mostOutputTokens: why.estimate[2] }
      : null,
    // Of one that was refused, only the limits that refused it were told where they stood.
    limits: why && (why.limits || !why.refused) ? limits : null,
    budgets: why && !why.refused ? budgets : null,
    targets: why && (!why.refused || why.skipped) ? targetsOf(call, whole) : null,
    plugins: why && Object.entries(why.hooksUs ?? {}).map(([plugin, tookUs]) => ({ plugin, tookUs })),
  };
  return {
    callId,
    kind: "recorded",
    asked: {
      model: call.model,
      dialect: call.dialect,
      operation: call.operation,
      stream: call.stream,
      atMs: call.createdMs,
    },
    principal: { name: call.principal, keyId: call.keyId, accountId: call.accountId, accounts },
    outcome: outcomeOf(call, whole ? null : ids),
    ...found,
    limitsAbove: counted.length - limits.length,
    budgetsAbove: held.length - budgets.length,
    hold,
    attempts: call.attempts.map(({ sentMs = null, tookMs = null, fault = null, ...attempt }) => ({
      ...attempt,
      sentMs,
      tookMs,
      fault,
    })),
    warnings: call.notes?.warnings ?? [],
    settlement: call.status === "open" ? null : settlementOf(call, whole),
    unknown: unknownOf(call, found),
  };
}

/** `null`: it is not for whoever asks. */
async function budgetOf(
  [id, heldNano, leftNano, balance]: HeldOn,
  { budgets, credits }: Pick<Database, "budgets" | "credits">,
  whole: boolean,
): Promise<ExplainedBudget | null> {
  const held = { id, kind: balance ?? ("budget" as const), heldNano, leftNano };
  if (balance) {
    if (!whole && (await credits.balance(id)) === null) return null;
    return { ...held, scope: { kind: "account" as const, id }, window: "lifetime", limitNano: null };
  }
  const now = await budgets.get(id);
  if (now === null) return whole ? { ...held, scope: null, window: null, limitNano: null } : null;
  return { ...held, scope: now.scope, window: now.window, limitNano: now.limitNano };
}

function limitOf([kind, id, measure, per, limit, left]: CountedBy, call: CallDetail): ExplainedLimit {
  const own = kind === "account" ? call.accountId : kind === "key" ? (call.keyId ?? call.principal) : kind;
  const scope = { kind, id: id ?? own };
  const text = limitText({ scope, measure, amount: limit, ...(per !== null && { per }) });
  return { text, scope, measure, per, limit, left };
}

/** People of an account see what is on it and on what is below it, as in all lists. */
export const isOwn = ({ kind, id }: LimitScope, accounts: readonly string[]): boolean =>
  kind === "key" || (kind === "account" && accounts.includes(id));

/** `accounts`: those that whoever asks may see; `null`: all. */
function outcomeOf(
  { why, notes, status, httpStatus, errorKind }: CallDetail,
  accounts: readonly string[] | null,
): ExplainedOutcome {
  const limit = why?.refused?.limit;
  const last = why?.tries?.at(-1)?.[2] ?? why?.passed?.at(-1)?.[1] ?? null;
  return {
    status,
    httpStatus,
    kind: errorKind,
    stage: why?.refused?.stage ?? (errorKind !== null && why ? "targets" : null),
    code: why?.refused?.code ?? (errorKind === null ? null : last),
    message: notes?.error ?? null,
    limit: limit && (accounts === null || isOwn(limit.scope, accounts)) ? limit : null,
  };
}

interface HoldNeeds {
  /** `null`: there is none, or its prices are not for whoever asks. */
  readonly biller: Biller | null;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly accounts: readonly string[];
}

function holdOf(call: CallDetail, { biller, providers, accounts }: HoldNeeds): ExplainedHold | null {
  const { why, heldNano, createdMs: atMs } = call;
  const [, mostInputTokens = null, mostOutputTokens = null] = why?.estimate ?? [];
  const targets = why?.route?.map(([target]) => target) ?? [`${call.provider}/${call.upstreamModel}`];
  return explainedHold(
    { nano: heldNano, mostInputTokens, mostOutputTokens, atMs, targets, accounts },
    biller,
    providers,
  );
}

/** Those of the route in its order, then those that were not for the call. */
function targetsOf(call: CallDetail, whole: boolean): readonly ExplainedTarget[] {
  const { why, attempts, provider, upstreamModel, status } = call;
  const route = why?.route ?? (provider === null ? [] : [[`${provider}/${upstreamModel}`] as const]);
  const passed = new Map(why?.passed);
  const answered = status === "upstream_error" || status === "refused" ? undefined : attempts.at(-1);
  const stateOf = (target: string): Pick<ExplainedTarget, "state" | "reason"> => {
    if (answered && target === `${answered.provider}/${answered.upstreamModel}`)
      return { state: "chosen", reason: null };
    const tried = attempts.findLast((attempt) => target === `${attempt.provider}/${attempt.upstreamModel}`);
    if (tried) return { state: "failed", reason: tried.fault ?? null };
    const reason = passed.get(target) ?? null;
    return { state: reason === null ? "not-asked" : "passed-over", reason };
  };
  const asked = route.map(([target, score = null]) => ({
    target,
    ...stateOf(target),
    words: null,
    score: whole ? score : null,
  }));
  return whole ? withExcluded(asked, why?.skipped) : asked.filter(({ state }) => state !== "not-asked");
}

/** One line a target: where an alias has it several times, the line tells of the entries that are not for the call too. */
export function withExcluded(
  route: readonly ExplainedTarget[],
  skipped: CallWhy["skipped"] = [],
): readonly ExplainedTarget[] {
  const byTarget = Map.groupBy(skipped, ([target]) => target);
  const told = route.map((line): ExplainedTarget => {
    const others = byTarget.get(line.target);
    byTarget.delete(line.target);
    return others && line.reason === null ? { ...line, words: `another entry of it ${wordsOf(others)}` } : line;
  });
  const excluded = [...byTarget].map(([target, all]): ExplainedTarget => {
    return { target, state: "excluded", reason: all[0]?.[1] ?? null, words: wordsOf(all), score: null };
  });
  return [...told, ...excluded];
}

const wordsOf = (skipped: NonNullable<CallWhy["skipped"]>): string =>
  [...new Set(skipped.map(([, , words]) => words))].join("; ");

function unknownOf(
  { why, status, heldNano }: CallDetail,
  found: Pick<Explanation, "limits" | "budgets" | "targets" | "plugins" | "estimate">,
): Explanation["unknown"] {
  const because =
    status === "open"
      ? "the call has not ended"
      : status === "interrupted"
        ? "the process that served the call died"
        : why?.refused
          ? "the call was refused before"
          : "the call was made before this was recorded";
  const fields = Object.entries(found).flatMap(([field, value]) => (value === null ? [field] : []));
  // Where nothing counts a call, nothing is estimated for it.
  const isCounted = why === null || heldNano > 0 || (why.limits ?? []).length > 0;
  return fields.filter((field) => field !== "estimate" || isCounted).map((field) => ({ field, because }));
}
