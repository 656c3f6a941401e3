import { GatewayError } from "../chat/error.ts";

const dayMs = 24 * 3_600_000;

/** The start of a day that was typed as 2030-12-31, UTC. Throws `invalid-request` with a message that begins with `label`. */
export function parseDay(text: string, label: string): number {
  const startMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // `Date` takes 30 February for 1 March in some engines; the way back tells. No call is from before 1970.
  if (!(startMs >= 0) || new Date(startMs).toISOString().slice(0, 10) !== text)
    throw new GatewayError("invalid-request", `${label}: a date as 2030-12-31.`);
  return startMs;
}

/** The end of such a day, which must not be over. */
export function parseLastDay(text: string, nowMs: number, label: string): number {
  const endMs = parseDay(text, label) + dayMs;
  if (endMs <= nowMs) throw new GatewayError("invalid-request", `${label}: this day is over.`);
  return endMs;
}
