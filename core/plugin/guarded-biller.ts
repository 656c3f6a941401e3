import type { Biller, RateOptions, Rating, RatingLine, Target } from "./plugin.ts";

/**
 * A biller of somebody else's, which gets copies of its own, and of whose ratings core keeps copies: targets and usage are
 * those of the call, so one that works in them would have another model asked, and one that tells every rating in the same
 * object would change what another call is charged until that is written.
 */
export function guardedBiller(slot: Biller): Biller {
  const { policy, models, facts, factsAhead, adopt, prices, authorize } = slot;
  return {
    policy,
    rate: (usage, target, atMs, options) =>
      ratingCopy(slot.rate({ ...usage }, targetCopy(target), atMs, options && optionsCopy(options))),
    ...(models && { models: models.bind(slot) }),
    ...(facts && { facts: (target, atMs) => facts.call(slot, targetCopy(target), atMs) }),
    ...(factsAhead && { factsAhead: (target, atMs) => factsAhead.call(slot, targetCopy(target), atMs) }),
    ...(adopt && { adopt: adopt.bind(slot) }),
    ...(prices && { prices: prices.bind(slot) }),
    ...(authorize && { authorize: authorize.bind(slot) }),
  };
}

const targetCopy = ({ provider, vendor, model }: Target): Target => ({ provider, vendor, model });

const optionsCopy = ({ accounts, ...options }: RateOptions): RateOptions =>
  accounts ? { ...options, accounts: [...accounts] } : options;

/** What is no rating stays none, for whoever checks it. */
function ratingCopy(rating: Rating): Rating {
  const { lines, terms }: Partial<Rating> = rating ?? {};
  if (!areLines(lines)) return rating;
  return { ...rating, lines: lines.map((line) => ({ ...line })), ...(terms && { terms: { ...terms } }) };
}

const areLines = (value: unknown): value is readonly RatingLine[] => Array.isArray(value);
