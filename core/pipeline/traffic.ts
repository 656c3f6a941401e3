import type { BreakerState } from "./breaker.ts";
import type { Services } from "./services.ts";

/** How a provider does at this moment, as this process sees it. */
export interface Traffic {
  /** Calls that were sent there last and have not ended, streams to their end. */
  readonly open: number;
  /** Requests of these that wait for the answer's first byte, and calls that wait for a place among them. */
  readonly waiting: number;
  readonly queued: number;
  /** Of its models that failed lately. */
  readonly breakers: readonly BreakerState[];
}
export type TrafficSources = Pick<Services, "providers" | "breakers" | "bulkheads" | "open">;

/** By provider, in the order of the file. Looks at all calls in flight once. */
export function trafficOf({ providers, breakers, bulkheads, open }: TrafficSources): ReadonlyMap<string, Traffic> {
  const places = new Map(bulkheads.list().map((place) => [place.provider, place]));
  const failing = Map.groupBy(breakers.list(), ({ provider }) => provider);
  const flying = new Map<string, number>();
  for (const { attempts, ended } of open) {
    const at = ended ? undefined : attempts.at(-1)?.provider;
    if (at !== undefined) flying.set(at, (flying.get(at) ?? 0) + 1);
  }
  return new Map(
    [...providers.keys()].map((name) => {
      const { waiting = 0, queued = 0 } = places.get(name) ?? {};
      return [name, { open: flying.get(name) ?? 0, waiting, queued, breakers: failing.get(name) ?? [] }];
    }),
  );
}
