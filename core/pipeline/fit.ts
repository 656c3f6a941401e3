import { isDeepStrictEqual } from "node:util";
import { type Capability, capabilityWords } from "../chat/capability.ts";
import { GatewayError } from "../chat/error.ts";
import type { Biller, Principal } from "../plugin/plugin.ts";
import type { TreeTerms } from "./account-terms.ts";
import { type Canary, standingOf } from "./canary.ts";
import { type ConditionKind, type Conditions, unmetOf } from "./conditions.ts";
import { likelyInput } from "./estimate.ts";
import type { RouteTarget } from "./models.ts";
import { needsOf } from "./needs.ts";
import type { Choice } from "./strategy.ts";
import { targetName } from "./target-name.ts";

/** Why a call of an alias is not sent to one of its targets. */
export type SkipReason =
  /** The model is known to lack what the call asks for. */
  | { readonly why: "lacks"; readonly what: readonly Capability[] }
  /** The call asks for more output, in tokens, than the model can write. */
  | { readonly why: "max-output"; readonly asked: number; readonly most: number }
  /** Input and output together, in tokens and by estimate, are more than the model's context. */
  | { readonly why: "context-window"; readonly likely: number; readonly most: number }
  /** What the operator holds it to does not hold. */
  | { readonly why: "condition"; readonly on: ConditionKind }
  /** It is for a share of the callers alone, in percent, and this one is not among them. */
  | { readonly why: "canary"; readonly percent: number }
  | { readonly why: "not-allowed"; readonly by: "key" | "account" };

export interface SkippedTarget {
  /** `instance/model`, or the name of an alias that is passed over whole. */
  readonly target: string;
  readonly because: SkipReason;
}

/** None of the targets takes the call as it is. Which ones they are is the operator's: the message tells how many, and why. */
export class NoFitError extends GatewayError {
  readonly skipped: readonly SkippedTarget[];

  constructor(skipped: readonly SkippedTarget[]) {
    const counts = new Map<string, number>();
    for (const { because } of skipped) {
      const words = because.why === "canary" ? "is for a share of the callers" : wordsOf(because);
      counts.set(words, (counts.get(words) ?? 0) + 1);
    }
    const reasons = [...counts].map(([words, count]) => `${words} (${count} ${count === 1 ? "target" : "targets"})`);
    const more = reasons.length > maxReasons ? `; and ${reasons.length - maxReasons} reasons more` : "";
    super(
      "invalid-request",
      `no target of this model takes the call: ${reasons.slice(0, maxReasons).join("; ")}${more}`,
      {
        code: "no_target_fits",
        param: "model",
        shouldRetry: false,
      },
    );
    this.skipped = skipped;
  }
}

const maxReasons = 8;

export function wordsOf(because: SkipReason): string {
  switch (because.why) {
    case "lacks":
      return `does not take ${because.what.map((what) => capabilityWords[what]).join(", ")}`;
    case "max-output":
      return `writes at most ${because.most} tokens, ${because.asked} are asked for`;
    case "context-window":
      return `has a context of ${because.most} tokens, about ${because.likely} are needed`;
    case "condition":
      return `is for ${conditionWords[because.on]}`;
    case "canary":
      return `is for ${because.percent} % of the callers`;
    case "not-allowed":
      return `is not allowed for ${because.by === "key" ? "this key" : "the account"}`;
  }
}

/** Tags and headers are the operator's: a caller learns that they count, not which. */
const conditionWords: Readonly<Record<ConditionKind, string>> = {
  account: "other accounts",
  headers: "calls with other headers",
  operations: "other operations",
  content: "calls of other content",
  tokens: "calls of another length",
};

/** What of an entry of an alias is about which calls it takes. */
export interface Terms {
  readonly target: string;
  readonly when?: Conditions;
  readonly canary?: Canary;
}

/** Which targets of an alias can carry a call. What is not known of a model never speaks against it. */
export class Fit {
  readonly skipped: SkippedTarget[] = [];
  readonly #caller: Principal;
  readonly #accounts: TreeTerms;
  readonly #choice: Choice;
  readonly #biller: Biller | null;
  readonly #atMs: number;
  #needs: ReadonlySet<Capability> | null = null;
  #goesByEstimate = true;

  constructor(choice: Choice, caller: Principal, accounts: TreeTerms, biller: Biller | null, atMs: number) {
    this.#choice = choice;
    this.#caller = caller;
    this.#accounts = accounts;
    this.#biller = biller;
    this.#atMs = atMs;
  }

  /** Whether an entry of `alias` is there for the call; what it leads to must still carry it. */
  admits({ target, when, canary }: Terms, alias: string): boolean {
    const on = when ? unmetOf(when, this.#choice, this.#accounts, () => this.#asked()) : null;
    if (on !== null) this.#skip(target, { why: "condition", on });
    if (on !== null || !canary) return on === null;
    const { percent } = canary;
    const isIn = standingOf(alias, target, canary, this.#caller, this.#choice) < percent;
    if (!isIn) this.#skip(target, { why: "canary", percent });
    return isIn;
  }

  carries(target: RouteTarget): boolean {
    const because = this.#faultOf(target);
    if (because) this.#skip(targetName(target), because);
    return because === null;
  }

  /** As `carries`, of a target that is none of the alias: for a copy of a chat. */
  suits(target: RouteTarget): boolean {
    return this.#choice.endpoint.operation === "chat" && this.#faultOf(target) === null;
  }

  /** An estimate may be wrong: alone it is no reason to refuse a call. `false`: none has been a reason. */
  trustNoEstimate(): boolean {
    const some = this.#goesByEstimate && this.skipped.some(({ because }) => because.why === "context-window");
    this.#goesByEstimate = false;
    if (some) this.skipped.length = 0;
    return some;
  }

  /** A target that is there several times is one target. */
  #skip(target: string, because: SkipReason): void {
    const isKnown = this.skipped.some((one) => one.target === target && isDeepStrictEqual(one.because, because));
    if (!isKnown) this.skipped.push({ target, because });
  }

  #faultOf(target: RouteTarget): SkipReason | null {
    const { envelope, endpoint } = this.#choice;
    const facts = endpoint.operation === "chat" ? this.#biller?.facts?.(target, this.#atMs) : null;
    if (!facts) return null;
    const { lacks = none, maxOutputTokens: most, contextWindow } = facts;
    if (lacks.length > 0) {
      const what = this.#missing(lacks, target);
      if (what.length > 0) return { why: "lacks", what };
    }
    const asked = envelope.maxOutputTokens ?? 0;
    if (most !== null && asked > most) return { why: "max-output", asked, most };
    if (contextWindow === null || !this.#goesByEstimate) return null;
    const likely = likelyInput(envelope.input) + asked;
    return likely > contextWindow ? { why: "context-window", likely, most: contextWindow } : null;
  }

  #asked(): ReadonlySet<Capability> {
    return (this.#needs ??= needsOf(this.#choice.endpoint, this.#choice.body));
  }

  #missing(lacks: readonly Capability[], { parameters }: RouteTarget): readonly Capability[] {
    const needs = this.#asked();
    const isDropped = parameters?.drop.includes("reasoning") === true;
    return lacks.filter((one) => needs.has(one) && !(isDropped && one === "reasoning"));
  }
}

const none: readonly Capability[] = [];
