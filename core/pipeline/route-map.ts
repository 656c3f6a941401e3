import type { JsonObject } from "../chat/json.ts";
import type { ParameterDefaults, ParameterName } from "../chat/parameters.ts";
import { noUsage, type Usage } from "../chat/usage.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import type { Biller, Principal, Target } from "../plugin/plugin.ts";
import { noTerms } from "./account-terms.ts";
import type { BreakerState } from "./breaker.ts";
import type { Canary } from "./canary.ts";
import type { Conditions } from "./conditions.ts";
import { NoFitError, type SkipReason } from "./fit.ts";
import { type Alias, type Models, modelTable, type NamedAlias } from "./models.ts";
import type { Services } from "./services.ts";
import type { Choice, Strategy } from "./strategy.ts";
import { targetName } from "./target-name.ts";

/** Where calls of an alias go as things are, down to the targets. */
export interface RouteMap {
  readonly name: string;
  readonly strategy: Strategy;
  readonly entries: readonly RouteEntry[];
}
export interface RouteEntry {
  /** As the file has it. */
  readonly target: string;
  /** `null`: the strategy goes by none. */
  readonly weight: number | null;
  readonly when: Conditions | null;
  readonly canary: Canary | null;
  readonly drop: readonly ParameterName[];
  readonly defaults: ParameterDefaults;
  /** Why it takes no plain call; `null`: it may take one. */
  readonly unfit: SkipReason | null;
  /** Of plain calls in percent, those that would be sent there first now. */
  readonly share: number;
  readonly leadsTo: RouteMap | RouteStop;
}
/** A target as it does now. */
export interface RouteStop {
  readonly provider: string;
  readonly model: string;
  /** `null`: it did not fail lately. */
  readonly breaker: Pick<BreakerState, "state" | "reason" | "nextProbeMs"> | null;
  /** Calls that are with it; `null`: nobody counts, as no alias goes by it. */
  readonly busy: number | null;
  /** Of 1,000 tokens in and 500 out; `null`: it has no price. */
  readonly costNano: number | null;
}
export interface AliasRoute extends RouteMap {
  /** Gets copies of its calls; `null`: nothing does. */
  readonly shadow: {
    /** Of the calls. */
    readonly percent: number;
    readonly maxInFlight: number;
    /** On their way now. */
    readonly inFlight: number;
    /** Id or name of who pays; `null`: nobody. */
    readonly account: string | null;
    readonly drop: readonly ParameterName[];
    readonly defaults: ParameterDefaults;
    readonly leadsTo: RouteStop;
  } | null;
  /** Of plain calls in percent, those that no target would take. */
  readonly refused: number;
}
export type RouteMapSources = Pick<Services, "models" | "providers" | "breakers" | "loads" | "shadows" | "now"> & {
  readonly billing: { readonly slot: Biller } | null;
};

/** `null`: there is no such alias. */
export function aliasRoute(name: string, sources: RouteMapSources): AliasRoute | null {
  const aliases = new Map(sources.models.aliases().map((alias) => [alias.name, alias]));
  const root = aliases.get(name);
  if (!root) return null;
  const nowMs = sources.now();
  const biller = sources.billing?.slot ?? null;
  const breakers = new Map(sources.breakers.list().map((one) => [targetName(one), one]));
  const apart = toldApart(root, aliases);
  const { shares, unfit, refused } = sampled(apart, sources, (target) => isLeftAlone(breakers.get(target)));

  const mapOf = (strategy: Strategy, branches: readonly Branch[], own: string): RouteMap => ({
    name: own,
    strategy,
    entries: branches.map((branch) => entryOf(strategy, branch)),
  });
  function entryOf(strategy: Strategy, { id, entry, inner, branches }: Branch): RouteEntry {
    const { target, weight, when, canary, parameters } = entry;
    const goesByWeight = !canary && (strategy === "weighted" || strategy === "sticky");
    return {
      target,
      weight: goesByWeight ? weight : null,
      when: when ?? null,
      canary: canary ?? null,
      drop: parameters?.drop ?? [],
      defaults: parameters?.defaults ?? {},
      unfit: unfit.get(id) ?? null,
      share: shareOf({ id, branches }),
      leadsTo: inner ? mapOf(inner.strategy, branches, target) : stopOf(target),
    };
  }
  const shareOf = ({ id, branches }: Pick<Branch, "id" | "branches">): number =>
    branches.reduce((sum, branch) => sum + shareOf(branch), shares.get(id) ?? 0);

  function shadowOf(alias: NamedAlias): AliasRoute["shadow"] {
    if (!alias.shadow) return null;
    const { target, percent, maxInFlight, account, parameters } = alias.shadow;
    return {
      percent,
      maxInFlight,
      inFlight: sources.shadows.inFlight.get(alias.name) ?? 0,
      account,
      drop: parameters?.drop ?? [],
      defaults: parameters?.defaults ?? {},
      leadsTo: stopOf(target),
    };
  }
  function stopOf(target: string): RouteStop {
    // As the file has it, which has been checked.
    const slash = target.indexOf("/");
    const [provider, model] = [target.slice(0, slash), target.slice(slash + 1)];
    const at = { provider, vendor: sources.providers.get(provider)?.vendor ?? provider, model };
    const breaker = breakers.get(target);
    return {
      provider,
      model,
      breaker: breaker ? { state: breaker.state, reason: breaker.reason, nextProbeMs: breaker.nextProbeMs } : null,
      busy: sources.loads?.busy(at) ?? null,
      costNano: costOf(at, biller, nowMs),
    };
  }
  return { ...mapOf(root.strategy, apart.branches, name), shadow: shadowOf(root), refused };
}

/** One call at a time is let through to see, which is no share. */
const isLeftAlone = (breaker: BreakerState | undefined): boolean => breaker !== undefined && breaker.state !== "closed";

function costOf(target: Target, biller: Biller | null, nowMs: number): number | null {
  if (!biller) return null;
  try {
    return biller.rate({ ...noUsage, inputTokens: 1_000, outputTokens: 500 }, target, nowMs).costNano;
  } catch {
    return null;
  }
}

// ── which entry a call goes through ───────────────────────────────────────────────────────────────────────────────────

/** An entry, and those behind it. */
interface Branch {
  /** Its target with a mark: one target may be there several times, at the end of different ways. */
  readonly id: string;
  readonly entry: Alias["targets"][number];
  /** `null`: a target, at which the way ends. */
  readonly inner: NamedAlias | null;
  readonly branches: readonly Branch[];
}
interface Apart {
  readonly id: string;
  readonly branches: readonly Branch[];
  readonly aliases: Readonly<Record<string, Alias>>;
}

/** No name in a file has it in it: control characters are refused there. */
const mark = "\u0001";
const unmarked = (text: string): string => text.split(mark, 1)[0] ?? "";
/** A file can spread aliases over aliases; what is behind so many entries is not drawn. */
const mostBranches = 2_000;

/** The same aliases with a name of its own for each entry and each use of an alias, and the tree that they are. */
function toldApart(root: NamedAlias, named: ReadonlyMap<string, NamedAlias>): Apart {
  const aliases: Record<string, Alias> = {};
  let made = 0;
  function spread(id: string, { strategy, targets }: Alias): readonly Branch[] {
    const branches = targets.map((entry): Branch => {
      made += 1;
      const own = `${entry.target}${mark}${made}`;
      const inner = named.get(entry.target) ?? null;
      return { id: own, entry, inner, branches: inner && made < mostBranches ? spread(own, inner) : [] };
    });
    aliases[id] = {
      strategy,
      targets: branches.map(({ id: target, entry }) => ({ ...entry, target, sameAs: entry.target })),
    };
    return branches;
  }
  const id = `${root.name}${mark}`;
  return { id, branches: spread(id, root), aliases };
}

/** Hashing and drawing for each target of each sample: so much in all, some 10 ms. */
const mostWork = 4_000;
const mostSamples = 200;
const leastSamples = 20;

/**
 * Asks the table that calls ask, for short chats of different callers and conversations on the account `default`. The
 * draws are the same each time, so that what is shown changes when something has.
 */
function sampled({ id, aliases }: Apart, sources: RouteMapSources, isOff: (target: string) => boolean) {
  const models = tableOf(aliases, sources);
  const entries = Object.values(aliases).reduce((sum, { targets }) => sum + targets.length, 1);
  const samples = Math.min(mostSamples, Math.max(leastSamples, Math.floor(mostWork / entries)));
  const random = drawn();
  const times = new Map<string, number>();
  const unfit = new Map<string, SkipReason>();
  let refused = 0;
  for (let at = 0; at < samples; at++) {
    const first = firstOf(at);
    if (first === undefined) refused += 1;
    else times.set(first, (times.get(first) ?? 0) + 1);
  }
  const percent = (some: number) => (some * 100) / samples;
  return {
    shares: new Map([...times].map(([target, some]) => [target, percent(some)])),
    unfit,
    refused: percent(refused),
  };

  function firstOf(at: number): string | undefined {
    try {
      const { targets, skipped = [] } = models.resolve(id, callerOf(at), random, noTerms, choiceOf(at));
      for (const { target, because } of skipped) if (because.why !== "canary") unfit.set(target, because);
      return targets.map(targetName).find((target) => !isOff(unmarked(target)));
    } catch (error) {
      if (!(error instanceof NoFitError)) throw error;
      for (const { target, because } of error.skipped) unfit.set(target, because);
      return undefined;
    }
  }
}

/** What is known of a target is known by its own name. */
function tableOf(
  aliases: Readonly<Record<string, Alias>>,
  { providers, billing, loads, now }: RouteMapSources,
): Models {
  const plain = (target: Target): Target => ({ ...target, model: unmarked(target.model) });
  const slot = billing?.slot ?? null;
  const biller: Biller | null =
    slot &&
    Object.create(slot, {
      rate: { value: (usage: Usage, target: Target, atMs: number) => slot.rate(usage, plain(target), atMs) },
      facts: { value: (target: Target, atMs: number) => slot.facts?.(plain(target), atMs) ?? null },
      // They would claim bare names, of which there are none here.
      models: { value: undefined },
    });
  return modelTable(aliases, providers, biller, {
    loads: loads && {
      ...loads,
      busy: (target) => loads.busy(plain(target)),
      cost: (target) => loads.cost(plain(target)),
    },
    now,
  });
}

const callerOf = (at: number): Principal => ({
  name: `caller ${at}`,
  keyId: `sample-${at}`,
  accountId: defaultAccount,
  models: "all",
  limits: {},
});

function choiceOf(at: number): Choice {
  const body: JsonObject = { model: "sample", messages: [{ role: "user", content: `Question ${at}` }] };
  return {
    endpoint: { dialect: openaiChat, operation: "chat" },
    accountId: defaultAccount,
    envelope: openaiChat.readEnvelope(body, JSON.stringify(body).length),
    body,
    headers: null,
  };
}

/** In [0, 1); always the same (MINSTD, Park and Miller 1988). */
function drawn(): () => number {
  let state = 20_261_126;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
