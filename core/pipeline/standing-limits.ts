import type { Limit, LimitUse, RateLimiter } from "../plugin/plugin.ts";

/** A limit, and where it stands; `null`: its plugin does not tell. */
export interface StandingLimit {
  readonly limit: Limit;
  readonly use: LimitUse | null;
}

/** A limiter that does not tell, or fails, must not hide the limits. */
export async function standing(
  slot: Pick<RateLimiter, "use">,
  limits: readonly Limit[],
): Promise<readonly StandingLimit[]> {
  let use: readonly LimitUse[] = [];
  try {
    use = (limits.length > 0 && (await slot.use?.(limits))) || [];
  } catch {
    // Told by none of them.
  }
  return limits.map((limit, at) => ({ limit, use: use[at] ?? null }));
}
