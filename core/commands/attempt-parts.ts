import type { Settings } from "../config/settings.ts";
import { targetBreakers } from "../pipeline/breaker.ts";
import { providerBulkheads } from "../pipeline/bulkhead.ts";
import { pause } from "../pipeline/pause.ts";
import { retryBudget } from "../pipeline/retry-budget.ts";
import type { Services } from "../pipeline/services.ts";
import { timeoutBook } from "../pipeline/timeouts.ts";
import { epochOf } from "../runtime/epoch.ts";

/** What decides whether a target is asked, now or again. It lasts as long as the process, and reads its settings each time. */
export const attemptParts = (
  { attempts, breaker, bulkhead }: Pick<Settings, "attempts" | "breaker" | "bulkhead">,
  { now, elapsed }: { readonly now: () => number; readonly elapsed: () => number },
): Pick<Services, "retries" | "breakers" | "bulkheads" | "pause"> => ({
  retries: retryBudget(() => attempts.retryShare, elapsed),
  breakers: targetBreakers(breaker, elapsed, epochOf(now, elapsed)),
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
