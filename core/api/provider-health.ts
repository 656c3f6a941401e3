import type { Services } from "../pipeline/services.ts";
import type { ApiRoute } from "./route.ts";

export type ProviderHealth = Pick<Services, "providers" | "breakers" | "bulkheads">;

/** How providers do: read from memory, as of this process. */
export const providerHealthRoutes = ({ providers, breakers, bulkheads }: ProviderHealth): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/providers/health",
    permission: "providers.read",
    summary:
      "How each provider does now: requests that wait for its answer, calls that wait for a place, and the breakers of its models that failed lately.",
    query: null,
    body: null,
    status: 200,
    answer: async () => {
      const places = new Map(bulkheads.list().map(({ provider, ...place }) => [provider, place]));
      const failing = Map.groupBy(breakers.list(), ({ provider }) => provider);
      return {
        data: [...providers.keys()].map((name) => ({
          name,
          ...(places.get(name) ?? { waiting: 0, queued: 0 }),
          breakers: (failing.get(name) ?? []).map(({ provider: _, sinceMs, nextProbeMs, ...breaker }) => ({
            ...breaker,
            since: sinceMs,
            nextProbe: nextProbeMs,
          })),
        })),
        next: null,
      };
    },
  },
];
