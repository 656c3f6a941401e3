import { setImmediate as nextTurn } from "node:timers/promises";
import type { Target } from "../plugin/plugin.ts";
import type { RatedCall, Reprice } from "../storage/adjustment.ts";
import type { Change } from "../storage/audit.ts";
import { isUnpriced } from "./bill.ts";
import { rateEnded } from "./rate-ended.ts";
import type { Services } from "./services.ts";

export interface RepriceOrder {
  /** Calls admitted in `[from, to)`. */
  readonly from: number;
  readonly to: number;
  readonly model?: string | undefined;
  /** Writes nothing: only says what would change. */
  readonly dryRun: boolean;
  readonly reason: string;
  readonly author: string;
  /** `next` of the answer before. */
  readonly after?: string | undefined;
}
export interface Repriced {
  /** Calls that used something. */
  readonly examined: number;
  /** Of those, how many differ from what the book says now. */
  readonly changed: number;
  /** Of those, how many the book has no price for; they stay as they are. */
  readonly unpriced: number;
  /** Of those, how many could not be rated, because the cost is too large or the plugin fails; they stay as they are. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
  readonly costDeltaNano: number;
  readonly chargeDeltaNano: number;
  /** Calls of the range from before this may be gone for their age, and keep their rating; `null`: none is gone. */
  readonly goneBeforeMs: number | null;
  /** Time was up: go on with it; `null`: all were looked at. */
  readonly next: string | null;
}

interface Failure {
  readonly callId: string;
  readonly error: string;
}

type Needed = Pick<Services, "billing" | "providers" | "now"> & {
  readonly database: Pick<Services["database"], "adjustments" | "accounts" | "audit">;
};

/** Calls of one transaction, which holds up the process for some milliseconds. */
const callsAtOnce = 100;
/** Of the calls that could not be rated: all of them are counted, and what fails one mostly fails its likes. */
export const mostFailures = 20;
const longestError = 200;
/** Below the time after which a client, or what is in between, gives an answer up. */
const maxMs = 20_000;

/** Each adjustment says by itself who made it; that it was asked for stands in the audit log before the first. */
const startOf = ({ from, to, model, reason, author }: RepriceOrder): Change => ({
  action: "ledger.reprice",
  object: { kind: "ledger", id: null },
  accountId: null,
  before: null,
  after: { from, to, model, reason, author },
});

/**
 * Rates calls again as they were rated at their end, by the book as it is now, and writes what differs as adjustments. Calls
 * themselves are never changed, so a second run finds nothing.
 */
export async function reprice(order: RepriceOrder, services: Needed): Promise<Repriced> {
  const { database, now } = services;
  const startMs = now();
  const sum = { examined: 0, changed: 0, unpriced: 0, failed: 0, costDeltaNano: 0, chargeDeltaNano: 0 };
  const failures: Failure[] = [];
  let { after } = order;
  if (!order.dryRun && after === undefined) await database.audit.add(startOf(order));
  for (;;) {
    const { from, to, model } = order;
    const { calls, next, goneBeforeMs } = await database.adjustments.ratedCalls({
      from,
      to,
      limit: callsAtOnce,
      ...(model !== undefined && { model }),
      ...(after !== undefined && { after }),
    });
    const changed: Reprice[] = [];
    for (const call of calls) {
      sum.examined += 1;
      const rating = await rated(call, services);
      if (rating === "unpriced") {
        sum.unpriced += 1;
        continue;
      }
      if ("error" in rating) {
        sum.failed += 1;
        if (failures.length < mostFailures) failures.push(rating);
        continue;
      }
      if (rating.costNano === call.costNano && rating.chargeNano === call.chargeNano) continue;
      changed.push(rating);
      sum.costDeltaNano += rating.costNano - (call.costNano ?? 0);
      sum.chargeDeltaNano += rating.chargeNano - (call.chargeNano ?? 0);
    }
    sum.changed += changed.length;
    if (changed.length > 0 && !order.dryRun)
      await database.adjustments.write(changed, { reason: order.reason, author: order.author });
    if (next === null || now() - startMs > maxMs) return { ...sum, failures, goneBeforeMs, next };
    after = next;
    // What reads from memory gives nobody else a turn.
    await nextTurn();
  }
}

/** One call that cannot be rated keeps no other from it. */
async function rated(
  call: RatedCall,
  { billing, providers, database }: Needed,
): Promise<Reprice | "unpriced" | Failure> {
  const { provider, upstreamModel, serviceTier } = call;
  const target: Target = { provider, vendor: providers.get(provider)?.vendor ?? provider, model: upstreamModel };
  const accounts = (await database.accounts.countedLine(call.accountId, call.createdMs)).map(({ id }) => id);
  if (!billing) return "unpriced";
  try {
    const times = { startedMs: call.createdMs, finishedMs: call.finishedMs };
    const { costNano, chargeNano, priceVersion } = rateEnded(billing.slot, call.usage, target, times, {
      accounts,
      ...(serviceTier !== null && { serviceTier }),
    });
    if (!isAmount(costNano) || !isAmount(chargeNano)) return failure(call, "the rating is no amount in nano-USD");
    return { seq: call.seq, costNano, chargeNano: call.isFree ? 0 : chargeNano, priceVersion };
  } catch (error) {
    if (isUnpriced(error)) return "unpriced";
    return failure(call, error instanceof Error ? error.message : String(error));
  }
}

const isAmount = (nano: number): boolean => Number.isSafeInteger(nano) && nano >= 0;

const failure = ({ callId }: RatedCall, error: string): Failure => ({ callId, error: error.slice(0, longestError) });
