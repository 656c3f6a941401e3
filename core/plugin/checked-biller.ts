import { GatewayError } from "../chat/error.ts";
import { reasonOf } from "../config/problem.ts";
import { atOnce } from "./at-once.ts";
import { countFault, talliesOf, tallyIn } from "./hook-tally.ts";
import { claimCopy } from "./guarded-limiter.ts";
import { describeInstance, type ResolvedPlugin } from "./load.ts";
import type { Biller, Logger, Rating, RatingLine } from "./plugin.ts";
import { toldError } from "./told-error.ts";

/**
 * A biller of which core can believe every rating: what is none would pass through budgets, because no comparison with
 * it holds. What it throws, other than a GatewayError, or returns amiss refuses the call; the log says why. What it throws
 * where there is no call to refuse comes with its name.
 */
export function checkedBiller(instance: ResolvedPlugin, slot: Biller, logger: Logger): Biller {
  const tally = tallyIn(talliesOf("billing", instance.name), "rate");
  const { models, facts, factsAhead, adopt, prices, authorize } = slot;
  const { unpriced, interrupted, uncappedOutputTokens } = slot.policy;

  function refusal(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error;
    logger.error({ error }, "a plugin failed; the call is refused");
    return new GatewayError("unavailable", "the call could not be checked", { retryAfterSeconds: 5, cause: error });
  }
  function orRefused<T>(run: () => T): T {
    try {
      return run();
    } catch (thrown) {
      throw refusal(toldError(thrown));
    }
  }
  function named<T>(hook: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new Error(`${describeInstance(instance)}: ${hook}() failed: ${reasonOf(error)}`, { cause: error });
    }
  }

  return {
    policy: { unpriced, interrupted, uncappedOutputTokens },
    rate(usage, target, atMs, options) {
      // Not timed: every call is rated several times, and to read the clock takes as long as most ratings.
      tally.calls += 1;
      try {
        const rating = slot.rate(usage, target, atMs, options);
        if (isRating(rating)) return rating;
        throw new TypeError(
          "rate() returned no rating: costNano and chargeNano must be whole numbers from 0, lines and terms plain texts and numbers",
        );
      } catch (thrown) {
        const error = toldError(thrown);
        countFault(tally, error);
        throw refusal(error);
      }
    },
    ...(facts && { facts: (target, atMs) => orRefused(() => atOnce("facts", facts.call(slot, target, atMs))) }),
    ...(factsAhead && {
      factsAhead: (target, atMs) => orRefused(() => listOf("factsAhead", factsAhead.call(slot, target, atMs))),
    }),
    ...(models && { models: (vendor) => named("models", () => listOf("models", models.call(slot, vendor))) }),
    ...(adopt && { adopt: (entries) => named("adopt", () => atOnce("adopt", adopt.call(slot, [...entries]))) }),
    ...(prices && { prices: (instances) => named("prices", () => listOf("prices", prices.call(slot, instances))) }),
    ...(authorize && { authorize: (claim, rating) => authorize.call(slot, claimCopy(claim), { ...rating }) }),
  };
}

function listOf<Item>(hook: string, value: readonly Item[]): readonly Item[] {
  if (Array.isArray(atOnce(hook, value))) return value;
  throw new TypeError(`${hook}() returned no list`);
}

/** A plugin in plain JavaScript may return anything. */
export function isRating(rating: Partial<Rating> | null | undefined): rating is Rating {
  if (rating === null || rating === undefined) return false;
  const { costNano, chargeNano, priceVersion, lines, terms } = rating;
  return (
    isNano(costNano) &&
    isNano(chargeNano) &&
    typeof priceVersion === "string" &&
    Array.isArray(lines) &&
    lines.every(isLine) &&
    (terms === undefined || (isPlain(terms) && typeof terms.version === "string"))
  );
}

const isLine = (line: Partial<RatingLine> | null | undefined): boolean =>
  isPlain(line) && typeof line.item === "string" && typeof line.quantity === "number" && typeof line.price === "string";

/** What is kept with the call as JSON: a part that has none, or itself in it, would leave the call open with its hold. */
function isPlain<Fields extends object>(fields: Fields | null | undefined): fields is Fields {
  if (typeof fields !== "object" || fields === null) return false;
  // Without a list of what is there: it is on the path of every call, several times.
  for (const name in fields) {
    const value: unknown = fields[name];
    if (value !== undefined && typeof value !== "string" && !Number.isFinite(value)) return false;
  }
  return true;
}

const isNano = (nano: number | undefined): boolean => Number.isSafeInteger(nano) && (nano ?? -1) >= 0;
