import type { Static } from "@sinclair/typebox";
import { remainingOf } from "../chat/limit.ts";
import type { SelfFilter, SelfRange, SelfService, SelfView } from "../identity/self.ts";
import { credentialFor } from "../pipeline/authenticate.ts";
import type { Services } from "../pipeline/services.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { AccountTerms } from "../storage/account-terms.ts";
import type { CallRow, UsageSum } from "../storage/database.ts";
import { budgetAnswer } from "./budgets.ts";
import { dialectOf } from "./caller.ts";
import { sumsAnswer } from "./calls.ts";
import { answered } from "./caller-answer.ts";
import { jsonOf } from "./json-body.ts";
import { listOrNull, secretAnswer } from "./keys.ts";
import { checked, checkedQuery } from "./route.ts";
import { selfOperations } from "./self-operations.ts";

/** What holders of a key, or of an issuer's token, ask of themselves. */
export function selfRoutes(service: SelfService, services: Services, addressOf: (request: Request) => string | null) {
  async function shown(request: Request) {
    const credential = credentialFor(request, dialectOf(request).name);
    return credential === null ? null : service.secretOf(credential);
  }

  const { view, usage, calls, rotate } = selfOperations;
  const route = <Operation extends (typeof selfOperations)[keyof typeof selfOperations]>(
    { method, path, status }: Operation,
    answer: (principal: Principal, request: Request) => Promise<object>,
  ) => ({
    method,
    path,
    access: "key" as const,
    handle: (request: Request) =>
      answered(
        request,
        services,
        async (principal) => {
          await service.begin(principal, path);
          return answer(principal, request);
        },
        status,
      ),
  });
  return [
    route(view, async (principal, request) => {
      checkedQuery(view.query, withoutKey(request));
      return viewAnswer(await service.view(principal, await shown(request)), services.now());
    }),
    route(usage, async (principal, request) => {
      const { groupBy, ...range } = checkedQuery(usage.query, withoutKey(request));
      // The schema's pattern admits these names only.
      const fields = (groupBy === undefined ? [] : groupBy.split(",")) as SelfRange["groupBy"];
      const { data, total } = await service.usage(principal, { ...range, groupBy: [...new Set(fields)] });
      return { data: data.map(({ group, ...sums }) => ({ ...group, ...charged(sums) })), total: charged(total) };
    }),
    route(calls, async (principal, request) => {
      const { after, limit, ...filter } = checkedQuery(calls.query, withoutKey(request));
      const paging = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
      // The schema's list of statuses is that of CallStatus, which its union of literals widens to string.
      const { data, next } = await service.calls(principal, filter as SelfFilter, paging);
      return { data: data.map(ownCallAnswer), next };
    }),
    route(rotate, async (principal, request) => {
      checkedQuery(rotate.query, withoutKey(request));
      const input: Static<typeof rotate.body> = checked(rotate.body, await jsonOf(request));
      const { row, secret } = await service.rotate(principal, await shown(request), input, {
        address: addressOf(request),
        route: `${rotate.method} ${rotate.path}`,
      });
      const { olderSecrets } = await service.view(principal, null);
      return {
        id: row.id,
        key: secret,
        prefix: row.prefix,
        last4: row.last4,
        olderSecrets: olderSecrets.map(secretAnswer),
      };
    }),
  ];
}

/** Where the dialect lets a key stand in the address, it is no parameter. */
function withoutKey(request: Request): URLSearchParams {
  const { searchParams } = new URL(request.url);
  if (dialectOf(request).name === "gemini") searchParams.delete("key");
  return searchParams;
}

const restricts = ({ models, providers, operations }: AccountTerms): boolean =>
  models !== "all" || providers !== "all" || operations !== "all";

function viewAnswer(view: SelfView, nowMs: number) {
  const { principal, key, account, terms, secretUntilMs, olderSecrets, budgets, balance, limits, mayRotate } = view;
  return {
    principal: principal.name,
    account: { ...account, metadata: Object.assign({}, ...terms.map(({ metadata }) => metadata)) },
    key: key && {
      id: key.id,
      name: key.name,
      prefix: key.prefix,
      last4: key.last4,
      cidrs: key.cidrs,
      metadata: key.metadata,
      declared: key.declaredAs !== null,
      createdAt: key.createdMs,
      expiresAt: key.expiresMs,
      lastUsedAt: key.lastUsedMs,
      secretEndsAt: secretUntilMs,
      olderSecrets: olderSecrets.map(secretAnswer),
    },
    models: listOrNull(principal.models),
    operations: principal.operations ?? null,
    routes: principal.routes ?? null,
    alsoWithin: terms.filter(restricts).map(({ models, providers, operations }) => ({
      models: listOrNull(models),
      providers: listOrNull(providers),
      operations: listOrNull(operations),
    })),
    mayRotate,
    budgets: budgets.map(({ binds, ...budget }) => {
      const { alertPercents: _, admission: __, ...shown } = budgetAnswer(budget);
      const freeNano = Math.max(0, budget.limitNano - budget.spentNano - budget.heldNano);
      return { ...shown, freeNano, binds };
    }),
    balance: balance && {
      accountId: balance.accountId,
      balanceNano: balance.balanceNano,
      heldNano: balance.heldNano,
      freeNano: Math.max(0, balance.balanceNano - balance.heldNano),
      binds: balance.binds,
    },
    limits: limits.map(({ limit, use, binds }) => ({
      scope: limit.scope,
      measure: limit.measure,
      ...(limit.measure !== "concurrency" && { per: limit.per ?? "minute" }),
      limit: limit.amount,
      enforce: limit.enforce !== false,
      used: use && use.used,
      held: use && use.held,
      remaining: use && remainingOf(use),
      resetsAt: use === null || use.resetMs === null ? null : Math.ceil(nowMs + use.resetMs),
      binds,
    })),
  };
}

/** What providers bill is between them and the operator. */
function charged(sums: UsageSum) {
  const { costNano: _, ...told } = sumsAnswer(sums);
  return told;
}
const ownCallAnswer = ({ costNano: _, accountId: __, keyId: ___, principal: ____, ...row }: CallRow) => ({
  id: row.callId,
  ...row,
});
