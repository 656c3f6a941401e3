/** Epoch milliseconds of an ISO date or time; `null`: there is no such day. `Date` takes 30 February for 2 March. */
export function momentOf(text: string): number | null {
  const day = text.slice(0, 10);
  const dayMs = Date.parse(day);
  if (Number.isNaN(dayMs) || new Date(dayMs).toISOString().slice(0, 10) !== day) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}
