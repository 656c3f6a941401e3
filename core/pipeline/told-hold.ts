import type { Awaitable, Hold, Kind, Logger } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import { areHeaders } from "../plugin/told-headers.ts";
import { isLimitList, isUse } from "../plugin/told-limits.ts";

/** What a plugin told with a hold; `null`: nothing. */
export type ToldHold = { readonly [Field in "headers" | "use" | "spared"]: NonNullable<Hold[Field]> | null };

/** A plugin in plain JavaScript may return anything; what cannot be ended was not granted. */
export function checkedHold(hold: Awaitable<Hold>): Awaitable<Hold> {
  if (hold instanceof Promise) return hold.then(checkedHold);
  const found: Partial<Hold> | null | undefined = hold;
  if (typeof found?.settle === "function" && typeof found.release === "function") return hold;
  throw new TypeError("returned no hold: it needs settle() and release()");
}

/** A hold that is granted after its deadline belongs to nobody any more: it is given back at once. */
export const releaseLate = (late: Hold): void => void Promise.try(() => late.release()).catch(() => {});

/**
 * The rest of a hold, read once and as `Hold` promises it. It only informs, so what is anything else is left out, and the
 * call goes on: it was granted. Never throws.
 */
export const toldWith = (hold: Hold, kind: Kind, plugin: Instance<object>, logger: Logger): ToldHold => ({
  headers: told(hold, "headers", areHeaders, kind, plugin, logger),
  use: told(hold, "use", isUse, kind, plugin, logger),
  spared: told(hold, "spared", isLimitList, kind, plugin, logger),
});

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
