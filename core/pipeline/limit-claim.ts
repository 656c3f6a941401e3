import { GatewayError } from "../chat/error.ts";
import { limitText, subjectText } from "../chat/limit.ts";
import { noUsage, type Usage } from "../chat/usage.ts";
import type { Envelope } from "../dialects/dialect.ts";
import type { Claim, Limit, Principal } from "../plugin/plugin.ts";
import { isUnbilled, isUnpriced } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import type { Route, RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";
import { addWarnings } from "./warnings.ts";

interface Claimant {
  readonly call: Call;
  readonly principal: Principal;
  readonly asked: Asked;
  readonly route: Route;
  readonly expectedInputTokens: number;
}

type Tokens = Pick<Usage, "inputTokens" | "outputTokens">;

/** What a call will probably use: the input, and of the output its cap, or what the model usually writes. */
export function claimOf(
  { call, principal, asked: { envelope }, route, expectedInputTokens }: Claimant,
  limits: readonly Limit[],
  services: Services,
): Claim {
  const [target] = route.targets;
  const { maxOutputTokens, candidates } = envelope;
  const expectedOutputTokens =
    maxOutputTokens !== null
      ? maxOutputTokens * candidates
      : limits.length > 0 && writesFreely(call, envelope)
        ? guessed(target, candidates, expectedInputTokens, limits, services)
        : 0;
  return {
    callId: call.id,
    principal,
    model: envelope.model,
    expectedTokens: expectedInputTokens + expectedOutputTokens,
    expectedInputTokens,
    expectedOutputTokens,
    expectedChargeNano:
      !isUnbilled(call.endpoint.operation) && limits.some(({ measure }) => measure === "spend")
        ? expectedCharge(
            { inputTokens: expectedInputTokens, outputTokens: expectedOutputTokens },
            call,
            envelope,
            target,
            limits,
            services,
          )
        : 0,
  };
}

/** A guess of the output must not refuse what could pass here either; what the input costs is none. */
function expectedCharge(
  tokens: Tokens,
  call: Call,
  envelope: Envelope,
  target: RouteTarget,
  limits: readonly Limit[],
  services: Services,
): number {
  const wholeNano = chargeOf(tokens, call, target, limits, services);
  if (!writesFreely(call, envelope)) return wholeNano;
  const spends = limits.filter(({ measure }) => measure === "spend");
  // One that is only tried must not lower what those that hold let through.
  const enforced = spends.filter(({ enforce }) => enforce !== false);
  const leastNano = Math.min(...(enforced.length > 0 ? enforced : spends).map(({ amount }) => amount));
  if (wholeNano <= leastNano) return wholeNano;
  return Math.max(leastNano, chargeOf({ ...tokens, outputTokens: 0 }, call, target, limits, services));
}

/** How much such a call will write is a guess, and what it has written is what guesses are learned of. */
export const writesFreely = ({ endpoint }: Call, { maxOutputTokens }: Envelope): boolean =>
  endpoint.operation === "chat" && maxOutputTokens === null;

/** A guess alone must not refuse what could pass: it is never more than the limits let through at once. */
function guessed(
  target: RouteTarget,
  candidates: number,
  inputTokens: number,
  limits: readonly Limit[],
  services: Services,
): number {
  let most = services.limits.output.of(target) * candidates;
  for (const { measure, amount } of limits) {
    if (measure === "tokens") most = Math.min(most, Math.max(0, amount - inputTokens));
    if (measure === "output-tokens") most = Math.min(most, amount);
  }
  return Math.ceil(most);
}

/** A limit in money that cannot be checked refuses. */
function chargeOf(
  tokens: Tokens,
  call: Call,
  target: RouteTarget,
  limits: readonly Limit[],
  services: Services,
): number {
  const isEnforced = limits.some(({ measure, enforce }) => measure === "spend" && enforce !== false);
  const biller = services.billing?.slot;
  if (!biller) {
    if (!isEnforced) return 0;
    throw new GatewayError("unavailable", "a limit in USD counts the call, and nothing is configured that rates it", {
      retryAfterSeconds: 5,
    });
  }
  try {
    return biller.rate({ ...noUsage, ...tokens }, target, services.now(), { accounts: call.accounts }).chargeNano;
  } catch (error) {
    if (!isEnforced && isUnpriced(error)) return 0;
    throw error;
  }
}

/** What limits that are only tried would have refused is told, and counted. */
export function noteSpared(spared: readonly Limit[], call: Call, services: Services): void {
  if (spared.length === 0) return;
  for (const limit of spared) services.limits.spared(limit);
  addWarnings(
    call.warnings,
    spared.map((limit) => `a limit that is not enforced would refuse: ${limitText(limit)} ${subjectText(limit.scope)}`),
  );
}
