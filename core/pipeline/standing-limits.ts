import { within } from "../plugin/deadline.ts";
import type { Limit, LimitUse, RateLimiter } from "../plugin/plugin.ts";
import { isUse } from "../plugin/told-limits.ts";
import { hookTimeoutMs } from "./hook.ts";

/** A limit, and where it stands; `null`: its plugin does not tell. */
export interface StandingLimit {
  readonly limit: Limit;
  readonly use: LimitUse | null;
}

export async function standing(
  slot: Pick<RateLimiter, "use">,
  limits: readonly Limit[],
): Promise<readonly StandingLimit[]> {
  const use = limits.length > 0 ? await useOf(slot, limits) : null;
  return limits.map((limit, at) => ({ limit, use: use?.[at] ?? null }));
}

/** `null`: a limiter that does not tell, fails or hangs, which must not hide the limits. */
export async function useOf(
  slot: Pick<RateLimiter, "use"> | undefined,
  limits: readonly Limit[],
): Promise<readonly LimitUse[] | null> {
  try {
    const use = await within(hookTimeoutMs, () => slot?.use?.(limits) ?? null);
    return isUse(use) ? use : null;
  } catch {
    return null;
  }
}
