import { type Dearest, dearerSides, type PriceSheet } from "./price-sheet.ts";

const dayMs = 86_400_000;

/** When a sheet holds. Of the periods of a model the last one that fits decides; if none fits, the first. */
export interface Period {
  readonly when:
    | { readonly type: "always" }
    /** Epoch milliseconds. */
    | { readonly type: "from"; readonly fromMs: number }
    /** Milliseconds of the UTC day, half-open; over midnight when the end is before the start. */
    | { readonly type: "daily"; readonly startMs: number; readonly endMs: number };
  /** `null`: no price at that time. */
  readonly sheet: PriceSheet | null;
}

export function sheetAt(periods: readonly Period[], atMs: number): PriceSheet | null {
  const [only] = periods;
  if (only !== undefined && periods.length === 1) return only.sheet;
  const period = periods.findLast(({ when }) => fits(when, atMs)) ?? periods[0];
  return period === undefined ? null : period.sheet;
}

/**
 * The dearest prices of the date, at whatever time of its day: a call that is held at a cheap hour may end in a dear one.
 * `null`: no price.
 */
export function dearestAt(periods: readonly Period[], atMs: number): Dearest | null {
  const [only] = periods;
  if (only !== undefined && periods.length === 1) return only.sheet?.dearest ?? null;
  const standing = Math.max(
    0,
    periods.findLastIndex(({ when }) => when.type !== "daily" && fits(when, atMs)),
  );
  let dearest: Dearest | null = null;
  for (const [index, { when, sheet }] of periods.entries()) {
    const possible = index === standing || (index > standing && when.type === "daily");
    if (!possible || sheet === null) continue;
    dearest = dearest === null ? sheet.dearest : dearerSides(dearest, sheet.dearest);
  }
  return dearest;
}

function fits(when: Period["when"], atMs: number): boolean {
  if (when.type === "always") return true;
  if (when.type === "from") return atMs >= when.fromMs;
  const timeMs = ((atMs % dayMs) + dayMs) % dayMs;
  if (when.endMs < when.startMs) return timeMs >= when.startMs || timeMs < when.endMs;
  return timeMs >= when.startMs && timeMs < when.endMs;
}
