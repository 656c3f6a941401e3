import { GatewayError, type Scope } from "../chat/error.ts";
import type { Limit, Limits, Principal } from "../plugin/plugin.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import type { Route } from "./models.ts";
import type { Services } from "./services.ts";

/**
 * Every scope whose budgets count this call. A provider's and a model's for each target it may end at: an alias is no way
 * around the budget of the model behind it.
 */
export async function scopesOf(
  call: Call,
  principal: Principal,
  asked: Asked,
  route: Route,
  services: Services,
): Promise<Scope[]> {
  const lineage = await services.database.accounts.lineage(principal.accountId, call.startedMs);
  if (lineage.length === 0) {
    services.logger.error({ callId: call.id }, "an auth plugin named an account that does not exist");
    throw new GatewayError("forbidden", "the account does not exist");
  }
  call.accounts = lineage.map(({ id }) => id);
  const scopes: Scope[] = [];
  if (principal.keyId !== null) scopes.push({ kind: "key", id: principal.keyId });
  for (const id of call.accounts) scopes.push({ kind: "account", id });
  add(scopes, "model", asked.envelope.model);
  for (const { provider, model } of route.targets) {
    add(scopes, "model", `${provider}/${model}`);
    add(scopes, "model", model);
    add(scopes, "provider", provider);
  }
  scopes.push({ kind: "global", id: "global" });
  return scopes;
}

/** A budget counts a call once, however many of the call's names it has. */
function add(scopes: Scope[], kind: Scope["kind"], id: string) {
  for (const scope of scopes) if (scope.kind === kind && scope.id === id) return;
  scopes.push({ kind, id });
}

type OwnLimits = { readonly scope: "key" | "account" | "global"; readonly limits: Limits };

/** The rules of the instance itself; the first instance also keeps those of the key. */
export function limitsFor(own: OwnLimits | undefined, keyOwner: Principal | null, caller: Principal): Limit[] {
  const callerScope: Scope = { kind: "key", id: caller.keyId ?? `${caller.accountId}/${caller.name}` };
  const limits = keyOwner ? rules(keyOwner.limits, callerScope) : [];
  if (!own) return limits;
  const scope: Scope =
    own.scope === "key" ? callerScope : { kind: own.scope, id: own.scope === "account" ? caller.accountId : "global" };
  return [...limits, ...rules(own.limits, scope)];
}

function rules(limits: Limits, scope: Scope): Limit[] {
  const found: Limit[] = [];
  if (limits.requestsPerMinute !== undefined)
    found.push({ scope, measure: "requests", amount: limits.requestsPerMinute });
  if (limits.tokensPerMinute !== undefined) found.push({ scope, measure: "tokens", amount: limits.tokensPerMinute });
  if (limits.concurrency !== undefined) found.push({ scope, measure: "concurrency", amount: limits.concurrency });
  return found;
}
