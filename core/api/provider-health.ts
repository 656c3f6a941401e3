import { missing } from "../chat/error.ts";
import { Type as t } from "@sinclair/typebox";
import type { Database } from "../storage/database.ts";
import { closed, name } from "./schemas.ts";
import { type TrafficSources, trafficOf } from "../pipeline/traffic.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";

/** How providers do: now, from memory, as of this process; and over a time, from what is stored. */
export const providerHealthRoutes = (
  sources: TrafficSources,
  { attempts }: Pick<Database, "attempts">,
  now: () => number,
): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/providers/health",
    permission: "providers.read",
    summary:
      "How each provider does now: calls that are with it, requests of these that wait for its answer, calls that wait for a place, and the breakers of its models that failed lately.",
    answer: async () => ({
      data: [...trafficOf(sources)].map(([provider, { breakers, ...traffic }]) => ({
        name: provider,
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
  {
    method: "GET",
    path: "/api/providers/:name/attempts",
    permission: "providers.read",
    summary:
      "How the requests that were sent to a provider ended, those of other attempts of a call too: by the minute of the last hour, the hour of the last day, or four hours of the last week, and by its models, the 200 busiest. `limited` had the answer 429, `refused` another for what was asked, `left` a client that went away. `firstByteMs`: bounds for half, 95 % and 99 % of the good calls with one attempt. `since`: calls before it were too many to look at.",
    query: AttemptsQuerySchema,
    async answer({ params, query }) {
      const provider = params.name ?? "";
      if (!sources.providers.has(provider)) missing();
      const { over = "hour", model } = checkedQuery(AttemptsQuerySchema, query);
      const asked = { provider, over, nowMs: now(), ...(model !== undefined && { model }) };
      const { steps, sinceMs, ...report } = await attempts.report(asked);
      return {
        over,
        ...report,
        steps: steps.map(({ startMs, ...sums }) => ({ start: startMs, ...sums })),
        since: sinceMs,
      };
    },
  },
];

const AttemptsQuerySchema = t.Object(
  {
    over: t.Optional(
      t.Union([t.Literal("hour"), t.Literal("day"), t.Literal("week")], {
        expected: "hour, day or week",
        description: "Default: hour.",
      }),
    ),
    model: name("As the provider names it; only its steps and total."),
  },
  closed,
);
