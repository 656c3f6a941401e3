import { noUsage } from "../../chat/usage.ts";
import type { Biller, Provider, RatingLine } from "../../plugin/plugin.ts";
import type { CallDetail } from "../../storage/database.ts";
import { searchBounds } from "../estimate.ts";

interface Needs {
  /** `null`: there is none, or its prices are not for whoever asks. */
  readonly biller: Biller | null;
  readonly providers: ReadonlyMap<string, Provider>;
  /** Who paid: the account and its parents, nearest first. */
  readonly accounts: readonly string[];
}
interface HeldFor {
  readonly target: string;
  readonly lines: readonly RatingLine[];
  readonly priceVersion: string;
}

/**
 * Which price lines a hold came of. They are not recorded: the most that the call could be is rated again, and told only
 * where that comes to what was held. `null`: it does not, because prices have changed since or the hold was lowered.
 */
export function heldFor(
  { why, heldNano, createdMs, provider, upstreamModel }: CallDetail,
  needs: Needs,
): HeldFor | null {
  const { biller, providers, accounts } = needs;
  const [, inputTokens, outputTokens] = why?.estimate ?? [];
  if (!biller || inputTokens === undefined || outputTokens === undefined || outputTokens === null) return null;
  for (const target of why?.route ?? [`${provider}/${upstreamModel}`]) {
    const slash = target.indexOf("/");
    const [instance, model] = [target.slice(0, slash), target.slice(slash + 1)];
    const at = { provider: instance, vendor: providers.get(instance)?.vendor ?? instance, model };
    for (const webSearches of searchBounds)
      for (const shortCache of [true, false]) {
        const usage = { ...noUsage, inputTokens, outputTokens, webSearches };
        try {
          const options = { dearest: true, accounts, shortCache, itemised: true };
          const { chargeNano, lines, priceVersion } = biller.rate(usage, at, createdMs, options);
          // A lowered cap is priced in proportion, and rounded up.
          const isIt = Math.abs(chargeNano - heldNano) <= 2;
          if (isIt && lines.length > 0) return { target, lines, priceVersion };
        } catch {
          // It has no price any more.
        }
      }
  }
  return null;
}
