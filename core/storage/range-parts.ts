export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** When the day began, in UTC, that a moment is in. */
export const startOfDay = (atMs: number): number => Math.floor(atMs / dayMs) * dayMs;

/** Half-open, epoch ms. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A range of time as whole days, whole hours and what is left, each instant in exactly one of them. */
export interface RangeParts {
  readonly days: readonly Span[];
  readonly hours: readonly Span[];
  readonly rest: readonly Span[];
}

export function rangeParts(range: Span, useDays: boolean): RangeParts {
  const hours = inside(range, hourMs);
  const days = useDays && hours ? inside(hours, dayMs) : null;
  return {
    days: days ? [days] : [],
    hours: hours ? without(hours, days) : [],
    rest: without(range, hours),
  };
}

/** The whole units within; `null`: not one. */
function inside({ from, to }: Span, unitMs: number): Span | null {
  const [first, last] = [Math.ceil(from / unitMs) * unitMs, Math.floor(to / unitMs) * unitMs];
  return first < last ? { from: first, to: last } : null;
}

const without = (whole: Span, part: Span | null): Span[] =>
  (part
    ? [
        { from: whole.from, to: part.from },
        { from: part.to, to: whole.to },
      ]
    : [whole]
  ).filter(({ from, to }) => from < to);
