/** A window of the calendar. */
export type CalendarWindow = "day" | "week" | "month" | "lifetime";

/**
 * The start of a window by day counting alone, without `Date`: civil-from-days and days-from-civil as in Howard
 * Hinnant's "chrono-Compatible Low-Level Date Algorithms". Independent of the product's own way.
 */
export function windowStart(window: CalendarWindow, atMs: number): number {
  const day = Math.floor(atMs / dayMs);
  switch (window) {
    case "day":
      return day * dayMs;
    case "week":
      // 1970-01-01 was a Thursday, three days after a Monday.
      return (day - ((((day + 3) % 7) + 7) % 7)) * dayMs;
    case "month": {
      const { year, month } = civilOf(day);
      return daysOf(year, month, 1) * dayMs;
    }
    case "lifetime":
      return 0;
  }
}

/** `null`: never. */
export function windowEnd(window: CalendarWindow, atMs: number): number | null {
  const startMs = windowStart(window, atMs);
  if (window === "lifetime") return null;
  if (window !== "month") return startMs + (window === "day" ? 1 : 7) * dayMs;
  const { year, month } = civilOf(startMs / dayMs);
  return (month === 12 ? daysOf(year + 1, 1, 1) : daysOf(year, month + 1, 1)) * dayMs;
}

export const dayMs = 86_400_000;

/** Days from 1970-01-01 to a day of the Gregorian calendar; months 1…12. */
export function daysOf(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilOf(day: number): { readonly year: number; readonly month: number } {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month };
}
