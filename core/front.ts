import { Elysia } from "elysia";
import { dialectOf } from "./api/caller.ts";
import { callPaths, geminiEndpoint } from "./api/endpoints.ts";
import { getModel, listModels, unknownMethod } from "./api/models.ts";
import { errorAnswer, health, home, isWellFormedHost, notFound, readiness } from "./api/process.ts";
import { handle } from "./gateway.ts";
import type { Permission } from "./identity/policy.ts";
import type { InUse } from "./pipeline/in-use.ts";
import type { Services } from "./pipeline/services.ts";

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

export type Answerer = (request: Request) => Response | Promise<Response>;

export interface FrontDependencies {
  readonly services: Services;
  /** Why the process cannot serve now; empty: it can. */
  readonly troubles: () => readonly string[];
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

/** Calls, and what the process tells of itself. Calls count themselves, to their end. */
export const frontRoutes = ({ services, troubles }: FrontDependencies): readonly Route[] => [
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
];

/**
 * Answers these, and leaves all else to `rest`. The pages and the admin API are half of all modules, and no call needs
 * them, so they need not be there for the first one.
 */
export function frontOf(dependencies: FrontDependencies, rest: () => Promise<Answerer>): Answerer {
  const { logger, newId, inUse } = dependencies.services;
  const { handle: passedOn } = counted(inUse)({ handle: async (request: Request) => (await rest())(request) });
  return answererOf(frontRoutes(dependencies), {
    unmatched: passedOn,
    failed(error, request) {
      logger.error({ error }, "a request failed for a reason of our own");
      return errorAnswer(error, newId(), dialectOf(request));
    },
  });
}

interface Fallbacks {
  /** No route fits. */
  readonly unmatched: Answerer;
  readonly failed: (error: unknown, request: Request) => Response;
}

export function answererOf(routes: readonly Route[], { unmatched, failed }: Fallbacks): Answerer {
  // No schema and no parser here: a route that wants a body reads it, the hot one with its exact bytes.
  const app = new Elysia({ handler: { standardHostname: false }, normalize: false });
  // Before the routes: it holds for those that come after it, and without it what was thrown is the answer.
  app.onError(({ error, request }) => failed(error, request));
  for (const { method, path, handle: answer } of routes)
    app.route(method, path, ({ request, params }) => answer(request, params), { parse: "none" });
  app.all("*", ({ request }) => unmatched(request), { parse: "none" });
  app.compile();
  /** The last one that was looked at and found well: most clients send the same. */
  let known: string | null = null;
  return (request) => {
    const host = request.headers.get("host");
    // HTTP/1.0 needs no Host, and load balancers ask in it whether all is well.
    if (host === null && probes.has(request.url))
      return app.fetch(new Request(`http://localhost${request.url}`, { method: request.method }));
    // A malformed Host or target makes `request.url` relative, so this comes before anything parses it (RFC 9112 §3.2).
    if ((host !== known && !isWellFormedHost(host)) || !request.url.startsWith("http"))
      return new Response("malformed request\n", { status: 400, headers: { connection: "close" } });
    known = host;
    return app.fetch(request);
  };
}

const probes: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
