import { GatewayError } from "../chat/error.ts";
import { measures } from "../../views/usage-table.ts";
import { type UsageFields, usageGroups, type UsageGroupName, usageRanges } from "../../views/usage.ts";
import { dayMs, type Span, startOfDay } from "../storage/range-parts.ts";
import { parseDay } from "./last-day.ts";
import { noneOf } from "./one-of.ts";
import { filled } from "./refusal.ts";

/** What is asked of the usage, by the address of its page. */
export interface UsageQuestion {
  readonly span: Span;
  /** As long, and right before it; `null`: nothing is compared. */
  readonly before: Span | null;
  /** One or two, each once. */
  readonly groupBy: readonly UsageGroupName[];
  /** `null`: all accounts. */
  readonly under: string | null;
  /** A bar of the chart. */
  readonly unit: "hour" | "day";
  /** What the chart is of. */
  readonly measure: (typeof measures)[number];
}

const mostDays = 366;
/** A longer range is told by days: of hours there would be too many groups. */
const mostDaysByHour = 2;

/** What is not said has its default, and what says nothing is left out. Dates go before a range by name. */
export function usageFields(query: URLSearchParams): UsageFields {
  const names = ["range", "from", "to", "by", "and", "under", "measure", "compare"];
  const { range = "30d", from = "", to = "", ...rest } = filled(query, names);
  const [by = "model", and = ""] = new Set([rest["by"], rest["and"]].filter((name) => name !== undefined));
  const { under = "", measure = "spend", compare = "" } = rest;
  return { range: from === "" && to === "" ? range : "", from, to, by, and, under, measure, compare };
}

/** Throws `invalid-request` with a message for the form. */
export function usageQuestion(fields: UsageFields, nowMs: number): UsageQuestion {
  const span = spanOf(fields, nowMs);
  const days = (span.to - span.from) / dayMs;
  if (days > mostDays)
    throw new GatewayError("invalid-request", `A range of at most ${mostDays} days; GET /api/usage sums any.`);
  const groupBy = [fields.by, fields.and].filter((name) => name !== "").map(groupOf);
  if (groupBy.includes("hour") && days > mostDaysByHour)
    throw new GatewayError("invalid-request", `By hour: a range of at most ${mostDaysByHour} days.`);
  const measure = measures.find(({ id }) => id === fields.measure) ?? refuse("Chart of", measures);
  if (fields.compare !== "" && fields.compare !== "before")
    throw new GatewayError("invalid-request", "Compare with: before, or nothing.");
  return {
    span,
    before: fields.compare === "" ? null : { from: span.from - (span.to - span.from), to: span.from },
    groupBy,
    under: fields.under || null,
    unit: days > mostDaysByHour ? "day" : "hour",
    measure,
  };
}

function spanOf({ range, from, to }: UsageFields, nowMs: number): Span {
  const today = startOfDay(nowMs);
  const tomorrow = today + dayMs;
  if (range === "") {
    const first = parseDay(from, "First day");
    const last = to === "" ? today : parseDay(to, "Last day");
    if (last < first) throw new GatewayError("invalid-request", "Last day: it is before the first one.");
    return { from: first, to: last + dayMs };
  }
  const { id } = usageRanges.find((one) => one.id === range) ?? refuse("Range", usageRanges);
  switch (id) {
    case "today":
      return { from: today, to: tomorrow };
    case "7d":
      return { from: today - 6 * dayMs, to: tomorrow };
    case "30d":
      return { from: today - 29 * dayMs, to: tomorrow };
    case "month":
      return { from: monthOf(nowMs, 0), to: tomorrow };
    case "last-month":
      return { from: monthOf(nowMs, -1), to: monthOf(nowMs, 0) };
  }
}

/** The start of the month that is so many after this one. */
function monthOf(nowMs: number, more: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + more, 1);
}

const groupOf = (name: string): UsageGroupName =>
  usageGroups.find(({ id }) => id === name)?.id ?? refuse("Group by", usageGroups);

const refuse = (label: string, known: readonly { readonly id: string }[]): never =>
  noneOf(
    known.map(({ id }) => id),
    label,
  );
