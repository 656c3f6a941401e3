import { GatewayError } from "../chat/error.ts";
import type { Usage } from "../chat/usage.ts";
import type { Envelope, Operation } from "../dialects/dialect.ts";
import { dialects } from "../dialects/index.ts";
import type { Biller, ModelFacts, RateOptions, Rating } from "../plugin/plugin.ts";
import type { BudgetRepository } from "../storage/budget.ts";
import type { Admission, Need } from "../storage/database.ts";
import { uncappedOutput } from "./account-terms.ts";
import type { Asked } from "./decode.ts";
import { expectedInput, inputBound, searchBound } from "./estimate.ts";
import type { Route, RouteTarget } from "./models.ts";
import { refuseOtherPrices } from "./other-models.ts";
import type { Services } from "./services.ts";
import { speaks } from "./speaks.ts";
import { unitsOf } from "./told-usage.ts";

/** Below this a lowered cap would make answers useless; the client is told to wait instead. */
const leastCapTokens = 1_024;

/** Reasoning that does not fit the whole cap either is no reason to refuse a lower one. */
const leastCapOf = ({ reasoningTokens = 0 }: Envelope, capTokens: number): number =>
  reasoningTokens < capTokens ? Math.max(leastCapTokens, reasoningTokens + 1) : leastCapTokens;

/** Output of a candidate, where a budget holds what a call will probably cost: few answers are longer. */
const likelyOutputTokens = 1_024;

/** What no provider bills: it is charged nothing, and neither a budget nor a limit in USD counts it. */
export const isUnbilled = (operation: Operation): boolean => operation === "count-tokens";

/** What a call may cost at most, and will probably use. */
export interface Bill {
  /** A budget counts the call. */
  readonly budgeted: boolean;
  readonly need: Need;
  readonly dearest: Rating | null;
  readonly ifInterrupted: Admission["ifInterrupted"];
  /** One candidate's cap that the need is for; `null`: none, because no budget asks for one. */
  readonly capTokens: number | null;
  readonly inputBoundTokens: number;
  readonly expectedInputTokens: number;
}

/**
 * Whether a cache for an hour may be asked for, which costs more (Anthropic's `"ttl": "1h"`), plainly or with a character
 * escaped. Three searches of the text cost less than one pattern.
 */
const mayCacheLong = (text: string): boolean =>
  text.includes('"1h"') || text.includes("\\u0031") || text.includes("\\u0068");

/**
 * The worst case over the route's targets, at the dearest tier that each may serve, and the most that one of them will
 * probably cost. Throws `unpriced_model` by the operator's policy. `told`: the most input by the count of each target's
 * provider, where it was asked. `counted` "free": whatever budgets there are, the call costs nothing.
 */
export function billOf(
  { envelope, text }: Asked,
  route: Route,
  counted: ReturnType<BudgetRepository["inScope"]> | "free",
  services: Services,
  accounts: readonly string[] = [],
  told: readonly (number | null)[] = [],
): Bill {
  const isFree = counted === "free";
  const budgeted = !isFree && counted !== "none";
  const biller = services.billing?.slot ?? null;
  const now = services.now();
  const bounds: number[] = [];
  let inputBoundTokens = 0;
  for (const target of route.targets) {
    const bound = Math.min(
      mostInput(envelope.input, biller, target, now),
      told[bounds.length] ?? Number.POSITIVE_INFINITY,
    );
    bounds.push(bound);
    if (bound > inputBoundTokens) inputBoundTokens = bound;
  }
  const [first] = route.targets;
  const expectedInputTokens = expectedInput(envelope.input, services.ratios.of(first).input, inputBoundTokens);
  // What costs nothing needs no price.
  if (isFree) return unheld(inputBoundTokens, expectedInputTokens, null);
  const usual: RateOptions = envelope.tier ? { accounts, serviceTier: envelope.tier.name } : { accounts };
  const input = usageOf(expectedInputTokens, 0, 0);
  // Each is rated, so that a target without a price is met now and not after a fallback.
  const expected = rated(services, input, first, now, budgeted, usual);
  for (const target of route.targets) if (target !== first) rated(services, input, target, now, budgeted, usual);
  const { otherModels, tier } = envelope;
  if (otherModels)
    refuseOtherPrices(envelope, route, (usage, target, options) =>
      rated(services, usage, target, now, budgeted, { ...usual, ...options }),
    );
  if (tier && (budgeted || biller?.policy.unpriced === "refuse")) {
    for (const target of route.targets)
      if (speaks(target, tier.dialect))
        refuseUnpricedTier(tier, rated(services, usageOf(1, 1, 0), target, now, budgeted, usual));
  }
  const ifInterrupted = expected && interruption(expected, expectedInputTokens);
  // Nobody asks what the call may cost at most: that it has a price is all there is to know.
  if (!budgeted && !biller?.authorize) return unheld(inputBoundTokens, expectedInputTokens, ifInterrupted);

  const capTokens = Math.min(
    envelope.maxOutputTokens ?? uncapped(route, biller, now, uncappedOutput(accounts, services.database)),
    maxCapTokens,
  );
  const outputTokens = capTokens * envelope.candidates;
  let dearest: Rating | null = null;
  let inputNano = 0;
  const shortCache = !mayCacheLong(text);
  const searches = searchBound(envelope.input);
  for (let at = 0; at < bounds.length; at++) {
    const target = route.targets[at] ?? first;
    const inputTokens = bounds[at] ?? inputBoundTokens;
    const most = { dearest: true, accounts, shortCache, ...askedTier(target, tier) };
    const onlyInput = rated(services, usageOf(inputTokens, 0, searches), target, now, budgeted, most);
    const whole = rated(services, usageOf(inputTokens, outputTokens, searches), target, now, budgeted, most);
    inputNano = Math.max(inputNano, onlyInput?.chargeNano ?? 0);
    if (whole && (!dearest || whole.chargeNano > dearest.chargeNano)) dearest = whole;
  }
  const need: Writable<Need> = {
    inputNano,
    outputNano: Math.max((dearest?.chargeNano ?? 0) - inputNano, 0),
    outputTokens,
    leastOutputTokens: Math.min(leastCapOf(envelope, capTokens) * envelope.candidates, outputTokens),
  };
  if (counted === "expected") {
    const likelyTokens = Math.min(likelyOutputTokens * envelope.candidates, outputTokens);
    need.expectedNano = 0;
    for (let at = 0; at < bounds.length; at++) {
      const target = route.targets[at] ?? first;
      const tokens = expectedInput(envelope.input, services.ratios.of(target).input, bounds[at] ?? inputBoundTokens);
      // What no tokens say: the most of what it may make.
      const made = unitsOf(biller?.facts?.(target, now)?.most ?? {});
      const likely = rated(services, { ...usageOf(tokens, likelyTokens, 0), ...made }, target, now, budgeted, usual);
      need.expectedNano = Math.max(need.expectedNano, likely?.chargeNano ?? 0);
    }
  }
  return { budgeted, need, dearest, ifInterrupted, capTokens, inputBoundTokens, expectedInputTokens };
}

/** Of a call that no budget counts. */
const unheld = (inputBoundTokens: number, expectedInputTokens: number, ifInterrupted: Bill["ifInterrupted"]): Bill => ({
  budgeted: false,
  need: noNeed,
  dearest: null,
  ifInterrupted,
  capTokens: null,
  inputBoundTokens,
  expectedInputTokens,
});

/** Nothing where the provider may serve any tier, whatever is asked for. */
function askedTier(target: RouteTarget, tier: Envelope["tier"]): Pick<RateOptions, "serviceTier"> {
  if (tier && speaks(target, tier.dialect)) return { serviceTier: tier.name };
  const { slot } = target;
  const isToldAll = "dialects" in slot && slot.dialects.every((name) => dialects.get(name)?.traits.fastWhenAsked);
  return isToldAll ? usualTier : anyTier;
}
const usualTier = { serviceTier: "standard" } as const;
const anyTier = {} as const;

type Writable<Whole> = { -readonly [Field in keyof Whole]: Whole[Field] };

/** Written out: a copy of `noUsage` with changes takes twice the time and memory, three times a call. */
const usageOf = (inputTokens: number, outputTokens: number, searches: number): Usage => ({
  inputTokens,
  outputTokens,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
  reasoningTokens: 0,
  inputAudioTokens: 0,
  cacheReadAudioTokens: 0,
  outputAudioTokens: 0,
  webSearches: searches,
  fileSearches: searches,
});

/** By the largest context window that holds before the call has ended. */
function mostInput(input: Envelope["input"], biller: Biller | null, target: RouteTarget, atMs: number): number {
  let most = inputBound(input, biller?.facts?.(target, atMs)?.contextWindow ?? null);
  for (const { contextWindow } of biller?.factsAhead?.(target, atMs) ?? noFacts)
    most = Math.max(most, inputBound(input, contextWindow));
  return most;
}
const noFacts: readonly ModelFacts[] = [];

const noNeed: Need = { inputNano: 0, outputNano: 0, outputTokens: 0, leastOutputTokens: 0 };

/** No model writes so much; a larger cap is held for as this one, and sent as this one. */
const maxCapTokens = 10_000_000;

/**
 * The cap of a call that a budget holds for and that set none itself. One for all targets, within what each of them can
 * do: the hold is lowered in proportion to it, and it is sent to whichever target is tried.
 */
function uncapped(route: Route, biller: Biller | null, atMs: number, ofAccounts: number): number {
  let most = Math.min(biller?.policy.uncappedOutputTokens ?? maxCapTokens, ofAccounts);
  for (const target of route.targets)
    most = Math.min(most, biller?.facts?.(target, atMs)?.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  return most;
}

/** `null`: no price, and the operator lets such calls pass. A budget that cannot be checked refuses all the same. */
function rated(
  services: Services,
  usage: Usage,
  target: RouteTarget,
  atMs: number,
  budgeted: boolean,
  options: RateOptions,
): Rating | null {
  const biller = services.billing?.slot;
  if (!biller) return null;
  try {
    return biller.rate(usage, target, atMs, options);
  } catch (error) {
    if (isUnpriced(error) && options.dearest !== true) countUnpriced(target, services);
    if (isUnpriced(error) && biller.policy.unpriced === "allow" && !budgeted) return null;
    throw error;
  }
}

/** The usual prices of the model say nothing of it. Where they are 0, so are any multiples of them. */
function refuseUnpricedTier({ param, name }: NonNullable<Envelope["tier"]>, rating: Rating | null): void {
  if (rating === null || rating.costNano === 0 || rating.lines.some(({ tier }) => tier === name)) return;
  throw new GatewayError(
    "invalid-request",
    `'${param}' asks for what the model has no price of: '${name.slice(0, 64)}'.`,
    {
      code: "unpriced_model",
      param,
    },
  );
}

/** For the list of what has no price. It holds up no call, and fails none. */
export function countUnpriced({ provider, model }: RouteTarget, { database, logger }: Services) {
  Promise.try(() => database.book.countUnpriced(provider, model)).catch((error: unknown) =>
    logger.warn({ provider, error }, "a model without a price could not be counted"),
  );
}

export const isUnpriced = (error: unknown): boolean =>
  error instanceof GatewayError && error.details.code === "unpriced_model";

const interruption = ({ costNano, chargeNano, priceVersion }: Rating, inputTokens: number): Bill["ifInterrupted"] => ({
  inputTokens,
  costNano,
  chargeNano,
  priceVersion,
});
