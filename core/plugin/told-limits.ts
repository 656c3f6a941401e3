import { periods } from "../chat/limit.ts";
import { limitFields } from "./limits.ts";

// What a plugin tells of limits may be anything: headers, records and answers are made of it.

/** `LimitUse[]`. */
export const isUse = (value: unknown): boolean => Array.isArray(value) && value.every(isLimitUse);

/** `Limit[]`. */
export const isLimitList = (value: unknown): boolean => Array.isArray(value) && value.every(isLimit);

/** `limit` of the details of a refusal. */
export const isRefusing = (value: unknown): boolean =>
  isFields(value) && isScope(value["scope"]) && ["limit", "used", "held"].every((name) => Number.isFinite(value[name]));

function isLimitUse(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { limit, used, held, resetMs } = value;
  return (
    isLimit(limit) && Number.isFinite(used) && Number.isFinite(held) && (resetMs === null || Number.isFinite(resetMs))
  );
}

const isScope = (value: unknown): boolean =>
  isFields(value) && typeof value["kind"] === "string" && typeof value["id"] === "string";

function isLimit(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { scope, measure, amount, per = "minute" } = value;
  return (
    isScope(scope) &&
    measures.has(measure) &&
    Number.isFinite(amount) &&
    typeof per === "string" &&
    Object.hasOwn(periods, per)
  );
}

const measures: ReadonlySet<unknown> = new Set(limitFields.map(({ measure }) => measure));

const isFields = (value: unknown): value is Partial<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
