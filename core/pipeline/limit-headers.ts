import { remainingOf } from "../chat/limit.ts";
import type { DialectName, LimitUse } from "../plugin/plugin.ts";

/**
 * What the client's own SDK looks for, of the limit of each measure that has the least left. Only limits that exist are
 * told of. Gemini's API has no such headers; its clients get OpenAI's, and of a refusal a `RetryInfo`.
 */
export function addLimitHeaders(
  headers: Record<string, string>,
  use: readonly LimitUse[],
  dialect: DialectName,
  nowMs: number,
): void {
  for (const each of use) {
    const { measure, amount } = each.limit;
    if (each.resetMs === null || measure === "spend") continue;
    const remaining = remainingOf(each);
    if (use.some((other) => bindsBefore(other, each, remaining, use))) continue;
    if (dialect === "anthropic-messages") {
      const name = `anthropic-ratelimit-${measure}`;
      headers[`${name}-limit`] = String(amount);
      headers[`${name}-remaining`] = String(remaining);
      headers[`${name}-reset`] = instant(nowMs + each.resetMs);
    } else {
      headers[`x-ratelimit-limit-${measure}`] = String(amount);
      headers[`x-ratelimit-remaining-${measure}`] = String(remaining);
      headers[`x-ratelimit-reset-${measure}`] = duration(each.resetMs);
    }
  }
}

function bindsBefore(other: LimitUse, each: LimitUse, remaining: number, use: readonly LimitUse[]): boolean {
  if (other === each || other.limit.measure !== each.limit.measure || other.resetMs === null) return false;
  const others = remainingOf(other);
  return others < remaining || (others === remaining && use.indexOf(other) < use.indexOf(each));
}

/** RFC 3339, the next whole second: https://platform.claude.com/docs/en/api/rate-limits */
const instant = (atMs: number): string =>
  new Date(Math.min(Math.ceil(atMs / 1_000) * 1_000, lastDateMs)).toISOString().replace(".000Z", "Z");
/** A limit far below what was used of it comes back later than a `Date` can say, which would throw. */
const lastDateMs = 8.64e15;

/**
 * As OpenAI writes durations, which is Go's notation: `120ms`, `8.64s`, `6m0s`, `24h0m0s`
 * (https://platform.openai.com/docs/guides/rate-limits).
 */
export function duration(ms: number): string {
  if (ms < 1_000) return ms === 0 ? "0s" : `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${(ms - minutes * 60_000) / 1_000}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
