import type { Claim, Limit, RateLimiter } from "./plugin.ts";

/**
 * A limiter of somebody else's, which gets copies of its own: limits and callers are kept between calls, and one that takes
 * its list apart as it goes through it would leave the next call without limits.
 */
export function guardedLimiter(slot: RateLimiter): RateLimiter {
  const { own, preview, use } = slot;
  return {
    ...(own && { own }),
    acquire: (claim, limits) => slot.acquire(claimCopy(claim), limits.map(limitCopy)),
    ...(preview && { preview: (claim, limits) => preview.call(slot, claimCopy(claim), limits.map(limitCopy)) }),
    ...(use && { use: (limits) => use.call(slot, limits.map(limitCopy)) }),
  };
}

export const claimCopy = (claim: Claim): Claim => ({ ...claim, principal: { ...claim.principal } });

const limitCopy = (limit: Limit): Limit => ({ ...limit, scope: { ...limit.scope } });
