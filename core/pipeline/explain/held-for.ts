import { noUsage } from "../../chat/usage.ts";
import type { Biller, Provider, RateOptions, RatingLine } from "../../plugin/plugin.ts";
import { searchBounds } from "../estimate.ts";
import type { ExplainedHold } from "./explanation.ts";

interface Held {
  /** 0: nothing was held. */
  readonly nano: number;
  /** `null`, as the next: nobody knows. */
  readonly mostInputTokens: number | null;
  readonly mostOutputTokens: number | null;
  readonly atMs: number;
  /** `instance/model` of each target that it covers. */
  readonly targets: readonly string[];
  /** Who pays: the account and its parents, nearest first. */
  readonly accounts: readonly string[];
}
interface HeldFor {
  readonly target: string;
  readonly lines: readonly RatingLine[];
  readonly priceVersion: string;
}

/** `biller` `null`: there is none, or its prices are not for whoever asks. */
export function explainedHold(
  held: Held,
  biller: Biller | null,
  providers: ReadonlyMap<string, Provider>,
): ExplainedHold | null {
  if (held.nano === 0) return null;
  const found = biller && heldFor(held, biller, providers);
  return {
    heldNano: held.nano,
    target: found?.target ?? null,
    lines: found?.lines ?? null,
    priceVersion: found?.priceVersion ?? null,
  };
}

/**
 * Which price lines a hold came of. They are not kept: the most that the call could be is rated again, and told only where
 * that comes to what was held. `null`: it does not, because prices have changed since or targets differ in their input.
 */
function heldFor(held: Held, biller: Biller, providers: ReadonlyMap<string, Provider>): HeldFor | null {
  const { nano, mostInputTokens: inputTokens, mostOutputTokens: outputTokens, atMs, targets, accounts } = held;
  if (inputTokens === null || outputTokens === null) return null;
  for (const target of targets) {
    const slash = target.indexOf("/");
    const [instance, model] = [target.slice(0, slash), target.slice(slash + 1)];
    const at = { provider: instance, vendor: providers.get(instance)?.vendor ?? instance, model };
    for (const searches of searchBounds)
      for (const asked of askedFor) {
        const usage = { ...noUsage, inputTokens, outputTokens, webSearches: searches, fileSearches: searches };
        try {
          const options = { dearest: true, accounts, itemised: true, ...asked };
          const { chargeNano, lines, priceVersion } = biller.rate(usage, at, atMs, options);
          // A lowered cap is priced in proportion, and rounded up.
          const isIt = Math.abs(chargeNano - nano) <= 2;
          if (isIt && lines.length > 0) return { target, lines, priceVersion };
        } catch {
          // It has no price any more.
        }
      }
  }
  return null;
}

/** What decides about the dearest price; which it was is not kept either. */
const askedFor: readonly RateOptions[] = [true, false].flatMap((shortCache) => [
  { shortCache },
  { shortCache, serviceTier: "standard" },
]);
