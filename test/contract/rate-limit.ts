import { describe, expect, test } from "bun:test";
import {
  type Awaitable,
  GatewayError,
  type Hold,
  type Limit,
  noUsage,
  type Period,
  periods,
  type RateLimiter,
} from "llm-proxy/plugin";
import { slotTrouble } from "../../core/plugin/slot-trouble.ts";
import { type FakeClock, fakeClock } from "./context.ts";
import { testDeclared } from "./declared.ts";
import { aClaim } from "./samples.ts";

export interface RateLimitContract {
  /**
   * What the limiter does not count, `use` when it does not tell where limits stand, or `preview` when it does not tell
   * what it would say.
   */
  readonly skip?: readonly (Limit["measure"] | "use" | "preview")[];
}

/** What every `rate-limit` plugin must do. `create` makes a fresh one, with no calls counted, on the clocks it is given. */
export function testRateLimit(
  create: (clocks: Clocks) => Awaitable<RateLimiter>,
  { skip = [] }: RateLimitContract = {},
): void {
  const counts = (measure: Limit["measure"]) => !skip.includes(measure);
  const measures = allMeasures.filter(counts);
  const overTime = measures.filter((measure) => measure !== "concurrency");

  describe("rate-limit contract", () => {
    testDeclared("the limiter", skip, async () => {
      const { take } = await bench(create);
      const refuses = async (measure: Limit["measure"]) => {
        await take([limitOf(measure, 1, "declared")], 1);
        return (await take([limitOf(measure, 1, "declared")], 1)) instanceof GatewayError;
      };
      const limiter = await create(clocksOf(fakeClock()));
      const refusing: Partial<Record<Limit["measure"], boolean>> = {};
      for (const measure of allMeasures) refusing[measure] = await refuses(measure);
      return { ...noMeasure, ...refusing, use: limiter.use !== undefined, preview: limiter.preview !== undefined };
    });

    test("is what the host takes", async () => {
      expect(slotTrouble("rate-limit", await create(clocksOf(fakeClock())))).toBeNull();
    });

    test("no limit refuses nothing", async () => {
      const { grant } = await bench(create);
      for (let call = 0; call < 100; call++) await (await grant([], 1_000_000)).settle(used(1_000_000));
    });

    test.each(measures)("%s: as many as the limit pass, of many at the same time, and no more", async (measure) => {
      const { take } = await bench(create);
      const taken = await Promise.all(Array.from({ length: 100 }, () => take([limitOf(measure, 20)], 1)));
      expect(taken.filter((outcome) => !(outcome instanceof Error))).toHaveLength(20);
    });

    test.each(measures)("%s: a refusal says what is limited and when to come again", async (measure) => {
      const { take, clock } = await bench(create);
      for (let call = 0; call < 3; call++) await take([limitOf(measure, 3)], 1);
      const error = await take([limitOf(measure, 3)], 1);
      expect(error).toBeInstanceOf(GatewayError);
      if (!(error instanceof GatewayError)) return;
      expect(error.kind).toBe("rate-limited");
      expect(error.details.retryAfterSeconds).toBeGreaterThanOrEqual(1);
      expect(Number.isInteger(error.details.retryAfterSeconds)).toBe(true);
      expect(error.details.limit).toMatchObject({ scope: { kind: "key", id: "a" }, limit: 3, needed: 1 });
      expect((error.details.limit?.used ?? 0) + (error.details.limit?.held ?? 0)).toBe(3);
      const resetsAt = error.details.limit?.resetsAt ?? null;
      if (resetsAt !== null) expect(resetsAt).toBeGreaterThan(clock.now());
    });

    test.each(overTime)("%s: who waits as long as the refusal says passes", async (measure) => {
      const { take, clock } = await bench(create);
      for (let call = 0; call < 10; call++) await take([limitOf(measure, 7)], 1);
      for (let round = 0; round < 5; round++) {
        const error = await take([limitOf(measure, 7)], 1);
        if (!(error instanceof GatewayError)) continue;
        clock.advance((error.details.retryAfterSeconds ?? 0) * 1_000);
        expect(await take([limitOf(measure, 7)], 1)).not.toBeInstanceOf(Error);
      }
    });

    test.each(measures)(
      "%s: a release restores all of it, in any order, and a second end changes nothing",
      async (measure) => {
        const { take, grant } = await bench(create);
        const limits = [limitOf(measure, 3)];
        for (const order of [
          [0, 1, 2],
          [2, 1, 0],
          [1, 2, 0],
        ]) {
          const holds = [await grant(limits, 1), await grant(limits, 1), await grant(limits, 1)];
          for (const index of order) await holds[index]?.release();
          for (const hold of holds) {
            await hold.release();
            await hold.settle(used(1));
          }
        }
        const again = await Promise.all(Array.from({ length: 5 }, () => take(limits, 1)));
        expect(again.filter((outcome) => !(outcome instanceof Error))).toHaveLength(3);
      },
    );

    test.each(measures)("%s: scopes are apart, and so are their kinds", async (measure) => {
      const { take, grant } = await bench(create);
      await grant([limitOf(measure, 1, "a")], 1);
      await grant([limitOf(measure, 1, "b")], 1);
      await grant([{ ...limitOf(measure, 1, "a"), scope: { kind: "account", id: "a" } }], 1);
      expect(await take([limitOf(measure, 1, "a")], 1)).toBeInstanceOf(GatewayError);
    });

    for (const refusing of measures)
      test.each(measures.filter((measure) => measure !== refusing))(
        `a refusal by ${refusing} takes nothing of %s`,
        async (other) => {
          for (const order of ["first", "last"]) {
            const { take, grant } = await bench(create);
            const [full, free] = [limitOf(refusing, 1, "full"), limitOf(other, 2, "free")];
            await grant([full], 1);
            for (let call = 0; call < 10; call++)
              expect(await take(order === "first" ? [full, free] : [free, full], 1)).toBeInstanceOf(GatewayError);
            await grant([free], 1);
            await grant([free], 1);
          }
        },
      );

    if (counts("requests"))
      test("requests: a settled call counts on", async () => {
        const { take, grant } = await bench(create);
        await (await grant([limitOf("requests", 1)], 1)).settle(used(1));
        expect(await take([limitOf("requests", 1)], 1)).toBeInstanceOf(GatewayError);
      });

    if (counts("concurrency"))
      test("concurrency: a settled call makes room", async () => {
        const { grant } = await bench(create);
        for (let call = 0; call < 10; call++) await (await grant([limitOf("concurrency", 1)], 1)).settle(used(1));
      });

    for (const measure of overTime.filter((each) => each !== "requests")) {
      test(`${measure}: use below the expectation gives back the rest`, async () => {
        const { take, grant } = await bench(create);
        await (await grant([limitOf(measure, 1_000)], 900)).settle(used(100, measure));
        await grant([limitOf(measure, 1_000)], 900);
        expect(await take([limitOf(measure, 1_000)], 1)).toBeInstanceOf(GatewayError);
      });

      test(`${measure}: use above the expectation is counted in full`, async () => {
        const { take, grant } = await bench(create);
        await (await grant([limitOf(measure, 1_000)], 100)).settle(used(950, measure));
        expect(await take([limitOf(measure, 1_000)], 100)).toBeInstanceOf(GatewayError);
        await grant([limitOf(measure, 1_000)], 50);
      });

      test(`${measure}: one call above the limit is refused, and takes nothing`, async () => {
        const { take, grant } = await bench(create);
        expect(await take([limitOf(measure, 1_000)], 1_001)).toMatchObject({ kind: "rate-limited" });
        await grant([limitOf(measure, 1_000)], 1_000);
      });
    }

    for (const [per, periodMs] of Object.entries(periods) as [Period, number][])
      test.each(overTime)(`%s a ${per}: the amount passes, and again when the ${per} is over`, async (measure) => {
        const { take, grant, clock } = await bench(create);
        const limits = [{ ...limitOf(measure, 4), per }];
        const refused = async () => (await take(limits, 1)) instanceof GatewayError;
        for (let round = 0; round < 3; round++) {
          for (let call = 0; call < 4; call++) await (await grant(limits, 1)).settle(used(1, measure));
          expect(await refused()).toBe(true);
          clock.advance(periodMs / 4 - 1);
          expect(await refused()).toBe(true);
          clock.advance(periodMs - periodMs / 4 + 1);
        }
      });

    test("periods of one scope and measure are apart, and the one that binds longest is named", async () => {
      const { take, grant, clock } = await bench(create);
      if (!counts("requests")) return;
      const limits = [limitOf("requests", 2), { ...limitOf("requests", 3), per: "hour" as const }];
      await grant(limits, 1);
      await grant(limits, 1);
      expect(await take(limits, 1)).toMatchObject({ details: { limit: { limit: 2 } } });
      clock.advance(60_000);
      await grant(limits, 1);
      expect(await take(limits, 1)).toMatchObject({ details: { limit: { limit: 3 } } });
    });

    test.each(overTime)(
      "%s: steps of the wall clock neither let more through nor lock anybody out",
      async (measure) => {
        const { take, grant, clock, step } = await bench(create);
        const limits = [limitOf(measure, 10)];
        for (const stepMs of [3_600_000, -7_200_000, 3_600_000]) {
          for (let call = 0; call < 10; call++) await grant(limits, 1);
          step(stepMs);
          const error = await take(limits, 1);
          expect(error).toMatchObject({ kind: "rate-limited", details: { retryAfterSeconds: 6 } });
          clock.advance(60_000);
        }
      },
    );

    describe("a limit that is not enforced", () => {
      test.each(measures)("%s: refuses nothing, and is named when it would", async (measure) => {
        const { grant } = await bench(create);
        const limits = [{ ...limitOf(measure, 2), enforce: false }];
        expect((await grant(limits, 1)).spared ?? []).toEqual([]);
        expect((await grant(limits, 1)).spared ?? []).toEqual([]);
        for (let call = 0; call < 5; call++) expect((await grant(limits, 1)).spared).toEqual(limits);
      });

      test.each(overTime)("%s: counts as if it had refused", async (measure) => {
        const { grant, clock } = await bench(create);
        const limits = [{ ...limitOf(measure, 2), enforce: false }];
        for (let call = 0; call < 20; call++) await (await grant(limits, 1)).settle(used(1, measure));
        clock.advance(60_000);
        expect((await grant(limits, 1)).spared ?? []).toEqual([]);
      });

      test.each(measures)("%s: does not weaken one of the same scope that is", async (measure) => {
        const { take, grant } = await bench(create);
        const limits = [{ ...limitOf(measure, 1), enforce: false }, limitOf(measure, 2)];
        await grant(limits, 1);
        expect((await grant(limits, 1)).spared).toEqual(limits.slice(0, 1));
        expect(await take(limits, 1)).toBeInstanceOf(GatewayError);
      });
    });

    if (counts("requests") && !skip.includes("use"))
      test("holds, refusals and the limiter itself tell where limits stand", async () => {
        const { grant, take, limiter } = await bench(create);
        const limit = limitOf("requests", 2);
        await (await grant([limit], 1)).settle(used(1));
        expect((await grant([limit], 1)).use).toMatchObject([{ limit, used: 1, held: 1 }]);
        expect(await take([limit], 1)).toMatchObject({ details: { use: [{ limit, used: 1, held: 1 }] } });
        expect(await limiter.use?.([limit, limitOf("requests", 5, "other")])).toMatchObject([
          { limit, used: 1, held: 1 },
          { used: 0, held: 0 },
        ]);
      });

    if (!skip.includes("use"))
      test.each(measures)("%s: asking where limits stand changes nothing", async (measure) => {
        const { grant, take, clock, limiter } = await bench(create);
        const limits = [limitOf(measure, 2), limitOf(measure, 1_000_000)];
        for (let call = 0; call < 2; call++) await grant(limits, 1);
        for (let round = 0; round < 5; round++) {
          await limiter.use?.(limits);
          clock.advance(1_000);
          expect(await take(limits, 1)).toBeInstanceOf(GatewayError);
        }
      });

    if (!skip.includes("preview"))
      test("a preview says what a claim then meets, and changes nothing for it", async () => {
        const { limiter, grant, take, clock } = await bench(create);
        const unseen = await bench(create);
        const limits = measures.flatMap((measure) => [
          limitOf(measure, 20, "seen"),
          { ...limitOf(measure, 15, "seen"), enforce: false },
        ]);
        const open: [Hold, Hold][] = [];
        let [seed, refusals] = [11, 0];
        const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
        for (let turn = 0; turn < 200; turn++) {
          const amount = 1 + random(6);
          const foreseen = await settledOf(async () => limiter.preview?.(claimOf(amount), limits));
          const [met, twin] = [await take(limits, amount), await unseen.take(limits, amount)];
          if (met instanceof GatewayError) {
            refusals += 1;
            expect(foreseen).toMatchObject({ message: met.message, details: met.details });
            expect(twin).toMatchObject({ message: met.message, details: met.details });
          } else if (!(met instanceof Error) && !(twin instanceof Error)) {
            expect(foreseen).toMatchObject({ spared: met.spared ?? [] });
            expect(twin.use).toEqual(met.use);
            open.push([met, twin]);
          }
          const ended = random(2) === 0 ? open.splice(random(Math.max(1, open.length)), 1).flat() : [];
          const actual = used(random(6));
          for (const hold of ended) await hold.settle(actual);
          const ms = random(3_000);
          clock.advance(ms);
          unseen.clock.advance(ms);
        }
        expect(refusals).toBeGreaterThan(20);
        expect(await limiter.preview?.(claimOf(1), [limitOf("requests", 1, "never seen")])).toMatchObject({
          use: [{ used: 0, held: 0 }],
        });
        await grant([limitOf("requests", 1, "never seen")], 1);
      });

    test("whatever is taken and however it ends, what is left is what never ended", async () => {
      const { take, clock } = await bench(create);
      const limits = measures.map((measure) => limitOf(measure, 40, "kept"));
      let seed = 7;
      const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
      const open: Hold[] = [];
      for (let turn = 0; turn < 400; turn++) {
        if (random(2) === 0) {
          const hold = await take(limits, 1 + random(5));
          if (!(hold instanceof Error)) open.push(hold);
        } else {
          const [hold] = open.splice(random(Math.max(1, open.length)), 1);
          await (random(3) === 0 ? hold?.release() : hold?.settle(used(random(6))));
        }
        clock.advance(random(3_000));
      }
      for (const hold of open) await hold.release();
      clock.advance(60_000);
      for (const measure of measures) {
        const whole = await Promise.all(Array.from({ length: 50 }, () => take([limitOf(measure, 40, "kept")], 1)));
        expect([measure, whole.filter((hold) => !(hold instanceof Error)).length]).toEqual([measure, 40]);
      }
    });
  });
}

/** `elapsed` never steps; `now` may. */
export interface Clocks {
  readonly now: () => number;
  readonly elapsed: () => number;
}

const clocksOf = ({ now }: FakeClock): Clocks => ({ now, elapsed: now });

const allMeasures = ["requests", "tokens", "input-tokens", "output-tokens", "spend", "concurrency"] as const;
const noMeasure = {
  requests: false,
  tokens: false,
  "input-tokens": false,
  "output-tokens": false,
  spend: false,
  concurrency: false,
};

async function bench(create: (clocks: Clocks) => Awaitable<RateLimiter>) {
  const clock: FakeClock = fakeClock();
  let steppedMs = 0;
  const limiter = await create({ now: () => clock.now() + steppedMs, elapsed: () => clock.now() - 1_700_000_000_000 });
  const step = (ms: number) => void (steppedMs += ms);
  const take = async (limits: readonly Limit[], expectedTokens: number): Promise<Hold | Error> => {
    try {
      return await limiter.acquire(claimOf(expectedTokens), limits);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  const grant = async (limits: readonly Limit[], expectedTokens: number): Promise<Hold> => {
    const outcome = await take(limits, expectedTokens);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return { clock, step, limiter, take, grant };
}

async function settledOf<T>(ask: () => Promise<T>): Promise<T | Error> {
  try {
    return await ask();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** So much of each measure that is an amount. */
const claimOf = (amount: number) =>
  aClaim({
    expectedTokens: amount,
    expectedInputTokens: amount,
    expectedOutputTokens: amount,
    expectedChargeNano: amount,
  });

const limitOf = (measure: Limit["measure"], amount: number, id = "a"): Limit => ({
  scope: { kind: "key", id },
  measure,
  amount,
});

/** So many tokens, of the input unless only the output is looked at, and so many nano-USD. */
const used = (amount: number, measure?: Limit["measure"]): Parameters<Hold["settle"]>[0] => ({
  usage: { ...noUsage, [measure === "output-tokens" ? "outputTokens" : "inputTokens"]: amount },
  chargeNano: amount,
});
