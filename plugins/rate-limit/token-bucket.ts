import { definePlugin, t } from "llm-proxy/plugin";
import type { Claim, Hold, Limit, RateLimiter, Usage } from "llm-proxy/plugin";
import type { Counter, End } from "./counter.ts";
import { RateBucket } from "./gcra.ts";
import { headersOf, refusal, type Want } from "./report.ts";
import { Slots } from "./slots.ts";

const atMost = (description: string) => t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000_000, description }));

/** Counts in the memory of this process; a restart begins with full buckets. */
export default definePlugin({
  kind: "rate-limit",
  name: "token-bucket",
  api: 1,
  description: "Limits on requests and tokens a minute and on calls at once, counted in memory.",
  config: t.Object(
    {
      scope: t.Union([t.Literal("key"), t.Literal("account"), t.Literal("global")], {
        default: "key",
        description: "Whose calls are counted together for the three limits below.",
      }),
      requestsPerMinute: atMost("At most this many at once, refilled evenly over a minute."),
      tokensPerMinute: atMost(
        "Input and output. A call reserves what it will probably use and is corrected at its end.",
      ),
      concurrency: atMost("Calls that run at the same time."),
    },
    { additionalProperties: false },
  ),
  setup: ({ scope, ...limits }, { now }): RateLimiter => {
    const acquire = tokenBucket(now);
    return { own: { scope, limits }, acquire };
  },
});

/** `counters`: by limit and scope, kept here and read by nobody else. */
export function tokenBucket(now: () => number, counters = new Map<string, Counter>()) {
  let cursor = counters.entries();
  let added = 0;

  // Synchronous from the first look to the last take, so that no other claim comes between.
  return (claim: Claim, limits: readonly Limit[]): Hold => {
    if (limits.length === 0) return unlimited;
    const nowMs = Math.floor(now());
    forgetIdle(nowMs);
    const wants = strictest(limits).map((limit): Want => {
      const needed = limit.measure === "tokens" ? Math.max(0, Math.ceil(claim.expectedTokens)) : 1;
      return { limit, counter: counterOf(limit, nowMs), needed };
    });
    let refused: Want | null = null;
    let longestMs = 0;
    for (const want of wants) {
      const waitMs = want.counter.waitMs(want.needed, want.limit.amount, nowMs);
      if (waitMs <= longestMs) continue;
      refused = want;
      longestMs = waitMs;
    }
    if (refused) throw refusal(refused, longestMs, nowMs);
    const taken = wants.map(({ limit, counter, needed }) => ({ measure: limit.measure, end: counter.take(needed) }));
    return holdOf(taken, headersOf(wants), now);
  };

  function counterOf({ scope, measure, amount }: Limit, nowMs: number): Counter {
    const key = `${measure} ${scope.kind} ${scope.id}`;
    const known = counters.get(key);
    if (known) return known;
    added += 1;
    const counter = measure === "concurrency" ? new Slots() : new RateBucket(amount, nowMs);
    counters.set(key, counter);
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

/**
 * One limit for each scope and measure, the smallest. The larger could never refuse what the smaller lets in, so both
 * can share one counter, which goes on when an operator changes an amount.
 */
function strictest(limits: readonly Limit[]): readonly Limit[] {
  return limits.filter((limit, index) =>
    limits.every((other, at) => {
      const same =
        other.measure === limit.measure && other.scope.kind === limit.scope.kind && other.scope.id === limit.scope.id;
      return !same || at === index || other.amount > limit.amount || (other.amount === limit.amount && at > index);
    }),
  );
}

interface Taken {
  readonly measure: Limit["measure"];
  readonly end: End;
}

function holdOf(taken: readonly Taken[], headers: Readonly<Record<string, string>>, now: () => number): Hold {
  let ended = false;
  const endAll = (actualOf: (measure: Limit["measure"]) => number) => {
    if (ended) return;
    ended = true;
    const nowMs = Math.floor(now());
    for (const { measure, end } of taken) end(actualOf(measure), nowMs);
  };
  return {
    headers,
    settle: ({ usage }) => endAll((measure) => (measure === "tokens" ? tokensOf(usage) : 1)),
    release: () => endAll(() => 0),
  };
}

const tokensOf = (usage: Usage): number => usage.inputTokens + usage.outputTokens;

const unlimited: Hold = { settle: () => {}, release: () => {} };
