import { clearInterval, setInterval } from "node:timers";
import type { Call } from "../pipeline/call.ts";
import type { Logger } from "../plugin/plugin.ts";
import type { InterruptedPolicy, LedgerRepository } from "../storage/database.ts";

export interface SweepOptions {
  readonly ledger: Pick<LedgerRepository, "lease" | "sweep" | "sweepStrays">;
  readonly policy: () => InterruptedPolicy;
  /** Calls in flight. */
  readonly open: ReadonlySet<Call>;
  readonly logger: Logger;
  readonly now: () => number;
  readonly everyMs?: number;
}

/** Well below the lease, so that a process that is held up for a while keeps its calls. */
const everyMs = 15_000;
const leaseMs = 60_000;
/** A call that is not worked on after this is looked at. */
const strayMs = 60_000;

/**
 * Takes the lease, ends what dead processes left open, and goes on with both, and with calls of our own that were lost from
 * sight. Returns what ends it.
 */
export async function sweepRegularly(options: SweepOptions): Promise<() => void> {
  const { ledger, policy, open, logger, now } = options;

  async function sweep() {
    await ledger.lease(now(), now() + leaseMs);
    const dead = await ledger.sweep(policy(), now());
    if (dead > 0) logger.warn({ calls: dead }, "calls of a process that died were ended as interrupted");
  }

  async function again() {
    await sweep();
    const live = new Set([...open].map(({ id }) => id));
    const isLive = (callId: string) => live.has(callId);
    const strays = await ledger.sweepStrays(policy(), now(), { beforeMs: now() - strayMs, isLive });
    if (strays.length > 0)
      logger.error(
        { calls: strays.length, callIds: strays.slice(0, 10) },
        "open calls that nobody worked on were ended",
      );
  }

  await sweep();
  const timer = setInterval(() => {
    void again().catch((error: unknown) => logger.warn({ error }, "open calls could not be swept"));
  }, options.everyMs ?? everyMs).unref();
  return () => clearInterval(timer);
}
