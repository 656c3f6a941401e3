import { describe, expect, test } from "bun:test";
import { type Awaitable, GatewayError, type Hold, type Limit, noUsage, type RateLimiter } from "llm-proxy/plugin";
import { type FakeClock, fakeClock } from "./context.ts";
import { testDeclared } from "./declared.ts";
import { aClaim } from "./samples.ts";

export interface RateLimitContract {
  /** What the limiter does not count, or `headers` when its holds carry none. */
  readonly skip?: readonly (Limit["measure"] | "headers")[];
}

/** What every `rate-limit` plugin must do. `create` makes a fresh one, with no calls counted, on the clock it is given. */
export function testRateLimit(
  create: (now: () => number) => Awaitable<RateLimiter>,
  { skip = [] }: RateLimitContract = {},
): void {
  const counts = (measure: Limit["measure"]) => !skip.includes(measure);
  const measures = (["requests", "tokens", "concurrency"] as const).filter(counts);

  describe("rate-limit contract", () => {
    testDeclared("the limiter", skip, async () => {
      const { take } = await bench(create);
      const refuses = async (measure: Limit["measure"]) => {
        await take([limitOf(measure, 1, "declared")], 1);
        return (await take([limitOf(measure, 1, "declared")], 1)) instanceof GatewayError;
      };
      const hold = await take([limitOf("requests", 5, "headers"), limitOf("tokens", 5, "headers")], 1);
      return {
        requests: await refuses("requests"),
        tokens: await refuses("tokens"),
        concurrency: await refuses("concurrency"),
        headers: !(hold instanceof Error) && hold.headers !== undefined,
      };
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

    test.each(measures.filter((measure) => measure !== "concurrency"))(
      "%s: who waits as long as the refusal says passes",
      async (measure) => {
        const { take, clock } = await bench(create);
        for (let call = 0; call < 10; call++) await take([limitOf(measure, 7)], 1);
        for (let round = 0; round < 5; round++) {
          const error = await take([limitOf(measure, 7)], 1);
          if (!(error instanceof GatewayError)) continue;
          clock.advance((error.details.retryAfterSeconds ?? 0) * 1_000);
          expect(await take([limitOf(measure, 7)], 1)).not.toBeInstanceOf(Error);
        }
      },
    );

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

    if (counts("tokens")) {
      test("tokens: use below the expectation gives back the rest", async () => {
        const { take, grant } = await bench(create);
        await (await grant([limitOf("tokens", 1_000)], 900)).settle(used(100));
        await grant([limitOf("tokens", 1_000)], 900);
        expect(await take([limitOf("tokens", 1_000)], 1)).toBeInstanceOf(GatewayError);
      });

      test("tokens: use above the expectation is counted in full", async () => {
        const { take, grant } = await bench(create);
        await (await grant([limitOf("tokens", 1_000)], 100)).settle(used(950));
        expect(await take([limitOf("tokens", 1_000)], 100)).toBeInstanceOf(GatewayError);
        await grant([limitOf("tokens", 1_000)], 50);
      });

      test("tokens: one call above the limit is refused, and takes nothing", async () => {
        const { take, grant } = await bench(create);
        expect(await take([limitOf("tokens", 1_000)], 1_001)).toMatchObject({ kind: "rate-limited" });
        await grant([limitOf("tokens", 1_000)], 1_000);
      });
    }

    if (counts("requests") && !skip.includes("headers"))
      test("headers say what is left", async () => {
        const { grant } = await bench(create);
        await grant([limitOf("requests", 60)], 1);
        const { headers } = await grant([limitOf("requests", 60)], 1);
        expect(headers).toMatchObject({ "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "58" });
      });
  });
}

async function bench(create: (now: () => number) => Awaitable<RateLimiter>) {
  const clock: FakeClock = fakeClock();
  const limiter = await create(clock.now);
  const take = async (limits: readonly Limit[], expectedTokens: number): Promise<Hold | Error> => {
    try {
      return await limiter.acquire(aClaim({ expectedTokens }), limits);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  const grant = async (limits: readonly Limit[], expectedTokens: number): Promise<Hold> => {
    const outcome = await take(limits, expectedTokens);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return { clock, take, grant };
}

const limitOf = (measure: Limit["measure"], amount: number, id = "a"): Limit => ({
  scope: { kind: "key", id },
  measure,
  amount,
});

const used = (tokens: number): Parameters<Hold["settle"]>[0] => ({
  usage: { ...noUsage, inputTokens: tokens },
  chargeNano: 0,
});
