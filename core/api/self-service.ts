import { GatewayError, missing } from "../chat/error.ts";
import { remainingOf } from "../chat/limit.ts";
import type { Keys } from "../identity/keys.ts";
import type { Bound, SelfService, StandingLimit } from "../identity/self.ts";
import { lineTerms } from "../pipeline/account-terms.ts";
import { type Throttles, throttlesOf } from "../identity/throttle.ts";
import { callerScope } from "../pipeline/limit-book.ts";
import { permitRoute } from "../pipeline/permit.ts";
import { limitsFor, openAccounts } from "../pipeline/scopes.ts";
import { standing } from "../pipeline/standing-limits.ts";
import type { Services } from "../pipeline/services.ts";
import type { Principal, Scope } from "../plugin/plugin.ts";
import { asAuthor, authorOf } from "../storage/audit-author.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { Balance } from "../storage/credit.ts";
import type { AccountRow, Database } from "../storage/database.ts";
import type { FoundKey } from "../storage/key.ts";
import { dayMs, hourMs } from "../storage/range-parts.ts";
import type { KeyService } from "./key-service.ts";
import { RotationSchema } from "./key-schemas.ts";
import { checked } from "./route.ts";

export interface SelfServiceDependencies extends Pick<Services, "rateLimit" | "limits" | "now" | "logger"> {
  readonly database: Pick<Database, "accounts" | "accountTerms" | "budgets" | "calls" | "credits" | "keys">;
  readonly keys: Pick<Keys, "digestsIn">;
  readonly service: Pick<KeyService, "rotate">;
  /** Records hold the name of who has no key, not who told it: with several that tell names, one may be two people's. */
  readonly severalIssuers: boolean;
  /** Absent: what is counted is lost with the service. */
  readonly throttles?: Throttles;
}

/** Calls without a key are in no rollup: their sums read each call of the range. */
const callerRangeMs = 31 * dayMs;
/** Per credential; they are no calls, so no limit of calls counts them. */
const asksPerMinute = 60;
/** Each leaves a secret that may still work. */
const rotationsPerHour = 10;
/** More budgets than anybody puts on one scope. */
const maxBudgets = 200;

export function selfService(dependencies: SelfServiceDependencies): SelfService {
  const { database, keys, service, rateLimit, limits: book, now } = dependencies;
  /** Keys that get a new secret right now: of two at once only one can be shown the last. */
  const rotating = new Set<string>();
  const { throttles = throttlesOf(now) } = dependencies;
  const asks = throttles("asks of keys", asksPerMinute);
  const rotations = throttles("rotations by keys", rotationsPerHour, hourMs);

  const lineOf = async ({ accountId }: Principal) => database.accounts.lineage(accountId, now());
  async function budgetsOn(scopes: readonly Scope[]): Promise<readonly BudgetRow[]> {
    const pages = await Promise.all(scopes.map(async (scope) => database.budgets.list({ scope, limit: maxBudgets })));
    return pages.flatMap(({ data }) => data);
  }
  async function balanceOf(line: readonly AccountRow[]): Promise<Balance | null> {
    for (const { id } of line) {
      const balance = await database.credits.balance(id);
      if (balance) return balance;
    }
    return null;
  }
  function mustBeOne() {
    if (dependencies.severalIssuers)
      throw new GatewayError(
        "forbidden",
        "calls without a key are not told apart here, as several issuers are set up",
        {
          code: "caller_ambiguous",
        },
      );
  }
  async function limitsOf(principal: Principal, scopes: readonly Scope[]): Promise<readonly StandingLimit[]> {
    const found = await Promise.all(
      rateLimit.map(({ slot }, at) => standing(slot, limitsFor(slot.own, at === 0, principal, scopes, book))),
    );
    return found.flat();
  }

  return {
    async begin(principal, path) {
      brake(asks.take(callerScope(principal).id));
      permitRoute(principal, `http://self${path}`);
      openAccounts(await lineOf(principal), principal, dependencies);
    },
    async secretOf(credential) {
      for (const stored of keys.digestsIn(credential)) {
        const found = await database.keys.findByDigest(stored);
        if (found) return found;
      }
      return null;
    },
    async view(principal, secret) {
      const { keyId, accountId } = principal;
      const line = await lineOf(principal);
      const scopes = scopesOf(principal, line);
      const [key, olderSecrets, budgets, balance, limits] = await Promise.all([
        keyId === null ? null : database.keys.get(keyId),
        keyId === null ? [] : database.keys.olderSecrets(keyId, now()),
        budgetsOn(scopes),
        balanceOf(line),
        limitsOf(principal, scopes),
      ]);
      const [account = { id: accountId, name: accountId }] = line;
      const terms = lineTerms(line, database.accountTerms);
      return {
        principal,
        key,
        account: { id: account.id, name: account.name },
        terms,
        secretUntilMs: secret?.untilMs ?? null,
        olderSecrets,
        ...boundMoney(budgets, balance),
        limits: boundLimits(limits),
        mayRotate:
          key?.declaredAs === null && isPresent(secret, key.id) && terms.every(({ keyRotation }) => keyRotation),
      };
    },
    async usage(principal, { from, to = now() + 1, groupBy }) {
      const { keyId, accountId, name } = principal;
      if (keyId !== null) return database.calls.usage({ from: from ?? 0, to, groupBy, key: keyId });
      mustBeOne();
      const since = from ?? to - callerRangeMs;
      if (to - since > callerRangeMs)
        throw new GatewayError("invalid-request", "from: at most 31 days for a caller without a key", {
          param: "from",
        });
      return database.calls.usage({ from: since, to, groupBy, caller: { accountId, name } });
    },
    async calls({ keyId, accountId, name }, filter, query) {
      if (keyId !== null) return database.calls.list({ ...filter, key: keyId }, query);
      mustBeOne();
      const from = Math.max(filter.from ?? 0, now() - callerRangeMs);
      return database.calls.list({ ...filter, from, caller: { accountId, name } }, query);
    },
    async rotate(principal, shown, input, from) {
      const { keyId } = principal;
      if (keyId === null) throw new GatewayError("forbidden", "only keys are rotated here", notRotated);
      for (const { keyRotation } of lineTerms(await lineOf(principal), database.accountTerms))
        if (!keyRotation)
          throw new GatewayError("forbidden", "keys of the account do not rotate themselves", notRotated);
      if (!isPresent(shown, keyId))
        throw new GatewayError("forbidden", "only the present secret of a key can rotate it", notRotated);
      checked(RotationSchema, input);
      brake(rotations.take(keyId));
      if (rotating.has(keyId)) throw new GatewayError("conflict", "the key is being rotated");
      rotating.add(keyId);
      try {
        // Another one may just be done, since the secret was looked up.
        const row = (await database.keys.get(keyId)) ?? missing();
        if (row.prefix !== shown?.row.prefix || row.last4 !== shown.row.last4)
          throw new GatewayError("conflict", "the key was just rotated");
        const { name, accountId } = principal;
        const author = { ...authorOf("key", name), id: keyId, accountId, ...from };
        return (await asAuthor(author, () => service.rotate(keyId, input))) ?? missing();
      } finally {
        rotating.delete(keyId);
      }
    },
  };
}

const notRotated = { code: "rotation_not_allowed" };

/** Whoever found an old secret must not get at a new one. */
const isPresent = (secret: FoundKey | null, keyId: string): boolean =>
  secret?.row.id === keyId && secret.untilMs === null;

function brake(waitSeconds: number | null): void {
  if (waitSeconds === null) return;
  throw new GatewayError("rate-limited", `too many requests to /v1/me: wait ${waitSeconds} seconds`, {
    retryAfterSeconds: waitSeconds,
  });
}

/** What counts every call of the caller, whichever model it asks for. */
const scopesOf = ({ keyId }: Principal, line: readonly AccountRow[]): readonly Scope[] => [
  ...(keyId === null ? [] : [{ kind: "key", id: keyId } as const]),
  ...line.map(({ id }) => ({ kind: "account", id }) as const),
  { kind: "global", id: "global" },
];

/** A call must fit into all of them, so the one with the least left binds. */
function boundMoney(
  budgets: readonly BudgetRow[],
  balance: Balance | null,
): { readonly budgets: readonly Bound<BudgetRow>[]; readonly balance: Bound<Balance> | null } {
  const left = budgets.map(({ limitNano, spentNano, heldNano }) => limitNano - spentNano - heldNano);
  const leftOfBalance = balance ? balance.balanceNano - balance.heldNano : Number.POSITIVE_INFINITY;
  const least = Math.min(leftOfBalance, ...left);
  const first = left.indexOf(least);
  return {
    budgets: budgets.map((budget, at) => ({ ...budget, binds: at === first })),
    balance: balance && { ...balance, binds: first < 0 },
  };
}

/** Of each measure the enforced one with the least left. */
function boundLimits(limits: readonly StandingLimit[]): readonly Bound<StandingLimit>[] {
  const least = new Map<string, { readonly at: number; readonly left: number }>();
  for (const [at, { limit, use }] of limits.entries()) {
    if (limit.enforce === false) continue;
    const left = use ? remainingOf(use) : limit.amount;
    if (left < (least.get(limit.measure)?.left ?? Number.POSITIVE_INFINITY)) least.set(limit.measure, { at, left });
  }
  return limits.map((one, at) => ({ ...one, binds: least.get(one.limit.measure)?.at === at }));
}
