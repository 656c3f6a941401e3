import { GatewayError } from "../chat/error.ts";
import type { Biller, Principal, Provider, Target } from "../plugin/plugin.ts";
import { noTerms, type TreeTerms } from "./account-terms.ts";
import { meansText } from "./glob.ts";
import { byStrategy, type Choice, type Strategy, type StrategyNeeds } from "./strategy.ts";

/** A target with the provider that serves it. */
export interface RouteTarget extends Target {
  readonly slot: Provider;
}
export interface Route {
  /** Tried in order. */
  readonly targets: readonly [RouteTarget, ...RouteTarget[]];
}
/** As the config has it: an alias, its strategy, and what it points to (a target or another alias). */
export interface Alias {
  readonly strategy: Strategy;
  readonly targets: readonly { readonly target: string; readonly weight: number }[];
}
export interface Models {
  /**
   * A model name as a client writes it: alias, then `instance/rest`, then a bare model that exactly one instance claims.
   * Throws `model-not-found`, or `forbidden` when the principal, or an account it is under, may not call it.
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

export function modelTable(
  aliases: Readonly<Record<string, Alias>>,
  providers: ReadonlyMap<string, Provider>,
  biller: Biller | null,
  { loads, now }: Pick<StrategyNeeds, "loads" | "now"> = { loads: null, now: Date.now },
): Models {
  const claims = claimsOf(providers, biller);

  function direct(name: string): RouteTarget | null {
    const slash = name.indexOf("/");
    const instance = slash > 0 ? providers.get(name.slice(0, slash)) : undefined;
    if (instance && slash < name.length - 1) return targetOf(name.slice(0, slash), instance, name.slice(slash + 1));
    const claimants = claims.get(name);
    const only = claimants?.length === 1 ? claimants[0] : undefined;
    const provider = only === undefined ? undefined : providers.get(only);
    return only !== undefined && provider ? targetOf(only, provider, name) : null;
  }

  /** An alias may name aliases; the config reader has refused cycles. */
  function expand(name: string, random: () => number, choice: Choice | null = null): RouteTarget[] {
    const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
    if (!alias) {
      const target = direct(name);
      return target ? [target] : [];
    }
    const { strategy } = alias;
    if (strategy === "ordered" || strategy === "weighted")
      return ordered(alias, random).flatMap((target) => expand(target, random, choice));
    const candidates = alias.targets.map(({ target, weight }) => ({
      name: target,
      weight,
      targets: expand(target, random, choice),
    }));
    return byStrategy(strategy, candidates, choice, { random, biller, loads, now }).flatMap(({ targets }) => targets);
  }

  const allowedTarget = (patterns: readonly string[], target: RouteTarget): boolean =>
    matches(patterns, `${target.provider}/${target.model}`) ||
    (claims.get(target.model)?.length === 1 && matches(patterns, target.model));

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

  return {
    resolve(name, principal, random, terms = noTerms, choice) {
      const found = expand(name, random, choice);
      if (found.length === 0) throw notFound();
      const { models } = principal;
      const permitted =
        models === "all" || matches(models, name) ? found : found.filter((target) => allowedTarget(models, target));
      if (permitted.length === 0) throw notAllowed("this key");
      const [first, ...rest] = terms.length === 0 ? permitted : within(terms, name, permitted);
      if (!first) throw notAllowed("the account");
      return { targets: [first, ...rest] };
    },
    targets() {
      const claimed = [...claims].flatMap(([model, owners]) => owners.map((owner) => direct(`${owner}/${model}`)));
      const found = [...Object.keys(aliases).flatMap((alias) => expand(alias, () => 0)), ...claimed];
      return [...new Map(found.flatMap((one) => (one ? [[`${one.provider}/${one.model}`, one]] : []))).values()];
    },
    aliases: () =>
      Object.entries(aliases)
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([name, alias]) => ({ ...alias, name, reaches: expand(name, () => 0) })),
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
      for (const id of [...claims.keys()].sort()) {
        for (const owner of claims.get(id) ?? []) {
          const target = direct(`${owner}/${id}`) ?? undefined;
          if (claims.get(id)?.length === 1 && !Object.hasOwn(aliases, id) && may(id, target))
            listed.push({ id, ownedBy: owner });
          if (may(`${owner}/${id}`, target)) listed.push({ id: `${owner}/${id}`, ownedBy: owner });
        }
      }
      return listed;
    },
  };
}

/** Whether a list of names, each perhaps with `*` in it, covers `name`. */
const matches = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => meansText(pattern, name));

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

/** `weighted`: the first by chance and weight, the others behind it in file order, to fall back on. */
function ordered(alias: Alias, random: () => number): readonly string[] {
  const names = alias.targets.map(({ target }) => target);
  if (alias.strategy === "ordered") return names;
  const total = alias.targets.reduce((sum, { weight }) => sum + weight, 0);
  let point = random() * total;
  const at = alias.targets.findIndex(({ weight }) => (point -= weight) < 0);
  const first = names[Math.max(at, 0)];
  return first === undefined ? names : [first, ...names.filter((_, other) => other !== Math.max(at, 0))];
}
