import { GatewayError } from "../chat/error.ts";
import { periods } from "../chat/limit.ts";
import { limitFields } from "../plugin/limits.ts";
import type { Awaitable, Hold, Kind, Logger } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";

/** What a plugin told with a hold; `null`: nothing. */
export type ToldHold = { readonly [Field in "headers" | "use" | "spared"]: NonNullable<Hold[Field]> | null };

/** A plugin in plain JavaScript may return anything; what cannot be ended was not granted. */
export function checkedHold(hold: Awaitable<Hold>): Awaitable<Hold> {
  if (hold instanceof Promise) return hold.then(checkedHold);
  const found: Partial<Hold> | null | undefined = hold;
  if (typeof found?.settle === "function" && typeof found.release === "function") return hold;
  throw new TypeError("returned no hold: it needs settle() and release()");
}

/**
 * The rest of a hold, read once and as `Hold` promises it. It only informs, so what is anything else is left out, and the
 * call goes on: it was granted. Never throws.
 */
export const toldWith = (hold: Hold, kind: Kind, plugin: Instance<object>, logger: Logger): ToldHold => ({
  headers: told(hold, "headers", areHeaders, kind, plugin, logger),
  use: told(hold, "use", isUse, kind, plugin, logger),
  spared: told(hold, "spared", areLimits, kind, plugin, logger),
});

/** A plugin's own refusal without what it tells of limits where that is malformed: the answer and its record are made of it. */
export function soundRefusal(refusal: GatewayError): GatewayError {
  const { use, limit, ...details } = refusal.details;
  const isSound = (use === undefined || isUse(use)) && (limit === undefined || isRefusing(limit));
  return isSound ? refusal : new GatewayError(refusal.kind, refusal.message, details);
}

function told<Field extends keyof ToldHold>(
  hold: Hold,
  field: Field,
  isSound: (value: unknown) => boolean,
  kind: Kind,
  { name, slot }: Instance<object>,
  logger: Logger,
): NonNullable<Hold[Field]> | null {
  try {
    const value = hold[field] ?? null;
    if (value === null || isSound(value)) return value;
  } catch {
    // A getter of the plugin's own that throws tells nothing either.
  }
  const said = faults.get(slot) ?? new Set();
  if (!said.has(field)) {
    faults.set(slot, said.add(field));
    logger.warn({ plugin: `${kind}/${name}`, field }, "what a plugin tells of its holds is malformed; it is left out");
  }
  return null;
}

/** What was said of each plugin: one that gets it wrong does so with each call. */
const faults = new WeakMap<object, Set<keyof ToldHold>>();

const areHeaders = (value: unknown): boolean =>
  isFields(value) && !Array.isArray(value) && Object.values(value).every((text) => typeof text === "string");

const isUse = (value: unknown): boolean => Array.isArray(value) && value.every(isLimitUse);

const areLimits = (value: unknown): boolean => Array.isArray(value) && value.every(isLimit);

function isLimitUse(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { limit, used, held, resetMs } = value;
  return (
    isLimit(limit) && Number.isFinite(used) && Number.isFinite(held) && (resetMs === null || Number.isFinite(resetMs))
  );
}

const isRefusing = (value: unknown): boolean =>
  isFields(value) && isScope(value["scope"]) && ["limit", "used", "held"].every((name) => Number.isFinite(value[name]));

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
