import { GatewayError } from "../chat/error.ts";
import { momentOf } from "../config/moment.ts";
import { dayMs } from "../storage/range-parts.ts";

/**
 * The last day that something is valid through which ends then, for a field to show: of an end within a day that day.
 * Empty where a date has no four digits for the year.
 */
export function writtenLastDay(endMs: number): string {
  const text = new Date(endMs - 1).toISOString().slice(0, 10);
  return isDay(text) ? text : "";
}

/** The start of a day that was typed as 2030-12-31, UTC. Throws `invalid-request` with a message that begins with `label`. */
export function parseDay(text: string, label: string): number {
  const startMs = isDay(text) ? momentOf(text) : null;
  // No call is from before 1970.
  if (startMs === null || startMs < 0) throw new GatewayError("invalid-request", `${label}: a date as 2030-12-31.`);
  return startMs;
}

/** The end of such a day, which must not be over. */
export function parseLastDay(text: string, nowMs: number, label: string): number {
  const endMs = parseDay(text, label) + dayMs;
  if (endMs <= nowMs) throw new GatewayError("invalid-request", `${label}: this day is over.`);
  return endMs;
}

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);
