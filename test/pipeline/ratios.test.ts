import { describe, expect, test } from "bun:test";
import { noUsage, type Json } from "llm-proxy/plugin";
import { type EndedCall, keptRatios, learnedRatios } from "../../core/pipeline/ratios.ts";
import { seeded } from "../support/random.ts";

const target = { provider: "mock", model: "m" };
const text = { textBytes: 0, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
const aCall = (changed: Partial<EndedCall> = {}): EndedCall => ({
  input: { ...text, textBytes: 6_000 },
  usage: { ...noUsage, inputTokens: 1_000, outputTokens: 500 },
  contentBytes: 1_000,
  heldNano: 0,
  chargeNano: 5,
  ...changed,
});
const times = (count: number, work: () => void) => Array.from({ length: count }).forEach(work);
const near = (value: number, wanted: number, by: number) =>
  expect(Math.abs(value - wanted) / wanted, `${value} is not within ${by} of ${wanted}`).toBeLessThanOrEqual(by);

describe("bytes per token", () => {
  test("are the usual four of a model that was never seen, and each model's own after it was", () => {
    const ratios = learnedRatios();
    expect(ratios.of(target)).toEqual({ input: 4, output: 4 });
    times(20, () => ratios.learn(target, aCall()));
    near(ratios.of(target).input, 6, 0.02);
    near(ratios.of(target).output, 2, 0.05);
    expect(ratios.of({ ...target, model: "other" })).toEqual({ input: 4, output: 4 });
    expect(ratios.of({ ...target, provider: "other" })).toEqual({ input: 4, output: 4 });
  });

  test.each([
    ["images", { input: { ...text, textBytes: 6_000, images: 1 } }, "input"],
    ["sound", { input: { ...text, textBytes: 6_000, audioBytes: 9 } }, "input"],
    ["what lies elsewhere", { input: { ...text, textBytes: 6_000, unbounded: true } }, "input"],
    ["no text", { contentBytes: 0 }, "output"],
    ["spoken output", { usage: { ...noUsage, inputTokens: 1_000, outputTokens: 500, outputAudioTokens: 9 } }, "output"],
    ["no tokens", { usage: noUsage }, "input"],
  ] as const)("are not learned from %s", (_, changed, which) => {
    const ratios = learnedRatios();
    times(50, () => ratios.learn(target, aCall(changed)));
    expect(ratios.of(target)[which]).toBe(4);
  });

  test("follow a model that changes, in some dozens of long calls", () => {
    const ratios = learnedRatios();
    times(5_000, () => ratios.learn(target, aCall()));
    const changed = aCall({ usage: { ...noUsage, inputTokens: 2_000, outputTokens: 2_000 } });
    times(1_000, () => ratios.learn(target, changed));
    near(ratios.of(target).input, 3, 0.1);
    near(ratios.of(target).output, 0.5, 0.1);
  });

  test("one call, however large or odd, moves a learned figure little, and none passes the bounds", () => {
    const ratios = learnedRatios();
    times(200, () => ratios.learn(target, aCall()));
    ratios.learn(
      target,
      aCall({ usage: { ...noUsage, inputTokens: 900_000, outputTokens: 1 }, contentBytes: 900_000 }),
    );
    near(ratios.of(target).input, 6, 0.1);
    const odd = learnedRatios();
    times(500, () =>
      odd.learn(target, aCall({ usage: { ...noUsage, inputTokens: 9_000_000, outputTokens: 9_000_000 } })),
    );
    expect(odd.of(target)).toEqual({ input: 1, output: 0.02 });
  });

  test("of more models than are kept: the first ones go", () => {
    const ratios = learnedRatios();
    for (let model = 0; model < 1_200; model++) ratios.learn({ ...target, model: `m-${model}` }, aCall());
    expect(ratios.list()).toHaveLength(1_000);
    expect(ratios.of({ ...target, model: "m-0" }).input).toBe(4);
    expect(ratios.of({ ...target, model: "m-1199" }).input).toBeGreaterThan(5);
  });

  test("after learning a synthetic model, cut streams are estimated within a tenth", () => {
    const random = seeded("ratios");
    for (const [input, output] of [
      [5.1, 4.4],
      [2.2, 1.7],
      [3.9, 0.2],
    ] as const) {
      const ratios = learnedRatios();
      // Each call is off the model's own figure by up to a third, and has some fixed tokens of a template.
      const drawn = (ratio: number, tokens: number) =>
        Math.round(tokens * ratio * (0.67 + 0.66 * (random.below(1_000) / 999)));
      const call = () => {
        const tokens = { inputTokens: 300 + random.below(4_000), outputTokens: 100 + random.below(1_500) };
        return aCall({
          input: { ...text, textBytes: drawn(input, tokens.inputTokens) },
          usage: { ...noUsage, ...tokens, inputTokens: tokens.inputTokens + 12 },
          contentBytes: drawn(output, tokens.outputTokens),
        });
      };
      times(200, () => ratios.learn(target, call()));
      const ratio = ratios.of(target);
      let [real, estimated] = [0, 0];
      times(300, () => {
        const cut = call();
        real += cut.usage.inputTokens + 5 * cut.usage.outputTokens;
        estimated += cut.input.textBytes / ratio.input + (5 * cut.contentBytes) / ratio.output;
      });
      near(estimated, real, 0.1);
    }
  });
});

describe("what was held and charged", () => {
  test("is summed of calls with a hold whose charge is known, and forgotten over time", () => {
    const ratios = learnedRatios();
    ratios.learn(target, aCall({ heldNano: 100, chargeNano: 40 }));
    ratios.learn(target, aCall({ heldNano: 300, chargeNano: 60 }));
    ratios.learn(target, aCall({ heldNano: 0, chargeNano: 9 }));
    ratios.learn(target, aCall({ heldNano: 9, chargeNano: null }));
    expect(ratios.list()).toMatchObject([{ ...target, heldNano: 400, chargeNano: 100 }]);
    times(5_000, () => ratios.learn(target, aCall({ heldNano: 10, chargeNano: 10 })));
    const [row] = ratios.list();
    expect(row?.heldNano).toBeLessThan(6_000);
    near((row?.chargeNano ?? 0) / (row?.heldNano ?? 1), 1, 0.01);
  });
});

describe("what was learned", () => {
  const logger = { debug() {}, info() {}, warn: () => void (warned += 1), error() {} };
  let warned = 0;
  function memory() {
    const values = new Map<string, Json>();
    let writes = 0;
    return {
      writes: () => writes,
      values,
      get: (key: string) => values.get(key) ?? null,
      set(key: string, value: Json) {
        writes += 1;
        values.set(key, structuredClone(value));
      },
      add: () => 0,
    };
  }

  test("outlives the process, and is written only when there is something new", async () => {
    const storage = memory();
    const first = await keptRatios({ storage, logger });
    await first.save();
    expect(storage.writes()).toBe(0);
    times(20, () => first.learn(target, aCall({ heldNano: 7 })));
    await first.save();
    await first.save();
    expect(storage.writes()).toBe(1);
    const second = await keptRatios({ storage, logger });
    expect(second.list()).toEqual(first.list());
    expect(second.of(target)).toEqual(first.of(target));
  });

  test("is nothing where the storage has something else, and a storage that fails is a warning", async () => {
    for (const odd of [
      5,
      {},
      [null, 5, { provider: "a" }, { provider: "a", model: "b", input: { bytes: -1, tokens: 1 }, output: {} }],
    ]) {
      const storage = { ...memory(), get: () => odd };
      expect((await keptRatios({ storage, logger })).list()).toEqual([]);
    }
    const full = { ...memory(), set: () => Promise.reject(new Error("disk full")) };
    const ratios = await keptRatios({ storage: full, logger });
    ratios.learn(target, aCall());
    await ratios.save();
    expect(warned).toBe(1);
  });
});
