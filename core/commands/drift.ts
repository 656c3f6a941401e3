import type { DriftLine } from "../api/config-service.ts";
import type { Database } from "../storage/database.ts";
import type { LimitBook } from "../pipeline/limit-book.ts";
import type { LimitRow } from "../storage/limit.ts";
import type { Snapshot } from "./snapshot.ts";

interface OfFile {
  readonly loaded: { readonly config: Pick<Snapshot["loaded"]["config"], "prices"> };
  readonly services: { readonly limits: Pick<LimitBook, "fixed"> };
  readonly plugins: {
    readonly upstreams: readonly Pick<Snapshot["plugins"]["upstreams"][number], "name" | "apiKey">[];
  };
}
interface OfDatabase {
  readonly credentials: Pick<Database["credentials"], "all">;
  readonly book: Pick<Database["book"], "entries">;
  readonly limits: Pick<Database["limits"], "all">;
}

/** What was set by hand, in the dashboard or through the API, beside what the file says of the same. */
export function driftOf(
  { loaded, services, plugins }: OfFile,
  database: OfDatabase,
  nowMs: number,
): readonly DriftLine[] {
  const { prices } = loaded.config;
  const credentials = Map.groupBy(
    database.credentials.all().filter(({ enabled }) => enabled),
    ({ provider }) => provider,
  );
  const ofFile = new Set(prices.map(({ target }) => target));
  const limited = new Set(
    services.limits.fixed().flatMap(({ source, scope }) => (source === "file" ? nameOf(scope) : [])),
  );
  // Of the same time the one written last, as the biller has it.
  const current = new Map(
    database.book
      .entries()
      .filter(({ effectiveMs }) => effectiveMs <= nowMs)
      .toSorted((left, right) => left.effectiveMs - right.effectiveMs)
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
    ...[...current.values()].flatMap((entry): readonly DriftLine[] => {
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
    ...database.limits.all().map(({ scope }): DriftLine => ({
      path: `limits.${scope.kind}:${scope.id ?? "each"}`,
      set: "a limit",
      inFile: limited.has(nameOf(scope)),
      wins: "strictest",
    })),
  ];
}

const nameOf = ({ kind, id }: LimitRow["scope"]): string => (id === null ? kind : `${kind}:${id}`);

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
