import type { BudgetWindow } from "./database.ts";

const dayMs = 86_400_000;

/** The window that `atMs` falls in, by the UTC calendar; weeks start on Monday. `lifetime` starts at 0 and never ends. */
export function windowAt(
  window: BudgetWindow,
  atMs: number,
): { readonly startMs: number; readonly endMs: number | null } {
  const day = Math.floor(atMs / dayMs) * dayMs;
  switch (window) {
    case "day":
      return { startMs: day, endMs: day + dayMs };
    case "week": {
      const startMs = day - modulo(day - firstMondayMs, 7 * dayMs);
      return { startMs, endMs: startMs + 7 * dayMs };
    }
    case "month": {
      const date = new Date(atMs);
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    }
    case "lifetime":
      return { startMs: 0, endMs: null };
  }
}

/** 5 January 1970. */
const firstMondayMs = 4 * dayMs;

const modulo = (value: number, by: number): number => ((value % by) + by) % by;
