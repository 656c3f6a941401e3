import type { Biller, BillingPolicy, ChargeRow, Context, PriceRow, Target, Usage } from "llm-proxy/plugin";
import { noUsage } from "llm-proxy/plugin";
import ledger from "../../../plugins/billing/ledger.ts";

export const defaultPolicy: BillingPolicy = { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 16_384 };
/** A day on which the bundled data is complete. */
export const atMs = Date.parse("2026-11-01T12:00:00Z");

export function makeLedger(
  prices: readonly PriceRow[] = [],
  options: BillingPolicy & { readonly charges?: readonly ChargeRow[] } = defaultPolicy,
): Biller {
  const { charges, ...policy } = options;
  const biller = ledger.setup({ ...policy, ...(charges && { charges: [...charges] }) }, { ...refusingContext, prices });
  if (biller instanceof Promise) throw new Error("the ledger is set up at once");
  return biller;
}

export const usage = (used: Partial<Usage>): Usage => ({ ...noUsage, ...used });
/** An instance named after its vendor. */
export const target = (vendor: string, model: string): Target => ({ provider: vendor, vendor, model });

/** The ledger touches nothing of the outside world: no clock, no network, no state. */
const refusingContext: Context = {
  name: "ledger",
  logger: { debug: refuse, info: refuse, warn: () => {}, error: refuse },
  storage: { get: refuse, set: refuse, add: refuse },
  fetch: refuse,
  now: refuse,
  onDispose: refuse,
};
function refuse(): never {
  throw new Error("the ledger needs nothing of this");
}
