import { Elysia } from "elysia";
import { type ApiDependencies, adminRoutes } from "./api/admin.ts";
import { entranceOf } from "./api/entrance.ts";
import { metricsRoute } from "./api/metrics.ts";
import { dialectOf } from "./api/caller.ts";
import { callPaths, geminiEndpoint } from "./api/endpoints.ts";
import { getModel, listModels, unknownMethod } from "./api/models.ts";
import { errorAnswer, health, home, isWellFormedHost, notFound, readiness, upgradeRefused } from "./api/process.ts";
import { selfRoutes } from "./api/self.ts";
import { errorPage } from "./dashboard/page.ts";
import type { DashboardDependencies } from "./dashboard/route.ts";
import { dashboardRoutes } from "./dashboard/routes.ts";
import { handle } from "./gateway.ts";
import type { Permission } from "./identity/policy.ts";
import type { SelfService } from "./identity/self.ts";
import type { InUse } from "./pipeline/in-use.ts";
import type { Services } from "./pipeline/services.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { LoopLag } from "./runtime/loop-lag.ts";

/**
 * Who may use a route. Each handler checks for itself; the list is what is promised, and tests compare the two.
 * `key-session`: the holder of an API key who signed in to the dashboard.
 */
export type Access = "public" | "key" | "admin" | "session" | "key-session";

export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE" | "HEAD";
  /** In Elysia's notation: `:name` is a segment, `*` the rest. */
  readonly path: string;
  readonly access: Access;
  /** What an `admin` or `session` route asks beside its credential. */
  readonly permission?: Permission | null;
  readonly handle: (request: Request, params: Readonly<Record<string, string>>) => Response | Promise<Response>;
}

export interface ServerDependencies {
  readonly services: Services;
  readonly api: ApiDependencies;
  readonly dashboard: DashboardDependencies;
  readonly self: SelfService;
  /** Why the process cannot serve now; empty: it can. */
  readonly troubles: () => readonly string[];
  readonly lag: Pick<LoopLag, "read">;
  readonly outbox: Pick<Outbox, "metrics">;
}

/** The route, counted among those who use the services until its answer begins: what streams after that reads the database. */
const counted =
  (inUse: InUse) =>
  <One extends Pick<Route, "handle">>(route: One): One => ({
    ...route,
    async handle(request: Request, params: Readonly<Record<string, string>>) {
      inUse.enter();
      try {
        return await route.handle(request, params);
      } finally {
        inUse.leave();
      }
    },
  });

/** Every route of the process. Calls count themselves, to their end. */
export const routesOf = ({
  services,
  api,
  dashboard,
  self,
  troubles,
  lag,
  outbox,
}: ServerDependencies): readonly Route[] => [
  { method: "GET", path: "/", access: "public", handle: home },
  { method: "HEAD", path: "/", access: "public", handle: () => new Response(null) },
  { method: "GET", path: "/healthz", access: "public", handle: health },
  { method: "GET", path: "/readyz", access: "public", handle: () => readiness(troubles()) },

  ...callPaths.map(([path, endpoint]): Route => ({
    method: "POST",
    path,
    access: "key",
    handle: (request) => handle(request, endpoint, services),
  })),
  ...["/v1/models", "/v1beta/models"].flatMap((path): readonly Route[] => [
    counted(services.inUse)({ method: "GET", path, access: "key", handle: (request) => listModels(request, services) }),
    counted(services.inUse)({
      method: "GET",
      path: `${path}/*`,
      access: "key",
      handle: (request, params) =>
        geminiEndpoint(params["*"] ?? "", request.url) === null
          ? getModel(request, params["*"] ?? "", services)
          : notFound(["POST"], path, services.newId(), dialectOf(request)),
    }),
    // Gemini's method stands behind the last colon of the path. Two parameters there would not start.
    {
      method: "POST",
      path: `${path}/*`,
      access: "key",
      handle: (request, params) => {
        const endpoint = geminiEndpoint(params["*"] ?? "", request.url);
        return endpoint ? handle(request, endpoint, services) : unknownMethod(request, services);
      },
    },
  ]),
  {
    // As @ai-sdk/google asks for a model with a slash in its name: without `models/` before it.
    method: "POST",
    path: "/v1beta/:instance/*",
    access: "key",
    handle: (request, { instance = "", "*": rest = "" }) => {
      const endpoint = geminiEndpoint(`${instance}/${rest}`, request.url);
      return endpoint ? handle(request, endpoint, services) : unknownMethod(request, services);
    },
  },

  ...[
    ...selfRoutes(self, services, api.addressOf),
    metricsRoute({ services, entrance: entranceOf(api), lag, troubles, outbox, version: api.version }),
    ...adminRoutes(api),
    ...dashboardRoutes(dashboard),
  ].map(counted(services.inUse)),
];

/** The fetch handler of the whole process. Never throws; every answer has a body or a reason to have none. */
export function serverOf(dependencies: ServerDependencies): (request: Request) => Response | Promise<Response> {
  const routes = routesOf(dependencies);
  // No schema and no parser here: a route that wants a body reads it, the hot one with its exact bytes.
  const app = new Elysia({ handler: { standardHostname: false }, normalize: false });
  // Before the routes: it holds for those that come after it, and without it what was thrown is the answer.
  app.onError(({ error, request }) => {
    dependencies.services.logger.error({ error }, "a request failed for a reason of our own");
    return isPage(request)
      ? errorPage(request, 500, dependencies.api.version)
      : errorAnswer(error, dependencies.services.newId(), dialectOf(request));
  });
  for (const { method, path, handle: answer } of routes)
    app.route(method, path, ({ request, params }) => answer(request, params), { parse: "none" });
  app.all("*", ({ request }) => unmatched(request, routes, dependencies.api), { parse: "none" });
  app.compile();
  return (request) => {
    // A malformed Host or target makes `request.url` relative, so this comes before anything parses it (RFC 9112 §3.2).
    if (!isWellFormedHost(request.headers.get("host")) || !request.url.startsWith("http"))
      return new Response("malformed request\n", { status: 400, headers: { connection: "close" } });
    return app.fetch(request);
  };
}

/** 405 where the path exists with other methods, else 404, as a page or in the dialect of the path. */
function unmatched(request: Request, routes: readonly Route[], { version, newId }: ApiDependencies): Response {
  const { pathname } = new URL(request.url);
  const allow = routes.filter(({ path }) => matcher(path).test(pathname)).map(({ method }) => method);
  if (isPage(request) && allow.length === 0) return errorPage(request, 404, version);
  const wantsSocket = /^websocket$/i.test(request.headers.get("upgrade") ?? "");
  if (wantsSocket && pathname.startsWith("/v1/") && allow.includes("POST"))
    return upgradeRefused(newId(), dialectOf(request));
  return notFound([...new Set(allow)], pathname, newId(), dialectOf(request));
}

const isPage = (request: Request): boolean => /^https?:\/\/[^/]+\/dashboard(?:[/?#]|$)/.test(request.url);

const matcher = (path: string): RegExp =>
  new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+").replace(/\*/g, ".+")}$`);
