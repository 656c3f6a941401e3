import { GatewayError } from "../chat/error.ts";
import { noUsage, type Usage } from "../chat/usage.ts";
import type { Biller, Rating } from "../plugin/plugin.ts";
import type { Admission, Need } from "../storage/database.ts";
import type { Asked } from "./decode.ts";
import { expectedInput, inputBound } from "./estimate.ts";
import type { Route, RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";

/** Below this a lowered cap would make answers useless; the client is told to wait instead. */
const leastCapTokens = 1_024;

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

/** The worst case over the route's targets, at the dearest tier of each. Throws `unpriced_model` by the operator's policy. */
export function billOf({ envelope }: Asked, route: Route, budgeted: boolean, services: Services): Bill {
  const biller = services.billing?.slot ?? null;
  const now = services.now();
  const capTokens = envelope.maxOutputTokens ?? (budgeted ? uncapped(route, biller) : null);
  const outputTokens = (capTokens ?? 0) * envelope.candidates;
  const parts = route.targets.map((target) => {
    const inputTokens = inputBound(envelope.input, biller?.facts?.(target)?.contextWindow ?? null);
    const rate = (usage: Usage) => rated(biller, usage, target, now, budgeted);
    const input = rate({ ...noUsage, inputTokens });
    const whole = rate({ ...noUsage, inputTokens, outputTokens });
    return { inputTokens, input, whole };
  });
  const most = (of: (part: (typeof parts)[number]) => number) =>
    parts.reduce((found, part) => Math.max(found, of(part)), 0);
  const dearest = parts.reduce<Rating | null>(
    (found, { whole }) => (whole && whole.chargeNano >= (found?.chargeNano ?? 0) ? whole : found),
    null,
  );
  const inputBoundTokens = most(({ inputTokens }) => inputTokens);
  const expectedInputTokens = expectedInput(envelope.input, inputBoundTokens);
  const inputNano = most(({ input }) => input?.chargeNano ?? 0);
  return {
    budgeted,
    dearest,
    capTokens,
    inputBoundTokens,
    expectedInputTokens,
    ifInterrupted: interruptedCharge(biller, route.targets[0], expectedInputTokens, now),
    need: {
      inputNano,
      outputNano: Math.max(most(({ whole }) => whole?.chargeNano ?? 0) - inputNano, 0),
      outputTokens,
      leastOutputTokens: Math.min(leastCapTokens * envelope.candidates, outputTokens),
    },
  };
}

/**
 * The cap of a call that a budget holds for and that set none itself. One for all targets, within what each of them can
 * do: the hold is lowered in proportion to it, and it is sent to whichever target is tried.
 */
function uncapped(route: Route, biller: Biller | null): number | null {
  if (!biller) return null;
  const most = route.targets.map((target) => biller.facts?.(target)?.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  return Math.min(biller.policy.uncappedOutputTokens, ...most);
}

/** `null`: no price, and the operator lets such calls pass. A budget that cannot be checked refuses all the same. */
function rated(
  biller: Biller | null,
  usage: Usage,
  target: RouteTarget,
  atMs: number,
  budgeted: boolean,
): Rating | null {
  if (!biller) return null;
  try {
    return biller.rate(usage, target, atMs, { dearest: true });
  } catch (error) {
    if (isUnpriced(error) && biller.policy.unpriced === "allow" && !budgeted) return null;
    throw error;
  }
}

export const isUnpriced = (error: unknown): boolean =>
  error instanceof GatewayError && error.details.code === "unpriced_model";

function interruptedCharge(
  biller: Biller | null,
  target: RouteTarget,
  inputTokens: number,
  atMs: number,
): Bill["ifInterrupted"] {
  if (!biller) return null;
  const usage = { ...noUsage, inputTokens };
  try {
    const { costNano, chargeNano, priceVersion } = biller.rate(usage, target, atMs);
    return { usage, costNano, chargeNano, priceVersion };
  } catch (error) {
    if (isUnpriced(error)) return null;
    throw error;
  }
}
