import { type Dearest, dearerSides, type PriceSheet } from "./price-sheet.ts";
import { isFast } from "./service-tier.ts";

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
 * `null`: no price. `asked`: the tier that it asks for, where others are served as well but none faster.
 */
export function dearestAt(periods: readonly Period[], atMs: number, asked?: string): Dearest | null {
  const [only] = periods;
  if (only !== undefined && periods.length === 1) return only.sheet && dearestOf(only.sheet, asked);
  const standing = Math.max(
    0,
    periods.findLastIndex(({ when }) => when.type !== "daily" && fits(when, atMs)),
  );
  let dearest: Dearest | null = null;
  for (const [index, { when, sheet }] of periods.entries()) {
    const possible = index === standing || (index > standing && when.type === "daily");
    if (!possible || sheet === null) continue;
    const its = dearestOf(sheet, asked);
    dearest = dearest === null ? its : dearerSides(dearest, its);
  }
  return dearest;
}

const dearestOf = ({ dearest, dearestUnasked }: PriceSheet, asked: string | undefined): Dearest =>
  asked === undefined || isFast(asked) ? dearest : dearestUnasked;

function fits(when: Period["when"], atMs: number): boolean {
  if (when.type === "always") return true;
  if (when.type === "from") return atMs >= when.fromMs;
  const timeMs = ((atMs % dayMs) + dayMs) % dayMs;
  if (when.endMs < when.startMs) return timeMs >= when.startMs || timeMs < when.endMs;
  return timeMs >= when.startMs && timeMs < when.endMs;
}
