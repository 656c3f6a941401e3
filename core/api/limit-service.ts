import { type Static, Type as t } from "@sinclair/typebox";
import { GatewayError } from "../chat/error.ts";
import { remainingOf } from "../chat/limit.ts";
import { limitFault } from "../config/limit-fault.ts";
import { limitOf } from "../config/normalise.ts";
import { LimitSchema } from "../config/schema.ts";
import { type LimitBook, storedRules } from "../pipeline/limit-book.ts";
import { useOf } from "../pipeline/standing-limits.ts";
import type { LimitService, ShownLimit } from "../identity/limits.ts";
import { limitsOn } from "../plugin/limit-rules.ts";
import { limitFields, limitOptions, type Limits, type LimitScope, type RateLimiter } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { Database } from "../storage/database.ts";
import type { LimitQuery, LimitRow } from "../storage/limit.ts";
import type { KeyServiceDependencies } from "./key-service.ts";
import { checked, notEnforced } from "./route.ts";
import { mustExist } from "./scope.ts";

/** A change of limits: those that are named; `null` takes one away. */
export const LimitChangeSchema = t.Object(
  {
    // Without the default of a new one: what a change does not name stays.
    enforce: t.Optional(t.Boolean({ description: LimitSchema.properties.enforce.description ?? "" })),
    ...Object.fromEntries(
      Object.entries(limitOptions).map(([name, schema]) => [
        name,
        t.Optional(
          t.Union([schema, t.Null()], { description: schema.description ?? "", expected: "a limit above 0, or null" }),
        ),
      ]),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);

export interface LimitServiceDependencies extends Pick<KeyServiceDependencies, "now" | "newId" | "enforces"> {
  readonly database: Pick<Database, "accounts" | "keys" | "limits">;
  readonly book: Pick<LimitBook, "adopt" | "fixed" | "met">;
  readonly limiters: readonly Instance<RateLimiter>[];
}

export function limitService(dependencies: LimitServiceDependencies): LimitService {
  const { database, book, limiters, now, newId, enforces } = dependencies;
  const ofInstances = limiters.flatMap(ofInstance);
  const fixedEntries = (): readonly Entry[] => [
    ...book.fixed().map((rule) => entryOf(rule, limiters[0])),
    ...ofInstances,
  ];
  const adopt = () => book.adopt(storedRules(database.limits.all()));
  const entryOfRow = ({ createdMs, ...row }: LimitRow): Entry => ({
    ...entryOf({ ...row, source: "api" }, limiters[0]),
    createdMs,
  });

  return {
    async list({ scope, place, after, limit = 50 }) {
      const all = database.limits.all();
      const fixed = fixedEntries();
      const fixedFrom = after ? fixed.findIndex(({ limit: one }) => one.id === after) + 1 : 0;
      const isShown = async ({ scope: on }: Pick<ShownLimit, "scope">) => !place || (await place.inScope(on));
      const last = after ? (fixed[fixedFrom - 1]?.limit ?? all.find(({ id }) => id === after)) : null;
      // One of others is as one that does not exist.
      if (after && !(last && (await isShown(last)))) throw refused("after", "not a cursor of this list");
      const found: Entry[] = [];
      if (fixedFrom === 0) {
        const query = { ...(scope && { scope }), after: after || null, limit: limit + 1 };
        const rows = place ? await database.limits.under(place.accountId, query) : newest(all, query);
        found.push(...rows.map(entryOfRow));
      }
      for (const entry of fixed.slice(fixedFrom)) {
        if (scope && !isOn(entry.limit, scope)) continue;
        if (await isShown(entry.limit)) found.push(entry);
      }
      const shown = await Promise.all(found.slice(0, limit).map(withUse));
      return { data: shown, next: found.length > limit ? (shown.at(-1)?.id ?? null) : null };
    },
    async get(id) {
      const row = database.limits.all().find((one) => one.id === id);
      const entry = row ? entryOfRow(row) : fixedEntries().find(({ limit }) => limit.id === id);
      return entry ? withUse(entry) : null;
    },
    async create(given) {
      const input = checked(LimitSchema, given);
      if (!enforces.limits) throw notEnforced("limit", "rate-limit");
      const fault = limitFault(input);
      if (fault) throw refused(fault.at.join("."), fault.message);
      const { scope, limits, enforce } = limitOf(input);
      await mustExist(scope, database);
      if (database.limits.all().length >= maxLimits)
        throw new GatewayError("conflict", `there are ${maxLimits} limits`);
      const row = await database.limits.create({ id: newId(), scope, limits, enforce, createdMs: now() });
      adopt();
      return withUse(entryOfRow(row));
    },
    async change(id, given) {
      const { enforce, ...named }: Static<typeof LimitChangeSchema> = checked(LimitChangeSchema, given);
      const row = database.limits.all().find((one) => one.id === id);
      if (!row) return null;
      const limits = merged(row.limits, named);
      const fault = limitFault({ scope: { kind: row.scope.kind }, ...limits });
      if (fault) throw refused(fault.at.join("."), fault.message);
      const changed = await database.limits.change(id, { limits, ...(enforce !== undefined && { enforce }) });
      adopt();
      return changed && withUse(entryOfRow(changed));
    },
    async remove(id) {
      const removed = await database.limits.remove(id);
      adopt();
      return removed;
    },
    use: (scope, limits) => useOf(limiters[0]?.slot, limitsOn(scope, limits)),
    met: () =>
      [...book.met.values()].map(({ labels, count }) => ({ ...labels, enforced: labels.enforced === "true", count })),
  };
}

/** Each call of a scope looks at those on it only; this bounds the memory. */
const maxLimits = 100_000;

/** Looks at no more of them than it must, and copies none: there may be as many as `maxLimits`. */
function newest(rows: readonly LimitRow[], { scope, after, limit }: LimitQuery): LimitRow[] {
  const found: LimitRow[] = [];
  for (let at = (after === null ? rows.length : rows.findLastIndex(({ id }) => id === after)) - 1; at >= 0; at--) {
    const row = rows[at];
    if (!row || (scope && !isOn(row, scope))) continue;
    if (found.push(row) === limit) break;
  }
  return found;
}

const isOn = ({ scope }: Pick<ShownLimit, "scope">, { kind, id }: LimitScope) => scope.kind === kind && scope.id === id;

interface Entry {
  readonly limit: Omit<ShownLimit, "createdMs" | "use">;
  readonly createdMs: number | null;
  /** Who counts it. */
  readonly limiter: Instance<RateLimiter> | undefined;
}

const entryOf = (limit: Entry["limit"], limiter: Entry["limiter"]): Entry => ({ limit, createdMs: null, limiter });

function ofInstance(limiter: Instance<RateLimiter>): readonly Entry[] {
  const { own } = limiter.slot;
  if (!own || Object.keys(own.limits).length === 0) return [];
  const { scope: kind, limits, enforce = true } = own;
  const scope = { kind, id: kind === "global" ? "global" : null };
  return [entryOf({ id: `rate-limit-${limiter.name}`, source: "instance", scope, limits, enforce }, limiter)];
}

async function withUse({ limit, createdMs, limiter }: Entry): Promise<ShownLimit> {
  const { scope, limits, enforce } = limit;
  const { id } = scope;
  const use = id === null ? null : await useOf(limiter?.slot, limitsOn({ ...scope, id }, limits, enforce));
  return { ...limit, createdMs, use };
}

function merged(before: Limits, named: Readonly<Record<string, unknown>>): Limits {
  const all: Readonly<Record<string, unknown>> = { ...before, ...named };
  return Object.fromEntries(
    limitFields.flatMap(({ name }) => (all[name] === undefined || all[name] === null ? [] : [[name, all[name]]])),
  );
}

const refused = (param: string, message: string) =>
  new GatewayError("invalid-request", `${param || "body"}: ${message}`, param ? { param } : {});

/** For the API: the limits of a row stand beside its scope, as they were written. */
export const limitAnswer = ({ limits, createdMs, use, ...row }: ShownLimit, nowMs: number) => ({
  ...row,
  ...limits,
  createdAt: createdMs,
  use:
    use &&
    use.map((each) => ({
      measure: each.limit.measure,
      ...(each.limit.measure !== "concurrency" && { per: each.limit.per ?? "minute" }),
      limit: each.limit.amount,
      used: each.used,
      held: each.held,
      remaining: remainingOf(each),
      resetsAt: each.resetMs === null ? null : Math.ceil(nowMs + each.resetMs),
    })),
});
