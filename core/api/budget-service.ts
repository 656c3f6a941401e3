import { GatewayError, type Scope } from "../chat/error.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { Database } from "../storage/database.ts";
import type { KeyServiceDependencies } from "./key-service.ts";
import { nanoOf } from "./money.ts";
import { checked, notEnforced } from "./route.ts";
import { mustExist, scopeOf } from "./scope.ts";
import { BudgetChangeSchema, NewBudgetSchema } from "./schemas.ts";

/** What budgets go through, whoever asks: the API or the dashboard. */
export interface BudgetService {
  create(input: unknown): Promise<BudgetRow>;
  /** `null`: no such budget. */
  change(id: string, change: unknown): Promise<BudgetRow | null>;
}

export interface BudgetServiceDependencies extends Pick<KeyServiceDependencies, "now" | "newId" | "enforces"> {
  readonly database: Pick<Database, "accounts" | "budgets" | "keys">;
}

export const budgetService = ({ database, now, newId, enforces }: BudgetServiceDependencies): BudgetService => ({
  async create(given) {
    const { usd, scope, window, timeZone, increase, alertPercents, ...terms } = checked(NewBudgetSchema, given);
    if (!enforces.budgets) throw notEnforced("budget", "billing");
    return database.budgets.create({
      ...terms,
      ...(alertPercents && { alertPercents: rising(alertPercents) }),
      id: newId(),
      scope: await existing(scope, database),
      window,
      timeZone: zoneOf(timeZone, window),
      limitNano: nanoOf(usd, "usd"),
      increase: increase ? increaseOf(increase, now()) : null,
      createdMs: now(),
    });
  },
  async change(id, given) {
    const { usd, increase, alertPercents, ...terms } = checked(BudgetChangeSchema, given);
    return database.budgets.change(id, {
      ...terms,
      ...(alertPercents && { alertPercents: rising(alertPercents) }),
      ...(usd !== undefined && { limitNano: nanoOf(usd, "usd") }),
      ...(increase !== undefined && { increase: increase && increaseOf(increase, now()) }),
    });
  },
});

const rising = (percents: readonly number[]): number[] => percents.toSorted((a, b) => a - b);

async function existing(
  scope: { readonly kind: Scope["kind"]; readonly id?: string },
  database: BudgetServiceDependencies["database"],
): Promise<Scope> {
  const found = scopeOf(scope.kind, scope.id, "scope.id");
  await mustExist(found, database);
  return found;
}

function increaseOf({ usd, until }: { readonly usd: number | string; readonly until: number }, nowMs: number) {
  if (until <= nowMs)
    throw new GatewayError("invalid-request", "increase.until: already past", { param: "increase.until" });
  return { nano: nanoOf(usd, "increase.usd"), untilMs: until };
}

function zoneOf(timeZone: string | undefined, window: string): string | null {
  if (timeZone === undefined) return null;
  const bad = (why: string) => new GatewayError("invalid-request", `timeZone: ${why}`, { param: "timeZone" });
  if (window !== "day" && window !== "week" && window !== "month") throw bad("only for a day, week or month");
  // Names alone: an offset as +02:00 has no summer time, and nobody means that.
  if (!/^[A-Za-z]/.test(timeZone) || !isTimeZone(timeZone)) throw bad("not an IANA time zone, as Europe/Berlin");
  return /^(?:etc\/)?(?:utc|gmt|zulu)$/i.test(timeZone) ? null : timeZone;
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
