import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject } from "../../core/chat/json.ts";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { targetLoads } from "../../core/pipeline/loads.ts";
import { byStrategy, type Choice, type StrategyNeeds, stickyKey } from "../../core/pipeline/strategy.ts";
import { fakeClock } from "../contract/context.ts";
import { priceOf } from "./bench.ts";

const envelope: Choice["envelope"] = {
  model: "any",
  stream: false,
  includeUsage: false,
  maxOutputTokens: null,
  candidates: 1,
  input: { textBytes: 4_000, functionTools: 0, images: 0, audioBytes: 0, unbounded: false },
};
const choiceOf = (
  body: JsonObject = {},
  headers: Readonly<Record<string, string>> = {},
  accountId = "one",
): Choice => ({
  endpoint: { dialect: openaiChat, operation: "chat" },
  accountId,
  envelope,
  body,
  headers: new Headers(headers),
});
const candidate = (name: string, weight = 1) => ({
  name,
  weight,
  targets: [{ provider: name, vendor: name, model: "m" }],
});
const target = (name: string) => ({ provider: name, vendor: name, model: "m" });
const three = [candidate("a"), candidate("b"), candidate("c")];
const names = (candidates: readonly { readonly name: string }[]) => candidates.map(({ name }) => name).join("");

function needsOf(change: Partial<StrategyNeeds> = {}) {
  const clock = fakeClock();
  const loads = targetLoads(clock.now);
  return { clock, loads, needs: { random: () => 0, biller: null, loads, now: clock.now, ...change } };
}

describe("weighted", () => {
  const first = (candidates: readonly ReturnType<typeof candidate>[], random: number) =>
    names(byStrategy("weighted", candidates, null, { ...needsOf().needs, random: () => random }));

  test("one by chance and weight goes first, the others behind it in order", () => {
    const weighed = [candidate("a", 3), candidate("b", 0), candidate("c", 1)];
    expect([0, 0.74, 0.76, 0.999].map((random) => first(weighed, random))).toEqual(["abc", "abc", "cab", "cab"]);
  });

  test("a weight of 0 is there to fall back on, also when no other is left", () => {
    expect(first([candidate("b", 0), candidate("d", 0)], 0.5)).toBe("bd");
    expect(first([candidate("b", 0), candidate("d", 1)], 0)).toBe("db");
  });
});

describe("least-busy", () => {
  test("asks the one with the fewest calls, and chance decides between equals", () => {
    const { loads, needs } = needsOf();
    for (const name of ["a", "a", "b"]) loads.began(target(name));
    expect(names(byStrategy("least-busy", three, choiceOf(), needs))).toBe("cba");
    loads.ended(target("a"));
    loads.ended(target("a"));
    expect(names(byStrategy("least-busy", three, choiceOf(), needs))).toBe("acb");
    expect(names(byStrategy("least-busy", three, choiceOf(), { ...needs, random: () => 0.99 }))).toBe("cab");
  });
});

describe("lowest-latency", () => {
  test("asks the quicker of two by chance; one that nothing is known of is tried", () => {
    const { loads, needs } = needsOf();
    loads.answered(target("a"), 900, false);
    loads.answered(target("b"), 100, false);
    expect(names(byStrategy("lowest-latency", three.slice(0, 2), choiceOf(), needs))).toBe("ba");
    expect(names(byStrategy("lowest-latency", three, choiceOf(), needs))).toBe("bca");
    expect(names(byStrategy("lowest-latency", three, choiceOf(), { ...needs, random: () => 0.99 }))).toBe("cba");
  });

  test("a slow answer counts at once, a quick one and time only slowly; calls on their way count too", () => {
    const { loads, clock } = needsOf();
    loads.answered(target("a"), 1_000, false);
    expect(loads.cost(target("a"))).toBe(1_000);
    clock.advance(1_000);
    loads.answered(target("a"), 100, false);
    expect(loads.cost(target("a"))).toBeWithin(800, 1_000);
    loads.began(target("a"));
    expect(loads.cost(target("a"))).toBeWithin(1_600, 2_000);
    clock.advance(60_000);
    expect(loads.cost(target("a"))).toBeLessThan(10);
  });

  test("what fails fast does not look fast", () => {
    const { loads } = needsOf();
    loads.answered(target("a"), 1, true);
    expect(loads.cost(target("a"))).toBeGreaterThan(5_000);
  });
});

describe("cheapest", () => {
  test("goes by the price of the call, and puts what has no price last", () => {
    const dear: Readonly<Record<string, number>> = { a: 3, b: 1, c: 2 };
    const biller = {
      ...priceOf(1, 1),
      rate: (usage: { readonly inputTokens: number }, { provider }: { readonly provider: string }) => {
        if (provider === "d") throw new Error("no price");
        const costNano = (dear[provider] ?? 0) * usage.inputTokens;
        return { costNano, chargeNano: costNano, priceVersion: "test", lines: [] };
      },
    };
    const { needs } = needsOf({ biller });
    expect(names(byStrategy("cheapest", [candidate("d"), ...three], choiceOf(), needs))).toBe("bcad");
  });
});

describe("sticky", () => {
  const order = (key: string, candidates = three) =>
    names(byStrategy("sticky", candidates, choiceOf({ prompt_cache_key: key }), needsOf().needs));

  test("equal keys have equal orders, and only the keys of a target that goes away move", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.constantFrom("a", "b", "c"), (key, gone) => {
        const before = order(key);
        expect(order(key)).toBe(before);
        expect(
          order(
            key,
            three.filter(({ name }) => name !== gone),
          ),
        ).toBe(before.replace(gone, ""));
      }),
    );
  });

  test("keys are shared out by weight; none go to a weight of 0, which stays to fall back on", () => {
    const weighted = [candidate("a", 90), candidate("b", 10), candidate("c", 0)];
    const counts = new Map<string, number>();
    for (let key = 0; key < 4_000; key++) {
      const sorted = order(`key-${key}`, weighted);
      expect(sorted).toHaveLength(3);
      counts.set(sorted.slice(0, 1), (counts.get(sorted.slice(0, 1)) ?? 0) + 1);
    }
    expect(counts.get("b")).toBeWithin(320, 480);
    expect(counts.has("c")).toBe(false);
  });

  test("the key is the client's own, its session, or how the conversation begins; of the account", () => {
    const messages = [
      { role: "system", content: "be brief" },
      { role: "user", content: "hello" },
    ];
    const later = [...messages, { role: "assistant", content: "hi" }, { role: "user", content: "more" }];
    expect(stickyKey(choiceOf({ messages: later }))).toBe(stickyKey(choiceOf({ messages })));
    expect(stickyKey(choiceOf({ messages: later.slice(1) }))).not.toBe(stickyKey(choiceOf({ messages })));
    for (const field of ["messages", "input", "contents"])
      expect(stickyKey(choiceOf({ [field]: later.slice(1) }))).toBe(
        stickyKey(choiceOf({ [field]: messages.slice(1) })),
      );
    expect(stickyKey(choiceOf({ messages }, {}, "two"))).not.toBe(stickyKey(choiceOf({ messages })));
    expect(stickyKey(choiceOf({ messages, prompt_cache_key: "k" }))).toBe("one\nk");
    expect(stickyKey(choiceOf({ messages }, { session_id: "s" }))).toBe("one\ns");
    expect(stickyKey(choiceOf({ messages, metadata: { user_id: "u" } }))).toBe("one\nu");
    expect(stickyKey(choiceOf({ messages: [{ role: "user", content: "x".repeat(1_000_000) }] })).length).toBeLessThan(
      3_000,
    );
  });
});

test("no strategy loses a target, whatever chance says", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("least-busy" as const, "lowest-latency" as const, "cheapest" as const, "sticky" as const),
      fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 1, max: 6 }),
      (strategy, chances, count) => {
        let drawn = 0;
        const { needs } = needsOf({ random: () => chances[drawn++ % chances.length] ?? 0 });
        const all = Array.from({ length: count }, (_, at) => candidate(String(at), at));
        const sorted = byStrategy(strategy, all, choiceOf({ prompt: "x" }), needs);
        expect(sorted.map(({ name }) => name).toSorted()).toEqual(all.map(({ name }) => name));
      },
    ),
  );
});
