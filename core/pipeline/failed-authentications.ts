import { GatewayError } from "../chat/error.ts";
import { noUsage } from "../chat/usage.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Call } from "./call.ts";
import { closedHook } from "./hook.ts";
import type { Services } from "./services.ts";
import { checkedHold, releaseLate, toldWith } from "./told-hold.ts";

/** Counts one on its address. Throws `rate-limited` when there are too many; else the caller goes on with its refusal. */
export async function countFailure(
  request: Request,
  call: Pick<Call, "id" | "timings">,
  services: Counting,
): Promise<void> {
  const [limiter] = services.rateLimit;
  const limits = services.limits.ofAddress(services.addressGroupOf(request) ?? "unknown");
  if (!limiter || limits.length === 0) return;
  const claim = {
    callId: call.id,
    principal: nobody,
    model: "",
    expectedTokens: 0,
    expectedInputTokens: 0,
    expectedOutputTokens: 0,
    expectedChargeNano: 0,
  };
  const context = { logger: services.logger, timings: call.timings };
  try {
    const acquire = () => checkedHold(limiter.slot.acquire(claim, limits));
    const hold = await closedHook(context, "rate-limit", limiter.name, "acquire", acquire, releaseLate);
    const { spared } = toldWith(hold, "rate-limit", limiter, services.logger);
    for (const limit of spared ?? []) services.limits.spared(limit);
    const settle = () => hold.settle({ usage: noUsage, chargeNano: 0 });
    await closedHook(context, "rate-limit", limiter.name, "settle", settle);
  } catch (error) {
    // A limiter that fails is logged by the hook; the caller is refused anyway.
    if (!(error instanceof GatewayError) || error.kind !== "rate-limited") return;
    services.limits.refusedBy(error);
    const { retryAfterSeconds = 1, limit } = error.details;
    throw new GatewayError(
      "rate-limited",
      `Too many requests without a valid API key came from this address. Try again in ${retryAfterSeconds} s.`,
      { retryAfterSeconds, shouldRetry: false, ...(limit && { limit }) },
    );
  }
}

type Counting = Pick<Services, "rateLimit" | "limits" | "addressGroupOf" | "logger">;

/** No account of anybody's: limits on an address ask for none. */
const nobody: Principal = { name: "", keyId: null, accountId: "", models: [], limits: {} };
