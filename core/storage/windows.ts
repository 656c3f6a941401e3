import type { BudgetWindow } from "./database.ts";

const dayMs = 86_400_000;

/** The window that `atMs` falls in, by the UTC calendar; weeks start on Monday. `lifetime` starts at 0 and never ends. */
export function windowAt(
  window: BudgetWindow,
  atMs: number,
): { readonly startMs: number; readonly endMs: number | null } {
  const date = new Date(atMs);
  const day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
  switch (window) {
    case "day":
      return { startMs: day, endMs: day + dayMs };
    case "week": {
      const startMs = day - ((date.getUTCDay() + 6) % 7) * dayMs;
      return { startMs, endMs: startMs + 7 * dayMs };
    }
    case "month":
      return {
        startMs: Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1),
        endMs: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1),
      };
    case "lifetime":
      return { startMs: 0, endMs: null };
  }
}
