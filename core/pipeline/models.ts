import { GatewayError } from "../chat/error.ts";
import { joinParameters, type Parameters } from "../chat/parameters.ts";
import type { Envelope } from "../dialects/dialect.ts";
import type { Biller, Principal, Provider, Target } from "../plugin/plugin.ts";
import { noTerms, type TreeTerms } from "./account-terms.ts";
import { Fit, NoFitError, type SkippedTarget, type Terms } from "./fit.ts";
import { meansText } from "./glob.ts";
import { othersAt } from "./other-models.ts";
import type { Shadow } from "./shadow.ts";
import { byStrategy, type Candidate, type Choice, type Strategy, type StrategyNeeds } from "./strategy.ts";
import { targetName } from "./target-name.ts";

/** A target with the provider that serves it. */
export interface RouteTarget extends Target {
  /** What the strategy of an alias went by; absent: by none. */
  score?: number;
  readonly slot: Provider;
  /** What the operator drops and sets; absent: nothing. */
  readonly parameters?: Parameters;
}
export interface Route {
  /** Tried in order. */
  readonly targets: readonly [RouteTarget, ...RouteTarget[]];
  /** Those of an alias that this call is not sent to, and why. Absent: none. */
  readonly skipped?: readonly SkippedTarget[];
  /** Gets a copy of the call. Absent: none does. */
  readonly shadow?: Shadow;
}
/** As the config has it: an alias, its strategy, and what it points to (a target or another alias). */
export interface Alias {
  readonly strategy: Strategy;
  readonly targets: readonly AliasTarget[];
  readonly shadow?: AliasShadow;
}
interface AliasShadow extends Pick<Shadow, "maxInFlight" | "account"> {
  /** `instance/model`. */
  readonly target: string;
  /** Of the calls; from 0 to 100. */
  readonly percent: number;
  readonly parameters?: Parameters;
}
interface AliasTarget extends Terms {
  readonly weight: number;
  readonly parameters?: Parameters;
  /** Entries with the same are one target, whose first that takes a call counts for it. Absent: `target` is it. */
  readonly sameAs?: string;
}
export interface Models {
  /**
   * A model name as a client writes it: alias, then `instance/rest`, then a bare model that exactly one instance claims.
   * Throws `model-not-found`, `forbidden` when the principal, or an account it is under, may not call it, or `NoFitError`
   * when no target of the alias can carry the call.
   */
  resolve(name: string, principal: Principal, random: () => number, terms?: TreeTerms, choice?: Choice): Route;
  /** What the principal may call, sorted: aliases, then bare claims, then `instance/model`. */
  list(principal: Principal, terms?: TreeTerms): readonly ListedModel[];
  /** Every target that the file, a provider or the price book names. */
  targets(): readonly RouteTarget[];
  /** By name. */
  aliases(): readonly NamedAlias[];
}
/** An alias, and all that it may end at. */
export interface NamedAlias extends Alias {
  readonly name: string;
  readonly reaches: readonly RouteTarget[];
}
export interface ListedModel {
  readonly id: string;
  /** The instance that serves it; `llm-proxy` for an alias. */
  readonly ownedBy: string;
}

/** A bound, because names come from clients. */
const mostMade = 1_000;

export function modelTable(
  aliases: Readonly<Record<string, Alias>>,
  providers: ReadonlyMap<string, Provider>,
  biller: Biller | null,
  { loads, now }: Pick<StrategyNeeds, "loads" | "now"> = { loads: null, now: Date.now },
): Models {
  let claimed: ReadonlyMap<string, readonly string[]> | null = null;
  // With the first call: it asks the price book for all it knows, which a start does not wait for.
  const claims = () => (claimed ??= claimsOf(providers, biller));
  const made = new Map<string, RouteTarget>();
  const repeating = new Set(Object.keys(aliases).filter((name) => repeats(aliases[name]?.targets ?? [])));

  const nesting = new Set(
    Object.keys(aliases).filter((name) => aliases[name]?.targets.some(({ target }) => Object.hasOwn(aliases, target))),
  );

  /** The same target for the same name: what is known of a target is found by it. */
  function direct(name: string): RouteTarget | null {
    const known = made.get(name);
    if (known !== undefined) return known;
    const target = targetNamed(name);
    if (target === null) return null;
    if (made.size >= mostMade) made.clear();
    made.set(name, target);
    return target;
  }

  function targetNamed(name: string): RouteTarget | null {
    const slash = name.indexOf("/");
    const instance = slash > 0 ? providers.get(name.slice(0, slash)) : undefined;
    if (instance && slash < name.length - 1) return targetOf(name.slice(0, slash), instance, name.slice(slash + 1));
    const claimants = claims().get(name);
    const only = claimants?.length === 1 ? claimants[0] : undefined;
    const provider = only === undefined ? undefined : providers.get(only);
    return only !== undefined && provider ? targetOf(only, provider, name) : null;
  }

  /** An alias may name aliases; the config reader has refused cycles. `fit`: leaves out what cannot carry the call. */
  function expand(
    name: string,
    random: () => number,
    choice: Choice | null = null,
    fit: Fit | null = null,
    parameters?: Parameters,
  ): RouteTarget[] {
    const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
    if (!alias) {
      const target = direct(name);
      if (!target) return [];
      const own = parameters ? { ...target, parameters } : target;
      return fit === null || fit.carries(own) ? [own] : [];
    }
    // A caller that is in the share of a canary has it first, and what others have behind it.
    const canaries: Entry[] = [];
    const usual: Entry[] = [];
    for (const entry of alias.targets) {
      if (fit !== null && !fit.admits(entry, name)) continue;
      const { target, weight, parameters: inner, canary } = entry;
      const joined = parameters && inner ? joinParameters(inner, parameters) : (parameters ?? inner);
      const targets = expand(target, random, choice, fit, joined);
      if (targets.length === 0) continue;
      const candidate = { name: target, weight, targets, sameAs: entry.sameAs ?? target };
      (fit !== null && canary ? canaries : usual).push(candidate);
    }
    const all: RouteTarget[] = [];
    const first = repeating.has(name) ? firstOfEach(canaries) : canaries;
    const others = repeating.has(name) ? firstOfEach(usual, first) : usual;
    for (const { targets } of first) all.push(...targets);
    for (const { targets } of byStrategy(alias.strategy, others, choice, { random, biller, loads, now }))
      all.push(...targets);
    return all;
  }

  function expandOnce(name: string, random: () => number, choice: Choice | null = null, fit: Fit | null = null) {
    const found = expand(name, random, choice, fit);
    return nesting.has(name) ? askedOnce(found) : found;
  }

  const allowedTarget = (patterns: readonly string[], target: RouteTarget): boolean =>
    matches(patterns, targetName(target)) ||
    (claims().get(target.model)?.length === 1 && matches(patterns, target.model));

  /** Of the targets of `name` those that each of the accounts allows. */
  const within = (terms: TreeTerms, name: string, targets: readonly RouteTarget[]): readonly RouteTarget[] =>
    terms.reduce(
      (left, own) =>
        left.filter(
          (target) =>
            (own.providers === "all" || matches(own.providers, target.provider)) &&
            (own.models === "all" || matches(own.models, name) || allowedTarget(own.models, target)),
        ),
      targets,
    );

  function permitted(
    found: readonly RouteTarget[],
    name: string,
    { models }: Principal,
    terms: TreeTerms,
    skipped: SkippedTarget[],
  ): Route["targets"] {
    if (found.length === 0) throw notFound();
    const ofKey =
      models === "all" || matches(models, name) ? found : found.filter((target) => allowedTarget(models, target));
    if (ofKey.length === 0) throw notAllowed("this key");
    const ofAccount = terms.length === 0 ? ofKey : within(terms, name, ofKey);
    if (!isFilled(ofAccount)) throw notAllowed("the account");
    if (ofAccount.length < found.length)
      skipped.push(...notAllowedAmong(found, ofKey, "key"), ...notAllowedAmong(ofKey, ofAccount, "account"));
    return ofAccount;
  }

  /** Throws `forbidden` for a model that the request has a target run too, and that the caller may not call there. */
  function permitOthers(targets: Route["targets"], envelope: Envelope, principal: Principal, terms: TreeTerms): void {
    for (const { target } of targets.flatMap((one) => othersAt(one, envelope)))
      if (target !== null) permitted([target], targetName(target), principal, terms, []);
  }

  /** Drawn anew for each call. A caller's data goes nowhere that its key and accounts do not let it go. */
  function shadowOf(
    name: string,
    { models }: Principal,
    random: () => number,
    terms: TreeTerms,
    fit: Fit,
  ): Shadow | null {
    const shadow = aliases[name]?.shadow;
    if (!shadow || random() * 100 >= shadow.percent) return null;
    const found = direct(shadow.target);
    if (!found) return null;
    const { parameters, maxInFlight, account } = shadow;
    const target = parameters ? { ...found, parameters } : found;
    const isAllowed =
      (models === "all" || matches(models, name) || allowedTarget(models, target)) &&
      within(terms, name, [target]).length > 0;
    return isAllowed && fit.suits(target) ? { of: name, target, maxInFlight, account } : null;
  }

  return {
    resolve(name, principal, random, terms = noTerms, choice) {
      const fit = choice && Object.hasOwn(aliases, name) ? new Fit(choice, principal, terms, biller, now()) : null;
      let found = expandOnce(name, random, choice ?? null, fit);
      if (found.length === 0 && fit?.trustNoEstimate()) found = expandOnce(name, random, choice ?? null, fit);
      // Who may not call it at all is told that, and not what it is made of.
      const isUnfit = found.length === 0 && fit !== null;
      const skipped = fit?.skipped ?? [];
      const targets = permitted(isUnfit ? expandOnce(name, random) : found, name, principal, terms, skipped);
      if (isUnfit) throw new NoFitError(skipped);
      if (choice?.envelope.otherModels) permitOthers(targets, choice.envelope, principal, terms);
      // Of no alias: nothing was left out, and nobody gets a copy.
      if (fit === null) return { targets };
      const shadow = choice?.envelope.otherModels ? null : shadowOf(name, principal, random, terms, fit);
      return { targets, ...(skipped.length > 0 && { skipped }), ...(shadow && { shadow }) };
    },
    targets() {
      const owned = [...claims()].flatMap(([model, owners]) => owners.map((owner) => direct(`${owner}/${model}`)));
      const shadows = Object.values(aliases).map(({ shadow }) => (shadow ? direct(shadow.target) : null));
      const found = [...Object.keys(aliases).flatMap((alias) => expand(alias, () => 0)), ...shadows, ...owned];
      return [...new Map(found.flatMap((one) => (one ? [[targetName(one), one]] : []))).values()];
    },
    aliases: () =>
      Object.entries(aliases)
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([name, alias]) => ({ ...alias, name, reaches: expandOnce(name, () => 0) })),
    list({ models }, terms = noTerms) {
      const mayKey = (id: string, target?: RouteTarget) =>
        models === "all" || matches(models, id) || (target !== undefined && allowedTarget(models, target));
      const may = (id: string, target?: RouteTarget) =>
        mayKey(id, target) &&
        (terms.length === 0 || within(terms, id, target ? [target] : expand(id, () => 0)).length > 0);
      const listed: ListedModel[] = Object.keys(aliases)
        .sort()
        .filter((id) => may(id))
        .map((id) => ({ id, ownedBy: "llm-proxy" }));
      for (const id of [...claims().keys()].sort()) {
        for (const owner of claims().get(id) ?? []) {
          const target = direct(`${owner}/${id}`) ?? undefined;
          if (claims().get(id)?.length === 1 && !Object.hasOwn(aliases, id) && may(id, target))
            listed.push({ id, ownedBy: owner });
          if (may(`${owner}/${id}`, target)) listed.push({ id: `${owner}/${id}`, ownedBy: owner });
        }
      }
      return listed;
    },
  };
}

const isFilled = (targets: readonly RouteTarget[]): targets is Route["targets"] => targets.length > 0;

interface Entry extends Candidate<RouteTarget> {
  readonly sameAs: string;
}

const repeats = (targets: Alias["targets"]): boolean =>
  new Set(targets.map(({ target, sameAs = target }) => sameAs)).size < targets.length;

/** A target that an alias has several times is asked once, with the settings of the first entry that takes the call. */
function firstOfEach(entries: readonly Entry[], before: readonly Entry[] = []): readonly Entry[] {
  const seen = new Set(before.map(({ sameAs }) => sameAs));
  return entries.filter(({ sameAs }) => !seen.has(sameAs) && seen.add(sameAs));
}

/** A target that several aliases in an alias lead to is asked once, with the settings of the first way to it. */
function askedOnce(targets: readonly RouteTarget[]): RouteTarget[] {
  const seen = new Set<string>();
  return targets.filter((target) => {
    const name = targetName(target);
    return !seen.has(name) && seen.add(name);
  });
}

/** Whether a list of names, each perhaps with `*` in it, covers `name`. */
const matches = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => meansText(pattern, name));

const notAllowedAmong = (
  all: readonly RouteTarget[],
  allowed: readonly RouteTarget[],
  by: "key" | "account",
): readonly SkippedTarget[] =>
  all.flatMap((one) =>
    allowed.includes(one) ? [] : [{ target: targetName(one), because: { why: "not-allowed", by } }],
  );
const notAllowed = (who: string) =>
  new GatewayError("forbidden", `${who} may not use the model`, { code: "model_not_allowed" });
const notFound = () => new GatewayError("model-not-found", "no such model");

const targetOf = (provider: string, slot: Provider, model: string): RouteTarget => ({
  provider,
  vendor: slot.vendor ?? provider,
  model,
  slot,
});

/** Bare names to the instances that claim them: their own `models`, else what the price book knows of their vendor. */
function claimsOf(providers: ReadonlyMap<string, Provider>, biller: Biller | null): Map<string, string[]> {
  const claims = new Map<string, string[]>();
  for (const [instance, slot] of providers) {
    const names = slot.models ?? biller?.models?.(slot.vendor ?? instance).map((facts) => facts.model) ?? [];
    for (const name of new Set(names)) claims.set(name, [...(claims.get(name) ?? []), instance]);
  }
  return claims;
}

/** Whether an alias goes by how busy or fast its targets are, so that somebody must look. */
export const goByLoad = (aliases: Readonly<Record<string, Alias>>): boolean =>
  Object.values(aliases).some(({ strategy }) => strategy === "least-busy" || strategy === "lowest-latency");
