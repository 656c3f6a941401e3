import { noUsage, type Usage } from "../chat/usage.ts";
import type { Envelope } from "../dialects/dialect.ts";
import { invalid } from "../dialects/fields.ts";
import type { RateOptions, Rating } from "../plugin/plugin.ts";
import type { Route, RouteTarget } from "./models.ts";
import { speaks } from "./speaks.ts";

/** A model that a target is told to run too, as the target that it would be by itself. */
interface OtherTarget {
  readonly param: string;
  /** `null`: nobody can tell which. */
  readonly target: RouteTarget | null;
}

/** Only who speaks the client's dialect is told of them. */
export function othersAt(target: RouteTarget, { otherModels }: Envelope): readonly OtherTarget[] {
  if (otherModels === undefined || !speaks(target, otherModels.dialect)) return none;
  return otherModels.models
    .filter(({ name }) => name !== target.model)
    .map(({ param, name }) => ({ param, target: name === null ? null : { ...target, model: name } }));
}
const none: readonly OtherTarget[] = [];

/**
 * A call is held for and charged by the prices of one model: another that its provider may run must have the same ones.
 * Throws `invalid-request` where it has not. `rate`: `null` for a model without a price that may be called all the same.
 */
export function refuseOtherPrices(envelope: Envelope, { targets }: Route, rate: Rate): void {
  for (const target of targets) {
    const others = othersAt(target, envelope);
    const own = others.length > 0 ? pricesOf(target, rate) : "";
    for (const { param, target: other } of others) {
      if (other !== null && pricesOf(other, rate) === own) continue;
      throw invalid(
        param,
        "has the provider run a model besides the one asked for, at a price of its own; leave it out, or ask for an alias with several targets, which falls back too",
      );
    }
  }
}

type Rate = (usage: Usage, target: RouteTarget, options: RateOptions) => Rating | null;

/** Equal where the prices are, the dearest tier's among them. */
function pricesOf(target: RouteTarget, rate: Rate): string {
  const ratings = [rate(sample, target, {}), rate(sample, target, { dearest: true, itemised: true })];
  return JSON.stringify(ratings.map((rating) => rating && [rating.lines, rating.chargeNano]));
}

/** Some of each class that models of text have. */
const sample: Usage = {
  ...noUsage,
  inputTokens: 100_000,
  cacheReadTokens: 10_000,
  cacheWriteTokens: 20_000,
  cacheWrite1hTokens: 5_000,
  outputTokens: 10_000,
  reasoningTokens: 1_000,
  webSearches: 1,
  fileSearches: 1,
};
