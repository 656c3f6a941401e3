import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { NoFitError } from "../../core/pipeline/fit.ts";
import { type Alias, modelTable } from "../../core/pipeline/models.ts";
import type { Choice } from "../../core/pipeline/strategy.ts";
import type { Provider } from "../../core/plugin/plugin.ts";
import { aPrincipal } from "../contract/samples.ts";

/** Who gets a canary: always the same ones, and more of them when its share grows. */

const provider: Provider = {
  dialects: ["openai-chat"],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
};
const providers = new Map([["mock", provider]]);
const choiceOf = (session: string): Choice => ({
  endpoint: { dialect: openaiChat, operation: "chat" },
  accountId: "one",
  envelope: {
    model: "smart",
    stream: false,
    includeUsage: false,
    maxOutputTokens: null,
    candidates: 1,
    input: { textBytes: 100, functionTools: 0, images: 0, audioBytes: 0, unbounded: false },
  },
  body: {},
  headers: new Headers({ "x-session-id": session }),
});

type By = "caller" | "conversation";
const shared = (percent: number, by: By = "caller", strategy: Alias["strategy"] = "ordered"): Alias => ({
  strategy,
  targets: [
    { target: "mock/old", weight: 1 },
    { target: "mock/new", weight: 1, canary: { percent, by } },
    { target: "mock/older", weight: 1 },
  ],
});
const routeOf = (alias: Alias, keyId: string, session = "s", name = "smart") =>
  modelTable({ [name]: alias }, providers, null)
    .resolve(name, aPrincipal({ keyId }), () => 0.5, [], choiceOf(session))
    .targets.map(({ model }) => model);
const isIn = (alias: Alias, keyId: string, session?: string) => routeOf(alias, keyId, session)[0] === "new";

// Not `double`, which draws by bits and so mostly next to 0.
const percents = fc.integer({ min: 0, max: 1_000 }).map((tenths) => tenths / 10);
const ids = fc.string({ minLength: 1 });

describe("a canary", () => {
  test("that grows takes callers in and sends none away, one that shrinks the other way round", () => {
    fc.assert(
      fc.property(ids, percents, percents, fc.constantFrom<By>("caller", "conversation"), (id, one, other, by) => {
        const [small, large] = [Math.min(one, other), Math.max(one, other)];
        if (isIn(shared(small, by), id, id)) expect(isIn(shared(large, by), id, id)).toBe(true);
        expect(isIn(shared(one, by), id, id)).toBe(isIn(shared(one, by), id, id));
      }),
    );
  });

  test("of 0 is nobody's, of 100 everybody's, and in between about its share's", () => {
    const callers = Array.from({ length: 2_000 }, (_, at) => `key-${at}`);
    const shareOf = (percent: number) => callers.filter((id) => isIn(shared(percent), id)).length / callers.length;
    expect([shareOf(0), shareOf(100)]).toEqual([0, 1]);
    for (const percent of [1, 10, 50, 90])
      expect(shareOf(percent)).toBeWithin(percent / 100 - 0.03, percent / 100 + 0.03);
  });

  test("goes first, the others behind it; for everybody else it is not there at all", () => {
    for (const strategy of ["ordered", "weighted", "least-busy", "cheapest"] as const) {
      const inside = routeOf(shared(100, "caller", strategy), "k");
      expect([inside[0], inside.slice(1).toSorted()]).toEqual(["new", ["old", "older"]]);
      expect(routeOf(shared(0, "caller", strategy), "k").toSorted()).toEqual(["old", "older"]);
    }
  });

  test("stays with the caller whatever it asks, or with the conversation whoever asks", () => {
    const caller = shared(50);
    const conversation = shared(50, "conversation");
    for (let at = 0; at < 50; at++) {
      expect(isIn(caller, "k", `s-${at}`)).toBe(isIn(caller, "k"));
      expect(isIn(conversation, `k-${at}`, "s")).toBe(isIn(conversation, "k", "s"));
    }
  });

  test("is drawn apart for each alias and target: nobody gets all of them or none", () => {
    const callers = Array.from({ length: 400 }, (_, at) => `key-${at}`);
    const both = callers.filter(
      (id) => routeOf(shared(50), id)[0] === "new" && routeOf(shared(50), id, "s", "other")[0] === "new",
    );
    expect(both.length / callers.length).toBeWithin(0.15, 0.35);
  });

  test("two of them: who is in both shares has them in the order of the file", () => {
    const alias: Alias = {
      strategy: "ordered",
      targets: ["a", "b"].map((name) => ({
        target: `mock/${name}`,
        weight: 1,
        canary: { percent: 100, by: "caller" as const },
      })),
    };
    const more = { ...alias, targets: [...alias.targets, { target: "mock/old", weight: 1 }] };
    expect(routeOf(more, "k")).toEqual(["a", "b", "old"]);
  });
});

test("who gets a canary alone, and is not in its share, is told so, and neither which target it is nor the share", () => {
  const alias: Alias = {
    strategy: "ordered",
    targets: [{ target: "mock/new", weight: 1, canary: { percent: 0, by: "caller" } }],
  };
  expect(() => routeOf(alias, "k")).toThrow(NoFitError);
  expect(() => routeOf(alias, "k")).toThrow(
    /^no target of this model takes the call: is for a share of the callers \(1 target\)$/,
  );
});
