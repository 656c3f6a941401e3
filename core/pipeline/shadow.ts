import { setImmediate as nextTurn } from "node:timers/promises";
import { GatewayError } from "../chat/error.ts";
import { noUsage } from "../chat/usage.ts";
import { labelText } from "../plugin/labels.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Need } from "../storage/database.ts";
import { ownAccount, ownAccounts } from "../storage/own-accounts.ts";
import { admit, type Admitted } from "./admit.ts";
import { isUnpriced } from "./bill.ts";
import { type Call, openCall } from "./call.ts";
import type { Asked } from "./decode.ts";
import { dispatch } from "./dispatch.ts";
import { leaveLists } from "./disconnect.ts";
import { expectedInput, inputBound } from "./estimate.ts";
import { gatewayError, settleFailed } from "./fail.ts";
import { protocolHeaders } from "./message.ts";
import type { RouteTarget } from "./models.ts";
import { respond } from "./respond.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { Services } from "./services.ts";
import { targetName } from "./target-name.ts";

/** A second target that gets a copy of a call, when the client has its answer. */
export interface Shadow {
  /** The alias it is of. */
  readonly of: string;
  readonly target: RouteTarget;
  readonly maxInFlight: number;
  /** Id or name of the account that pays for it and whose budgets and limits hold it; `null`: nobody pays. */
  readonly account: string | null;
}

/** Why a copy was not sent, or came to nothing before it was. */
const dropReasons = ["in-flight", "load", "price", "account", "refused"] as const;
type DropReason = (typeof dropReasons)[number];

export interface Shadows {
  /** Copies on their way now, by the alias they are of. */
  readonly inFlight: Map<string, number>;
  /** Since the start. */
  sent: number;
  readonly dropped: Map<DropReason, number>;
  /** The account of those that nobody pays for; `null`: none was sent yet. */
  ownAccount: Promise<string> | null;
}

export const noShadows = (): Shadows => ({
  inFlight: new Map(),
  sent: 0,
  dropped: new Map(dropReasons.map((reason) => [reason, 0])),
  ownAccount: null,
});

/** Records have it for who calls. It is no key's name: those have no brackets. */
const shadowPrincipal = "(shadow)";
/** As calls that somebody made to see whether a model answers have it: reports tell them apart. */
const labels = { made: "shadow" };
/** A copy keeps the body of its call in memory. */
const maxBodyLength = 1_048_576;

/**
 * Answers the call, and sends its copy afterwards: nothing of it is in the way of the answer. A call that gets none has no
 * copy.
 */
export async function withShadow(
  shadow: Shadow,
  call: Call,
  asked: Asked,
  services: Services,
  answer: () => Promise<Response>,
): Promise<Response> {
  const copy = registered(shadow, call, asked, services);
  if (copy === null) return answer();
  try {
    const response = await answer();
    void sent(copy, shadow, asked, services);
    return response;
  } catch (error) {
    left(copy, shadow, asked, services);
    throw error;
  }
}

/** On every list that a call is on, before the one it copies leaves them; `null`: there is no room for it. */
function registered({ of, target, maxInFlight }: Shadow, call: Call, asked: Asked, services: Services): Call | null {
  const { overload, open, draining, shadows } = services;
  if (draining.value || call.clientGone) return null;
  const inFlight = shadows.inFlight.get(of) ?? 0;
  if (inFlight >= maxInFlight) return dropped("in-flight", shadows);
  if (overload.streams !== null || asked.text.length > maxBodyLength) return dropped("load", shadows);
  try {
    overload.holdBody(asked.text.length);
  } catch {
    return dropped("load", shadows);
  }
  shadows.inFlight.set(of, inFlight + 1);
  const copy = openCall(null, call.endpoint, services);
  copy.envelope = { ...asked.envelope, model: targetName(target) };
  copy.shadow = { callId: call.id, isFree: true, clientHeaders: protocolHeaders(call) };
  open.add(copy);
  services.inUse.enter();
  return copy;
}

function dropped(reason: DropReason, { dropped: counts }: Shadows): null {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return null;
}

function left(copy: Call, { of }: Shadow, asked: Asked, services: Services): void {
  services.overload.releaseBody(asked.text.length);
  const { inFlight } = services.shadows;
  inFlight.set(of, (inFlight.get(of) ?? 1) - 1);
  if (copy.ended) return;
  copy.ended = true;
  leaveLists(copy, services);
  services.inUse.leave();
}

/** Never rejects: nobody waits for it. */
async function sent(copy: Call, shadow: Shadow, of: Asked, services: Services): Promise<void> {
  // First the answer, and whatever else this turn has to do.
  await nextTurn();
  try {
    const asked = { ...of, envelope: copy.envelope ?? of.envelope };
    const admitted = await admittedFor(copy, shadow, asked, services);
    if (admitted === null) return;
    copy.admitted = admitted;
    services.shadows.sent += 1;
    await run(copy, asked, admitted, onceOnly(services));
  } catch (error) {
    gatewayError(copy, error, services);
  } finally {
    left(copy, shadow, of, services);
  }
}

async function run(copy: Call, asked: Asked, admitted: Admitted, services: Services): Promise<void> {
  try {
    const response = await respond(copy, await dispatch(copy, asked, admitted, services), services);
    if (response.body === null) return;
    const reader = response.body.getReader();
    while (!(await reader.read()).done);
  } catch (error) {
    await settleFailed(copy, admitted.route, gatewayError(copy, error, services), services);
  }
}

/** `null`: it may not be sent, which nobody but the counter is told. */
async function admittedFor(
  copy: Call,
  { target, account }: Shadow,
  asked: Asked,
  services: Services,
): Promise<Admitted | null> {
  const { shadows, database } = services;
  if (copy.stopped) return null;
  const accountId = account === null ? await own(services) : await database.accounts.idOf(account);
  if (accountId === null) return dropped("account", shadows);
  const principal: Principal = { name: shadowPrincipal, keyId: null, accountId, models: "all", limits: {}, labels };
  copy.principal = principal;
  const route = { targets: [target] } as const;
  if (account === null)
    return hasPrice(target, services) ? freely(copy, asked, target, accountId, services) : dropped("price", shadows);
  copy.shadow = copy.shadow && { ...copy.shadow, isFree: false };
  try {
    return await admit(copy, principal, asked, route, services);
  } catch (error) {
    if (error instanceof GatewayError && error.kind !== "internal") return dropped("refused", shadows);
    throw error;
  }
}

/** Copies tell of calls of all accounts, so people of none see them. */
function own({ shadows, database: { accounts }, now }: Services): Promise<string> {
  return (shadows.ownAccount ??= ownAccount(ownAccounts.unpaidShadows, accounts, now).catch((error: unknown) => {
    shadows.ownAccount = null;
    throw error;
  }));
}

/** An unknown price refuses, also where nobody pays: what a copy costs must be known. */
function hasPrice(target: RouteTarget, { billing, now }: Services): boolean {
  if (!billing || billing.slot.policy.unpriced === "allow") return true;
  try {
    billing.slot.rate(noUsage, target, now());
    return true;
  } catch (error) {
    if (isUnpriced(error)) return false;
    throw error;
  }
}

/** Opened in the ledger like any call, with no hold and no limit: it is counted nowhere. */
async function freely(
  copy: Call,
  { envelope }: Asked,
  target: RouteTarget,
  accountId: string,
  services: Services,
): Promise<Admitted | null> {
  const { database, ratios } = services;
  if (database.trouble() !== null) return null;
  const result = await database.ledger.admit({
    callId: copy.id,
    startedMs: copy.startedMs,
    accountId,
    keyId: null,
    principal: shadowPrincipal,
    labels: labelText(labels),
    dialect: copy.endpoint.dialect.name,
    operation: copy.endpoint.operation,
    model: envelope.model,
    stream: envelope.stream,
    provider: target.provider,
    upstreamModel: target.model,
    scopes: [],
    need: nothing,
    budgeted: false,
    ifInterrupted: null,
  });
  if (!result.admitted) return null;
  const { maxOutputTokens, candidates, input } = envelope;
  const inputBoundTokens = inputBound(input, null);
  return {
    route: { targets: [target] },
    holds: [],
    held: [],
    heldNano: 0,
    maxOutputTokens: null,
    expectedInputTokens: expectedInput(input, ratios.of(target).input, inputBoundTokens),
    inputBoundTokens,
    outputBoundTokens: maxOutputTokens === null ? null : maxOutputTokens * candidates,
  };
}

const nothing: Need = { inputNano: 0, outputNano: 0, outputTokens: 0, leastOutputTokens: 0 };

/** Asked once, and not at all where calls of clients wait for a place. It takes nothing of the budget for retries. */
function onceOnly(services: Services): Services {
  const { settings, bulkheads } = services;
  return {
    ...services,
    settings: { ...settings, attempts: { ...settings.attempts, max: 1 } },
    retries: noRetries,
    bulkheads: {
      refused: 0,
      list: () => bulkheads.list(),
      leave: (provider) => bulkheads.leave(provider),
      isFull: (provider) => bulkheads.isFull(provider),
      enter(provider) {
        const queue = new AbortController();
        const place = bulkheads.enter(provider, queue.signal);
        if (place)
          queue.abort(new GatewayError("unavailable", "calls wait for the provider", { code: "provider_busy" }));
        return place;
      },
    },
  };
}

const noRetries: RetryBudget = { called() {}, take: () => false, taken: 0, denied: 0 };
