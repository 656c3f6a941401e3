import type { Usage } from "../chat/usage.ts";
import type { Biller, RateOptions, Rating, Target } from "../plugin/plugin.ts";
import { isUnpriced } from "./bill.ts";

/**
 * What a call comes to that has ended, also when it is rated again: by the prices of its end, which is what a provider that
 * prices by the hour goes by. Where those were taken back meanwhile, by the prices of its start, on which it was let in.
 * Throws as `rate` does.
 */
export function rateEnded(
  biller: Biller,
  usage: Usage,
  target: Target,
  { startedMs, finishedMs }: { readonly startedMs: number; readonly finishedMs: number },
  options: RateOptions,
): Rating {
  try {
    return biller.rate(usage, target, finishedMs, options);
  } catch (error) {
    if (!isUnpriced(error)) throw error;
    return biller.rate(usage, target, startedMs, options);
  }
}
