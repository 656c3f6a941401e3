import { type TrafficSources, trafficOf } from "../pipeline/traffic.ts";
import type { ApiRoute } from "./route.ts";

/** How providers do: read from memory, as of this process. */
export const providerHealthRoutes = (sources: TrafficSources): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/providers/health",
    permission: "providers.read",
    summary:
      "How each provider does now: calls that are with it, requests of these that wait for its answer, calls that wait for a place, and the breakers of its models that failed lately.",
    query: null,
    body: null,
    status: 200,
    answer: async () => ({
      data: [...trafficOf(sources)].map(([name, { breakers, ...traffic }]) => ({
        name,
        ...traffic,
        breakers: breakers.map(({ provider: _, sinceMs, nextProbeMs, ...breaker }) => ({
          ...breaker,
          since: sinceMs,
          nextProbe: nextProbeMs,
        })),
      })),
      next: null,
    }),
  },
];
