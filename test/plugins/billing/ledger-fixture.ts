import type { Biller, BillingPolicy, ChargeRow, Contexts, PriceRow, Target, Usage } from "llm-proxy/plugin";
import { noUsage } from "llm-proxy/plugin";
import ledger from "../../../plugins/billing/ledger.ts";

export const defaultPolicy: BillingPolicy = { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 16_384 };
/** A day on which the bundled data is complete. */
export const atMs = Date.parse("2026-11-01T12:00:00Z");

type Options = BillingPolicy & { readonly charges?: readonly ChargeRow[] };

export function makeLedger(prices: readonly PriceRow[] = [], options: Options = defaultPolicy): Biller {
  const biller = setUp(prices, options);
  if (biller instanceof Promise) throw new Error("the ledger is set up at once");
  return biller;
}

/** As `makeLedger`, where terms name accounts: those of the first letter in upper case by their names, others by their ids. */
export const makeNamingLedger = async (prices: readonly PriceRow[], options: Options): Promise<Biller> =>
  setUp(prices, options);

const setUp = (prices: readonly PriceRow[], { charges, ...policy }: Options) =>
  ledger.setup({ ...policy, ...(charges && { charges: [...charges] }) }, { ...refusingContext, prices });

export const usage = (used: Partial<Usage>): Usage => ({ ...noUsage, ...used });
/** An instance named after its vendor. */
export const target = (vendor: string, model: string): Target => ({ provider: vendor, vendor, model });

/** The ledger touches nothing of the outside world but accounts: no clock, no network, no state. */
const refusingContext: Omit<Contexts["billing"], "prices"> = {
  name: "ledger",
  logger: { debug: refuse, info: refuse, warn: () => {}, error: refuse },
  storage: { get: refuse, set: refuse, add: refuse },
  fetch: refuse,
  now: refuse,
  onDispose: refuse,
  accounts: {
    find: (word) => (word === "Nobody" ? null : word.toLowerCase()),
    whyNot: () => "no account has this id or name",
  },
};
function refuse(): never {
  throw new Error("the ledger needs nothing of this");
}
