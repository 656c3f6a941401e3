import { GatewayError } from "../chat/error.ts";
import { momentOf } from "../config/moment.ts";

/** What a field for a moment of UTC sends, in epoch milliseconds. Throws `invalid-request` with a message for the form. */
export function effectiveFrom(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text) ? momentOf(`${text}Z`) : null;
  if (ms === null) throw new GatewayError("invalid-request", "In effect from: a time as 2030-12-31T12:00.");
  return ms;
}
