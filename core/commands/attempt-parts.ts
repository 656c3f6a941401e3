import type { Settings } from "../config/settings.ts";
import { targetBreakers } from "../pipeline/breaker.ts";
import { providerBulkheads } from "../pipeline/bulkhead.ts";
import { pause } from "../pipeline/pause.ts";
import { retryBudget } from "../pipeline/retry-budget.ts";
import type { Services } from "../pipeline/services.ts";
import { timeoutBook } from "../pipeline/timeouts.ts";

/** What decides whether a target is asked, now or again. It lasts as long as the process, and reads its settings each time. */
export const attemptParts = (
  { attempts, breaker, bulkhead }: Pick<Settings, "attempts" | "breaker" | "bulkhead">,
  clocks: { readonly now: () => number; readonly elapsed: () => number },
): Pick<Services, "retries" | "breakers" | "bulkheads" | "pause"> => ({
  retries: retryBudget(() => attempts.retryShare, clocks.elapsed),
  breakers: targetBreakers(breaker, clocks.elapsed, clocks.now),
  bulkheads: providerBulkheads(bulkhead, pause),
  pause,
});

export const gatewaySettings = ({
  maxBodyBytes,
  attempts,
  timeouts,
  disconnect: { drainMs, maxDrains },
}: Settings): Services["settings"] => ({
  maxBodyBytes,
  attempts,
  timeouts: timeoutBook(timeouts),
  stallTimeoutMs: timeouts.stallMs,
  disconnectDrainMs: drainMs,
  maxDrains,
});
