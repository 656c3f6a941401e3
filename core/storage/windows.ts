import type { BudgetWindow } from "./budget.ts";
import { dayMs, hourMs, startOfDay } from "./range-parts.ts";

/** What decides which calls a budget counts together. */
export interface WindowTerms {
  readonly window: BudgetWindow;
  /** IANA name; `null`: UTC. */
  readonly timeZone: string | null;
  /** Calls that started before do not count from then on; 0: there was no reset. */
  readonly resetMs: number;
}

/** The window of a call that starts at some moment. */
export interface Span {
  /** What started before this does not count with it. */
  readonly startMs: number;
  /** When all of it counts no more; `null`: never, or bit by bit. */
  readonly endMs: number | null;
  /** The start of the row that counts the call: the window itself, or the part of rolling hours that the call is in. */
  readonly rowMs: number;
  /** The span is the same for every call that starts from `rowMs` on and before this. */
  readonly untilMs: number;
}

/**
 * Days, weeks (from Monday) and months are those of the calendar, in UTC or the time zone; `lifetime` starts at 0. `5h` is
 * what started in the last five hours, kept in sixtieths: each counts until its last moment is five hours old, so the
 * window is never shorter than it says and at most a sixtieth longer. A reset starts a window anew at its own moment.
 */
export function windowAt({ window, timeZone, resetMs }: WindowTerms, atMs: number): Span {
  const hours = rollingHours(window);
  const span = hours === null ? calendarSpan(window, timeZone, atMs) : rollingSpan(hours, atMs);
  if (resetMs > atMs) return { ...span, untilMs: Math.min(span.untilMs, resetMs) };
  if (resetMs === 0) return span;
  return { ...span, startMs: Math.max(span.startMs, resetMs), rowMs: Math.max(span.rowMs, resetMs) };
}

/** `null`: the window does not roll. */
export const rollingHours = (window: BudgetWindow): number | null =>
  /^\d+h$/.test(window) ? Number.parseInt(window, 10) : null;

/** When a row of rolling hours stops to count, by its start. */
export const rollsOutMs = (hours: number, rowMs: number): number =>
  partStart(hours, rowMs) + (hours + hours / 60) * hourMs;

/** The sixtieth of the hours that the moment is in: as many minutes as there are hours. */
const partStart = (hours: number, atMs: number): number => Math.floor(atMs / (hours * minuteMs)) * hours * minuteMs;

function rollingSpan(hours: number, atMs: number): Span {
  const rowMs = partStart(hours, atMs);
  return { startMs: rowMs - hours * hourMs, endMs: null, rowMs, untilMs: rowMs + hours * minuteMs };
}

function calendarSpan(window: BudgetWindow, timeZone: string | null, atMs: number): Span {
  if (window === "lifetime") return { startMs: 0, endMs: null, rowMs: 0, untilMs: Number.POSITIVE_INFINITY };
  const { startMs, endMs } = timeZone === null ? utcSpan(window, atMs) : zonedSpan(window, timeZone, atMs);
  return { startMs, endMs, rowMs: startMs, untilMs: endMs };
}

function utcSpan(window: BudgetWindow, atMs: number): { readonly startMs: number; readonly endMs: number } {
  const day = startOfDay(atMs);
  if (window === "day") return { startMs: day, endMs: day + dayMs };
  if (window === "week") {
    const startMs = day - modulo(day - firstMondayMs, 7 * dayMs);
    return { startMs, endMs: startMs + 7 * dayMs };
  }
  const date = new Date(atMs);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
}

/** A day begins with its first moment, wherever the clocks are put: it may have 23 or 25 hours, or no midnight. */
function zonedSpan(window: BudgetWindow, timeZone: string, atMs: number) {
  const day = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone).startOfDay();
  const [start, length] =
    window === "day"
      ? [day, { days: 1 }]
      : window === "week"
        ? [day.subtract({ days: day.dayOfWeek - 1 }).startOfDay(), { weeks: 1 }]
        : [day.with({ day: 1 }).startOfDay(), { months: 1 }];
  return { startMs: start.epochMilliseconds, endMs: start.add(length).startOfDay().epochMilliseconds };
}

const minuteMs = 60_000;
/** 5 January 1970. */
const firstMondayMs = 4 * dayMs;

const modulo = (value: number, by: number): number => ((value % by) + by) % by;
