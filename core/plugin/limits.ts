import type { Limit, LimitScope, LimitUse, Measure, Period } from "../chat/limit.ts";
import type { Usage } from "../chat/usage.ts";
import type { Awaitable, Principal } from "./plugin.ts";

type PerPeriod<Name extends string> = `${Name}Per${Capitalize<Period>}`;

/**
 * Limits as they are written in files, bodies and forms. An absent one is no limit. `usdPer…` is a number or decimal of
 * USD.
 */
export type Limits = {
  readonly [Name in PerPeriod<"requests" | "tokens" | "inputTokens" | "outputTokens">]?: number;
} & {
  readonly [Name in PerPeriod<"usd">]?: number | string;
} & { readonly concurrency?: number };

/** Every field of `Limits`, and what it limits. */
export const limitFields: readonly LimitField[] = [
  ...(["second", "minute", "hour", "day"] as const).flatMap((per): readonly LimitField[] => [
    { name: `requestsPer${capital(per)}`, measure: "requests", per },
    { name: `tokensPer${capital(per)}`, measure: "tokens", per },
    { name: `inputTokensPer${capital(per)}`, measure: "input-tokens", per },
    { name: `outputTokensPer${capital(per)}`, measure: "output-tokens", per },
    { name: `usdPer${capital(per)}`, measure: "spend", per },
  ]),
  { name: "concurrency", measure: "concurrency", per: null },
];
export interface LimitField {
  readonly name: keyof Limits;
  readonly measure: Measure;
  readonly per: Period | null;
}

function capital<Word extends string>(word: Word): Capitalize<Word> {
  // What the language does to the type, done to the value.
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}` as Capitalize<Word>;
}

/** Who wants what, and at most how much of it. */
export interface Claim {
  readonly callId: string;
  readonly principal: Principal;
  readonly model: string;
  /** What the call will probably use: limits reserve this and are corrected at the end. */
  readonly expectedTokens: number;
  /** The two parts of it. */
  readonly expectedInputTokens: number;
  readonly expectedOutputTokens: number;
  /** What it will probably be charged, in nano-USD; 0 where no limit in `spend` is among its limits. */
  readonly expectedChargeNano: number;
}

/** A granted claim. Core ends it exactly once, by one of the two methods, however the call went. */
export interface Hold {
  /** More headers for the client. Those that tell of limits are core's, from `use`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the limits stand, this claim counted in. */
  readonly use?: readonly LimitUse[];
  /** What limits with `enforce: false` would have refused. */
  readonly spared?: readonly Limit[];
  /** Replaces the expectation by what was used. */
  settle(actual: { readonly usage: Usage; readonly chargeNano: number }): Awaitable<void>;
  /** The call was not admitted, or no provider was asked: nothing counts, not even the request. */
  release(): Awaitable<void>;
}

/** What a claim takes of a limit at first: requests, tokens, slots or nano-USD, a whole number. */
export function neededOf(claim: Claim, measure: Measure): number {
  switch (measure) {
    case "requests":
    case "concurrency":
      return 1;
    case "tokens":
      return whole(claim.expectedTokens);
    case "input-tokens":
      return whole(claim.expectedInputTokens);
    case "output-tokens":
      return whole(claim.expectedOutputTokens);
    case "spend":
      return whole(claim.expectedChargeNano);
  }
}

const whole = (amount: number): number => Math.max(0, Math.ceil(amount));

/** Whose calls an instance's own limits count together. */
export type OwnScope = Exclude<LimitScope["kind"], "ip">;

/**
 * The first instance in the file keeps the limits of keys, accounts, the file and the API beside its own, any other its own
 * alone. It is asked only for calls that one of them counts: a rule that is not in `own` is not a limit, and holds for nobody.
 */
export interface RateLimiter {
  /** The rules of the instance's own options, applied for every principal beside all others. */
  readonly own?: { readonly scope: OwnScope; readonly limits: Limits; readonly enforce?: boolean };
  /**
   * Takes from all the limits, of which there is one at least, or from none. Throws `rate-limited` with
   * `retryAfterSeconds`, `details.limit` (of the one that binds longest) and `details.use`. A limit with `enforce: false`
   * never refuses: where it would, nothing is taken from it, and the hold names it in `spared`.
   */
  acquire(claim: Claim, limits: readonly Limit[]): Awaitable<Hold>;
  /**
   * What `acquire` would find: where the limits stand, the claim not counted in, and which would be spared. Throws as it
   * would. Takes nothing, and changes nothing that a later claim meets: it is asked about calls that are not made.
   */
  preview?(claim: Claim, limits: readonly Limit[]): Awaitable<Pick<Hold, "use" | "spared">>;
  /** Where limits stand now, for pages. Takes nothing. */
  use?(limits: readonly Limit[]): Awaitable<readonly LimitUse[]>;
}
