import type { DriftLine } from "../api/config-service.ts";
import type { Database } from "../storage/database.ts";
import type { Snapshot } from "./snapshot.ts";

/** What was set by hand, in the dashboard or through the API, beside what the file says of the same. */
export function driftOf({ loaded, plugins }: Snapshot, database: Database, nowMs: number): readonly DriftLine[] {
  const { prices, limits } = loaded.config;
  const credentials = Map.groupBy(
    database.credentials.all().filter(({ enabled }) => enabled),
    ({ provider }) => provider,
  );
  const ofFile = new Set(prices.map(({ target }) => target));
  const latest = new Map(
    database.book
      .entries()
      .filter(({ effectiveMs }) => effectiveMs <= nowMs)
      .map((entry) => [`${entry.kind} ${entry.kind === "charge" ? (entry.account ?? "") : ""} ${entry.target}`, entry]),
  );
  return [
    ...plugins.upstreams.flatMap(({ name, apiKey }): readonly DriftLine[] => {
      const stored = credentials.get(name)?.length ?? 0;
      return stored === 0
        ? []
        : [
            {
              path: `provider.${name}.apiKey`,
              set: countOf(stored, "stored key"),
              inFile: apiKey !== null,
              wins: "database",
            },
          ];
    }),
    ...[...latest.values()].flatMap((entry): readonly DriftLine[] => {
      if (entry.kind === "price")
        return entry.prices === null
          ? []
          : [
              {
                path: `prices.${entry.target}`,
                set: `a price by ${entry.author}`,
                inFile: ofFile.has(entry.target),
                wins: "database",
              },
            ];
      return entry.terms === null
        ? []
        : [
            {
              path: `billing charges of ${entry.account ?? "everybody"} on ${entry.target}`,
              set: `terms by ${entry.author}`,
              inFile: false,
              wins: "database",
            },
          ];
    }),
    ...database.limits.all().map(({ scope: { kind, id } }): DriftLine => ({
      path: `limits.${kind}:${id ?? "each"}`,
      set: "a limit",
      inFile: limits.some(({ scope }) => scope.kind === kind && scope.id === id),
      wins: "strictest",
    })),
  ];
}

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
