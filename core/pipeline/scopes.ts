import { GatewayError, type Scope } from "../chat/error.ts";
import type { Awaitable, Limit, Principal, RateLimiter } from "../plugin/plugin.ts";
import type { AccountRow } from "../storage/database.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { callerScope, eachOf, type LimitBook } from "./limit-book.ts";
import { isUnlimited, limitsOn } from "../plugin/limit-rules.ts";
import type { Route } from "./models.ts";
import type { Services } from "./services.ts";
import { targetName } from "./target-name.ts";

/**
 * Every scope whose budgets count this call. A provider's and a model's for each target it may end at: an alias is no way
 * around the budget of the model behind it.
 */
export function scopesOf({ accounts }: Call, principal: Principal, asked: Asked, route: Route): Scope[] {
  const scopes: Scope[] = [];
  if (principal.keyId !== null) scopes.push({ kind: "key", id: principal.keyId });
  for (const id of accounts) scopes.push({ kind: "account", id });
  add(scopes, "model", asked.envelope.model);
  for (const target of route.targets) {
    add(scopes, "model", targetName(target));
    add(scopes, "model", target.model);
    add(scopes, "provider", target.provider);
  }
  scopes.push({ kind: "global", id: "global" });
  return scopes;
}

/** The caller's accounts, as they are now. Throws as `openAccounts`. */
export function openLine(call: Call, principal: Principal, services: Services): Awaitable<string[]> {
  const lineage = services.database.accounts.lineage(principal.accountId, call.startedMs);
  return lineage instanceof Promise
    ? onceRead(lineage, principal, call, services)
    : openAccounts(lineage, principal, services, call.id);
}

const onceRead = async (
  lineage: Promise<readonly AccountRow[]>,
  principal: Principal,
  { id }: Call,
  services: Services,
): Promise<string[]> => openAccounts(await lineage, principal, services, id);

/** Their ids, nearest first. Throws `forbidden` where there is none, or one that takes no calls. */
export function openAccounts(
  lineage: readonly AccountRow[],
  { name, accountId }: Principal,
  services: Pick<Services, "logger"> & { readonly database: Pick<Services["database"], "accounts"> },
  callId?: string,
): string[] {
  if (lineage.length === 0) {
    services.logger.error(
      { callId, principal: name, accountId },
      "an auth plugin named an account that does not exist",
    );
    throw new GatewayError("forbidden", "the account does not exist");
  }
  const { accounts } = services.database;
  const ids: string[] = [];
  for (const { id } of lineage) {
    if (accounts.isDisabled(id)) throw new GatewayError("forbidden", "the account is disabled");
    ids.push(id);
  }
  return ids;
}

/** A budget counts a call once, however many of the call's names it has. */
function add(scopes: Scope[], kind: Scope["kind"], id: string) {
  for (const scope of scopes) if (scope.kind === kind && scope.id === id) return;
  scopes.push({ kind, id });
}

/** What one limiter counts: its own rules, and for the first one also those of the key, the file and the database. */
export function limitsFor(
  own: RateLimiter["own"],
  isFirst: boolean,
  principal: Principal,
  scopes: readonly Scope[],
  book: LimitBook,
): readonly Limit[] {
  const others = isFirst ? joined(keyLimitsOf(principal), book.of(scopes, principal)) : none;
  if (!own || isUnlimited(own.limits)) return others;
  const found = [...others];
  for (const scope of eachOf(scopes, principal))
    if (scope.kind === own.scope) found.push(...limitsOn(scope, own.limits, own.enforce));
  return found;
}

const none: readonly Limit[] = [];
const joined = (left: readonly Limit[], right: readonly Limit[]): readonly Limit[] =>
  right.length === 0 ? left : [...left, ...right];

/** A key's principal is the same object at every call, and so are its limits. */
const ofKeys = new WeakMap<Principal, readonly Limit[]>();

function keyLimitsOf(principal: Principal): readonly Limit[] {
  let limits = ofKeys.get(principal);
  if (limits === undefined) {
    limits = limitsOn(callerScope(principal), principal.limits);
    ofKeys.set(principal, limits);
  }
  return limits;
}
