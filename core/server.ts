import { type ApiDependencies, adminRoutes } from "./api/admin.ts";
import { dialectOf } from "./api/caller.ts";
import { entranceOf } from "./api/entrance.ts";
import { metricsRoute } from "./api/metrics.ts";
import { errorAnswer, notFound, upgradeRefused } from "./api/process.ts";
import { selfRoutes } from "./api/self.ts";
import { webhookRoute } from "./api/webhooks.ts";
import { errorPage } from "./dashboard/page.ts";
import type { DashboardDependencies } from "./dashboard/route.ts";
import { dashboardRoutes } from "./dashboard/routes.ts";
import { type Answerer, answererOf, frontRoutes, type Route } from "./front.ts";
import type { SelfService } from "./identity/self.ts";
import type { Services } from "./pipeline/services.ts";
import type { Webhooks } from "./plugin/webhooks.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { LoopLag } from "./runtime/loop-lag.ts";

export interface ServerDependencies {
  readonly services: Services;
  readonly api: ApiDependencies;
  readonly dashboard: DashboardDependencies;
  readonly self: SelfService;
  /** Why the process cannot serve now; empty: it can. */
  readonly troubles: () => readonly string[];
  readonly lag: Pick<LoopLag, "read">;
  /** Errors that nobody handled, so far. */
  readonly strays: { readonly count: number };
  readonly outbox: Pick<Outbox, "metrics">;
  readonly webhooks: Webhooks;
}

/** Every route of the process. Whoever passes requests on to them counts those that are no calls. */
export const routesOf = ({
  services,
  api,
  dashboard,
  self,
  troubles,
  lag,
  strays,
  outbox,
  webhooks,
}: ServerDependencies): readonly Route[] => [
  ...frontRoutes({ services, troubles }),
  ...selfRoutes(self, services, api.addressOf),
  metricsRoute({
    services,
    entrance: entranceOf(api),
    lag,
    strays,
    troubles,
    config: api.config,
    outbox,
    version: api.version,
  }),
  webhookRoute({ ...services, webhooks }),
  ...adminRoutes(api),
  ...dashboardRoutes(dashboard),
];

/** Answers every request. Never throws; every answer has a body or a reason to have none. */
export function serverOf(dependencies: ServerDependencies): Answerer {
  const routes = routesOf(dependencies);
  const { services, api } = dependencies;
  return answererOf(routes, {
    unmatched: (request) => unmatched(request, routes, api),
    failed(error, request) {
      services.logger.error({ error }, "a request failed for a reason of our own");
      return isPage(request)
        ? errorPage(request, 500, api.version)
        : errorAnswer(error, services.newId(), dialectOf(request));
    },
  });
}

/** 405 where the path exists with other methods, else 404, as a page or in the dialect of the path. */
function unmatched(request: Request, routes: readonly Route[], { version, newId }: ApiDependencies): Response {
  const { pathname } = new URL(request.url);
  const allow = methodsAt(pathname, routes);
  if (isPage(request))
    return allow.length === 0
      ? errorPage(request, 404, version)
      : errorPage(request, 405, version, undefined, { allow, back: pageAbove(pathname, routes) });
  const wantsSocket = /^websocket$/i.test(request.headers.get("upgrade") ?? "");
  if (wantsSocket && pathname.startsWith("/v1/") && allow.includes("POST"))
    return upgradeRefused(newId(), dialectOf(request));
  return notFound(allow, pathname, newId(), dialectOf(request));
}

/** Each GET answers HEAD too. */
const methodsAt = (pathname: string, routes: readonly Route[]): readonly Route["method"][] => [
  ...new Set(
    routes
      .filter(({ path }) => matcher(path).test(pathname))
      .flatMap(({ method }) => (method === "GET" ? (["GET", "HEAD"] as const) : [method])),
  ),
];

/** The address of a form stays in the address bar when its answer is a page; who opens it wants the page it was on. */
function pageAbove(pathname: string, routes: readonly Route[]): string | null {
  const above = pathname.slice(0, pathname.lastIndexOf("/"));
  return above === "" || methodsAt(above, routes).includes("GET") ? above || null : pageAbove(above, routes);
}

const isPage = (request: Request): boolean => /^https?:\/\/[^/]+\/dashboard(?:[/?#]|$)/.test(request.url);

const matcher = (path: string): RegExp =>
  new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+").replace(/\*/g, ".+")}$`);
