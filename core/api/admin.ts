import { answerHeaders } from "../pipeline/answer-headers.ts";
import type { Ratios } from "../pipeline/ratios.ts";
import type { RouteMapSources } from "../pipeline/route-map.ts";
import type { Services } from "../pipeline/services.ts";
import type { TestCall } from "../pipeline/test-call.ts";
import type { TrafficSources } from "../pipeline/traffic.ts";
import type { OwnService, PersonService } from "../identity/people.ts";
import type { Actor } from "../identity/policy.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { Database } from "../storage/database.ts";
import { accountRoutes } from "./accounts.ts";
import { aliasRouteRoutes } from "./alias-route.ts";
import { auditRoutes } from "./audit.ts";
import { budgetRoutes } from "./budgets.ts";
import { callRoutes } from "./calls.ts";
import { configRoutes } from "./config.ts";
import type { ConfigService } from "./config-service.ts";
import { type ContentAccess, contentRoutes } from "./content.ts";
import { type EntranceDependencies, entranceOf, type Gate } from "./entrance.ts";
import { estimateRoutes } from "./estimates.ts";
import { explainRoutes, explainService } from "./explain.ts";
import { providerHealthRoutes } from "./provider-health.ts";
import { exportRoutes } from "./exports.ts";
import type { KeyServiceDependencies } from "./key-service.ts";
import { jsonOf } from "./json-body.ts";
import { keyRoutes } from "./keys.ts";
import { ledgerRoutes } from "./ledger.ts";
import type { LimitService } from "../identity/limits.ts";
import { limitRoutes } from "./limits.ts";
import { limitsWithin } from "./limits-within.ts";
import { openapi } from "./openapi.ts";
import { ownRoutes } from "./own.ts";
import { peopleRoutes } from "./people.ts";
import { type OutboxRouteDependencies, outboxRoutes } from "./outbox.ts";
import { pluginRoutes } from "./plugins.ts";
import type { PriceService } from "./price-service.ts";
import type { CredentialService } from "./credential-service.ts";
import { providerRoutes } from "./providers.ts";
import { priceRoutes, type RepriceCalls } from "./prices.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { NoQuerySchema } from "./schemas.ts";
import { testCallRoutes } from "./test-call.ts";
import { type TenantParts, tenantParts } from "./tenant-parts.ts";

export interface ApiDependencies extends KeyServiceDependencies, EntranceDependencies {
  /** Attempts and the outbox are of the whole, so their routes are only for those who see it. */
  readonly database: TenantDatabase & Pick<Database, "attempts" | "outbox">;
  readonly prices: PriceService;
  readonly content: ContentAccess;
  readonly config: ConfigService;
  readonly people: PersonService;
  readonly own: OwnService;
  readonly limits: LimitService;
  readonly credentials: CredentialService;
  readonly testCall: TestCall;
  readonly ratios: Pick<Ratios, "list">;
  readonly health: TrafficSources & RouteMapSources;
  readonly explains: Services;
  readonly reprice: RepriceCalls;
  readonly outbox: OutboxRouteDependencies["outbox"];
  readonly version: string;
  readonly publicUrl: string;
}

/** The routes under `/api`, each behind its permission, and their description. */
export function adminRoutes(dependencies: ApiDependencies) {
  const { guarded } = entranceOf(dependencies);
  const routes = routesOver(dependencies, tenantParts(dependencies, null));
  const description = openapi(routes, dependencies);
  /** The same route, over what the actor's account holds. */
  const routeFor = (actor: Actor, place: number, route: ApiRoute): ApiRoute =>
    actor.accountId === null
      ? route
      : (routesOver(dependencies, tenantParts(dependencies, actor.accountId))[place] ?? route);

  return [
    ...routes.map((route, place) => ({
      method: route.method,
      path: route.path,
      access: "admin" as const,
      permission: route.permission,
      handle: (request: Request, params: Readonly<Record<string, string>>) =>
        guarded(request, gateOf(route), (actor) => answerOf(routeFor(actor, place, route), request, params, actor)),
    })),
    {
      method: "GET" as const,
      path: "/openapi.json",
      access: "admin" as const,
      permission: "description.read" as const,
      handle: (request: Request) =>
        guarded(request, describing, async () => Response.json(description, { headers: headersOfAll })),
    },
  ];
}

const gateOf = ({ method, path, permission, session }: ApiRoute): Gate => ({
  permission,
  session: session === true,
  route: `${method} ${path}`,
});
const describing: Gate = { permission: "description.read", session: true, route: "GET /openapi.json" };

/**
 * What a route reads of a database it gets from `parts`, which hold only what the actor may see. Services of
 * `dependencies` are for routes that only the whole may use, or they ask who the actor is.
 */
function routesOver(dependencies: ApiDependencies, parts: TenantParts): readonly ApiRoute[] {
  const { now } = dependencies;
  const { database } = parts;
  return [
    ...keyRoutes(parts.service, database, now),
    ...accountRoutes(parts.accounts, { database }),
    ...budgetRoutes(parts.budgets, database),
    ...limitRoutes(parts.place === null ? dependencies.limits : limitsWithin(dependencies.limits, parts.place), now),
    ...ledgerRoutes(parts.credits, database),
    ...callRoutes(database, now),
    ...auditRoutes(database, now),
    ...explainRoutes(explainService(parts, dependencies.explains)),
    ...configRoutes(dependencies.config),
    ...pluginRoutes(dependencies.config),
    ...contentRoutes(dependencies.content, database),
    ...estimateRoutes(dependencies.ratios),
    ...providerHealthRoutes(dependencies.health, dependencies.database, now),
    ...exportRoutes(database.exports, dependencies),
    ...peopleRoutes(dependencies.people),
    ...ownRoutes(dependencies.own, database, now),
    ...priceRoutes(dependencies.prices, dependencies.reprice),
    ...outboxRoutes(dependencies),
    ...providerRoutes(dependencies.credentials),
    ...testCallRoutes(dependencies.testCall),
    ...aliasRouteRoutes(dependencies.health),
  ];
}

const headersOfAll = { ...answerHeaders, vary: "Cookie, Authorization" };

async function answerOf(
  route: ApiRoute,
  request: Request,
  params: Readonly<Record<string, string>>,
  actor: Actor,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  // A route that takes some checks them itself, with their types.
  if (!route.query) checkedQuery(NoQuerySchema, query);
  const body = route.body ? await jsonOf(request) : null;
  const answer = await route.answer({ actor, params, query, body });
  if (!(answer instanceof Response))
    return Response.json(answer, { status: route.status ?? 200, headers: headersOfAll });
  for (const [name, value] of Object.entries(headersOfAll)) answer.headers.set(name, value);
  return answer;
}
