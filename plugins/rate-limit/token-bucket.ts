import {
  definePlugin,
  limitFields,
  limitOptions,
  type Limits,
  neededOf,
  periods,
  t,
  type Claim,
  type Hold,
  type Limit,
  type LimitUse,
  type Measure,
  type RateLimiter,
  type Usage,
} from "llm-proxy/plugin";
import type { Counter, End } from "./counter.ts";
import { RateBucket } from "./gcra.ts";
import { refusal, useOf, type Want } from "./report.ts";
import { Slots } from "./slots.ts";

/** Counts in the memory of this process; a restart begins with full buckets. */
export default definePlugin({
  kind: "rate-limit",
  name: "token-bucket",
  api: 1,
  description:
    "Limits on requests, tokens and spending over time and on calls at once, counted in memory. A limit lets its amount through at once and refills evenly over its period; a restart begins full.",
  config: t.Object(
    {
      scope: t.Union(
        [t.Literal("key"), t.Literal("account"), t.Literal("model"), t.Literal("provider"), t.Literal("global")],
        { default: "key", description: "Whose calls are counted together for the limits below." },
      ),
      enforce: t.Boolean({
        default: true,
        description: "`false`: the limits below refuse nothing; calls they would have refused carry a warning.",
      }),
      ...limitOptions,
    },
    { additionalProperties: false },
  ),
  setup: ({ scope, enforce, ...options }, { now, elapsed, lasting }): RateLimiter => {
    const limits: Limits = Object.fromEntries(
      limitFields.flatMap(({ name }) => (options[name] === undefined ? [] : [[name, options[name]]])),
    );
    const counters = counted.get(lasting) ?? new Map<string, Counter>();
    counted.set(lasting, counters);
    return { own: { scope, limits, enforce }, ...tokenBucket({ now, elapsed }, counters) };
  },
});

/** A reload that changes the limits changes nothing of what was used of them, nor of the calls that run. */
const counted = new WeakMap<object, Map<string, Counter>>();

export interface Clocks {
  /** Epoch ms: for what clients read. */
  readonly now: () => number;
  /** Never steps: for what drains. */
  readonly elapsed: () => number;
}

/** `counters`: by limit and scope, kept here and read by nobody else. */
export function tokenBucket({ now, elapsed }: Clocks, counters = new Map<string, Counter>()) {
  let cursor = counters.entries();
  let added = 0;

  return {
    // Synchronous from the first look to the last take, so that no other claim comes between.
    acquire(claim: Claim, limits: readonly Limit[]): Hold {
      if (limits.length === 0) return unlimited;
      const nowMs = Math.floor(elapsed());
      forgetIdle(nowMs);
      const wants = wantsOf(limits, claim, nowMs);
      const spared = refusedBy(wants, nowMs);
      const taken = wants.filter((want) => !spared.includes(want));
      const ends = taken.map(({ counter, needed }) => counter.take(needed));
      return holdOf(taken, ends, spared, elapsed);
    },
    preview(claim: Claim, limits: readonly Limit[]): Pick<Hold, "use" | "spared"> {
      const nowMs = Math.floor(elapsed());
      // Counters that a claim would begin are looked at, and not kept.
      const wants = wantsOf(limits, claim, nowMs, new Map());
      const spared = refusedBy(wants, nowMs).map(({ limit }) => limit);
      return { use: useOf(wants), spared };
    },
    use(limits: readonly Limit[]): readonly LimitUse[] {
      const nowMs = Math.floor(elapsed());
      return limits.map((limit) => {
        const counter = counters.get(placeOf(limit));
        counter?.advance(nowMs);
        return { limit, ...(counter?.state() ?? untouched) };
      });
    },
  };

  /**
   * One for each counter, the smallest amount. The larger could never refuse what the smaller lets in, so both can share
   * one counter, which goes on when an operator changes an amount.
   */
  function wantsOf(limits: readonly Limit[], claim: Claim, nowMs: number, begun = counters): Want[] {
    const wants: Want[] = [];
    for (const limit of limits) {
      const counter = counterOf(limit, nowMs, begun);
      const known = wants.find((want) => want.counter === counter);
      if (known === undefined) wants.push({ limit, counter, needed: neededOf(claim, limit.measure) });
      else if (limit.amount < known.limit.amount) wants[wants.indexOf(known)] = { ...known, limit };
    }
    return wants;
  }

  /** Throws when a limit refuses; else the limits that would, were they enforced. */
  function refusedBy(wants: readonly Want[], nowMs: number): readonly Want[] {
    let spared: Want[] | null = null;
    let refused: Want | null = null;
    let longestMs = 0;
    for (const want of wants) {
      const waitMs = want.counter.waitMs(want.needed, want.limit.amount, nowMs);
      if (waitMs === 0) continue;
      if (want.limit.enforce === false) {
        (spared ??= []).push(want);
      } else if (waitMs > longestMs) {
        refused = want;
        longestMs = waitMs;
      }
    }
    if (refused) throw refusal(wants.filter(isEnforced), refused, longestMs, now());
    return spared ?? nobody;
  }

  /** `begun`: where a new one goes. */
  function counterOf(limit: Limit, nowMs: number, begun: Map<string, Counter>): Counter {
    const place = placeOf(limit);
    const known = counters.get(place) ?? begun.get(place);
    if (known) return known;
    if (begun === counters) added += 1;
    const counter =
      limit.measure === "concurrency"
        ? new Slots()
        : new RateBucket(limit.amount, nowMs, periods[limit.per ?? "minute"]);
    begun.set(place, counter);
    return counter;
  }

  /**
   * Looks at two counters for each one added: the map holds at most about twice those in use, and no call waits for a
   * sweep. Not between look and take, where a counter may be in use and idle.
   */
  function forgetIdle(nowMs: number): void {
    for (let looks = 2 * added; looks > 0; looks--) {
      const next = cursor.next();
      if (next.done) cursor = counters.entries();
      else if (next.value[1].idle(nowMs)) counters.delete(next.value[0]);
    }
    added = 0;
  }
}

/** One that is only tried counts apart: what it spares must not eat into what is enforced. */
const placeOf = (limit: Limit): string => {
  let place = places.get(limit);
  if (place === undefined) {
    place = placeText(limit);
    places.set(limit, place);
  }
  return place;
};

const places = new WeakMap<Limit, string>();

const placeText = ({ scope, measure, per = "minute", enforce }: Limit): string =>
  `${measure} ${measure === "concurrency" ? "" : per} ${enforce === false ? "tried " : ""}${scope.kind} ${scope.id}`;

function usedBy({ usage, chargeNano }: Parameters<Hold["settle"]>[0], measure: Measure): number {
  switch (measure) {
    case "requests":
    case "concurrency":
      return 1;
    case "tokens":
      return tokensOf(usage);
    case "input-tokens":
      return usage.inputTokens;
    case "output-tokens":
      return usage.outputTokens;
    case "spend":
      return chargeNano;
  }
}

const tokensOf = (usage: Usage): number => usage.inputTokens + usage.outputTokens;

function holdOf(taken: readonly Want[], ends: readonly End[], spared: readonly Want[], elapsed: () => number): Hold {
  let ended = false;
  const endAll = (actual: Parameters<Hold["settle"]>[0] | null) => {
    if (ended) return;
    ended = true;
    const nowMs = Math.floor(elapsed());
    for (const [at, end] of ends.entries()) {
      const measure = taken[at]?.limit.measure ?? "requests";
      end(actual === null ? 0 : usedBy(actual, measure), nowMs);
    }
  };
  return {
    use: useOf(spared.length === 0 && taken.every(isEnforced) ? taken : taken.filter(isEnforced)),
    ...(spared.length > 0 && { spared: spared.map(({ limit }) => limit) }),
    settle: (actual) => endAll(actual),
    release: () => endAll(null),
  };
}

const isEnforced = ({ limit }: Want): boolean => limit.enforce !== false;

const nobody: readonly Want[] = [];

const untouched = { used: 0, held: 0, resetMs: 0 };

const unlimited: Hold = { settle: () => {}, release: () => {} };
