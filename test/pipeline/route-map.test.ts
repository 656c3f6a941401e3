import { describe, expect, test } from "bun:test";
import { targetBreakers } from "../../core/pipeline/breaker.ts";
import { targetLoads } from "../../core/pipeline/loads.ts";
import { type Alias, modelTable } from "../../core/pipeline/models.ts";
import { aliasRoute, type RouteEntry } from "../../core/pipeline/route-map.ts";
import { noShadows } from "../../core/pipeline/shadow.ts";
import type { Provider } from "../../core/plugin/plugin.ts";

/** The picture of an alias against what its strategy and the state of its targets make of calls. */
const slot: Provider = {
  dialects: ["openai-chat"],
  models: [],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
};
const providers = new Map([
  ["a", slot],
  ["b", slot],
]);
const entry = (target: string, more: Partial<Alias["targets"][number]> = {}) => ({ target, weight: 1, ...more });

function pictured(aliases: Readonly<Record<string, Alias>>) {
  const now = () => 1_000;
  const breakers = targetBreakers(
    { enabled: true, consecutive: 1, errorShare: 1, minCalls: 10, windowMs: 10_000, probeMs: 1_000, providers: {} },
    now,
  );
  const loads = targetLoads(now);
  const models = modelTable(aliases, providers, null, { loads, now });
  const shadows = noShadows();
  const sources = { models, providers, breakers, loads, shadows, now, billing: null };
  const routeOf = (name: string) => aliasRoute(name, sources) ?? never();
  return { breakers, loads, shadows, sources, routeOf };
}
const shares = (entries: readonly RouteEntry[]) => entries.map(({ share }) => Math.round(share));
const target = (provider: string, model: string) => ({ provider, model, vendor: provider });
const never = () => {
  throw new Error("there is no such alias");
};

describe("the route of an alias", () => {
  test("shares calls out as the strategy does, and adds up over aliases in it and targets that are there twice", () => {
    const { routeOf, sources } = pictured({
      top: { strategy: "weighted", targets: [entry("a/x", { weight: 3 }), entry("inner")] },
      inner: { strategy: "ordered", targets: [entry("a/x"), entry("b/y")] },
    });
    const { entries, refused } = routeOf("top");
    const [first, inner] = entries;
    expect([refused, Math.round((first?.share ?? 0) + (inner?.share ?? 0))]).toEqual([0, 100]);
    expect(first?.share).toBeWithin(60, 90);
    expect(inner?.leadsTo).toMatchObject({
      name: "inner",
      strategy: "ordered",
      entries: [
        { target: "a/x", weight: null, share: inner?.share ?? -1 },
        { target: "b/y", share: 0 },
      ],
    });
    expect(first).toMatchObject({ weight: 3, leadsTo: { provider: "a", model: "x", breaker: null, busy: 0 } });
    expect(routeOf("top")).toEqual({ ...routeOf("top") });
    expect(aliasRoute("a/x", sources)).toBeNull();
  });

  test("has a target once for each call, by the first entry that takes it, whatever the strategy", () => {
    const short = { tokens: { upTo: 1_000 } };
    const long = { tokens: { above: 1_000 } };
    for (const strategy of ["ordered", "weighted", "sticky", "least-busy", "lowest-latency", "cheapest"] as const) {
      const { routeOf, breakers } = pictured({
        top: {
          strategy,
          targets: [
            entry("a/x", { when: long }),
            entry("a/x", { when: short }),
            entry("a/x", { weight: 1_000 }),
            entry("b/y"),
          ],
        },
        new: { strategy, targets: [entry("a/x"), entry("a/x", { canary: { percent: 100, by: "caller" } })] },
      });
      const { entries, refused } = routeOf("top");
      const [first, second, third, other] = shares(entries);
      expect([strategy, first, third, refused, (second ?? 0) + (other ?? 0)]).toEqual([strategy, 0, 0, 0, 100]);
      expect(entries.map(({ unfit }) => unfit?.why)).toEqual(["condition", undefined, undefined, undefined]);
      if (strategy !== "ordered" && strategy !== "cheapest") expect(second).toBeWithin(25, 75);
      expect(shares(routeOf("new").entries)).toEqual([0, 100]);
      breakers.ended(target("a", "x"), false, "failed");
      expect(shares(routeOf("top").entries)).toEqual([0, 0, 0, 100]);
    }
  });

  test("goes round what is left alone, and says so when nothing is left", () => {
    const { routeOf, breakers } = pictured({ top: { strategy: "ordered", targets: [entry("a/x"), entry("b/y")] } });
    expect(shares(routeOf("top").entries)).toEqual([100, 0]);
    breakers.ended(target("a", "x"), false, "failed", "it broke");
    const { entries } = routeOf("top");
    expect(shares(entries)).toEqual([0, 100]);
    expect(entries[0]?.leadsTo).toMatchObject({ breaker: { state: "open", reason: "it broke", nextProbeMs: 2_000 } });
    breakers.ended(target("b", "y"), false, "failed");
    expect(routeOf("top")).toMatchObject({ refused: 100, entries: [{ share: 0 }, { share: 0 }] });
  });

  test("goes by the calls in flight of the real targets", () => {
    const { routeOf, loads } = pictured({ top: { strategy: "least-busy", targets: [entry("a/x"), entry("b/y")] } });
    loads.began(target("a", "x"));
    const { entries } = routeOf("top");
    expect(shares(entries)).toEqual([0, 100]);
    expect(entries.map(({ leadsTo }) => "busy" in leadsTo && leadsTo.busy)).toEqual([1, 0]);
  });

  test("gives a canary its share, and nothing to what takes no plain call, with the reason", () => {
    const { routeOf } = pictured({
      top: {
        strategy: "ordered",
        targets: [
          entry("a/gold", { when: { headers: { "x-tier": ["gold"] } } }),
          entry("a/new", { canary: { percent: 30, by: "caller" } }),
          entry("b/y"),
        ],
      },
      only: { strategy: "ordered", targets: [entry("a/gold", { when: { tokens: { above: 1_000 } } })] },
    });
    const { entries, refused } = routeOf("top");
    expect([refused, entries[0]?.share, entries[0]?.unfit]).toEqual([0, 0, { why: "condition", on: "headers" }]);
    expect(entries[1]?.share).toBeWithin(15, 45);
    expect(entries[1]?.unfit).toBeNull();
    expect(routeOf("only")).toMatchObject({ refused: 100, entries: [{ unfit: { why: "condition", on: "tokens" } }] });
  });

  test("keeps each conversation at one place, and shares them out by weight", () => {
    const { routeOf } = pictured({
      top: { strategy: "sticky", targets: [entry("a/x", { weight: 3 }), entry("b/y"), entry("b/z", { weight: 0 })] },
    });
    const [x = 0, y = 0, z] = routeOf("top").entries.map(({ share }) => share);
    expect([x + y, z]).toEqual([100, 0]);
    expect(x).toBeWithin(60, 90);
  });

  test("has the target that gets copies, which takes no share", () => {
    const shadow = { target: "b/new", percent: 10, maxInFlight: 4, account: "lab" };
    const { routeOf, shadows } = pictured({
      top: { strategy: "ordered", targets: [entry("inner")], shadow },
      inner: { strategy: "ordered", targets: [entry("a/x")] },
    });
    shadows.inFlight.set("top", 3);
    const { target: _, ...told } = shadow;
    expect(routeOf("top")).toMatchObject({
      refused: 0,
      entries: [{ share: 100 }],
      shadow: { ...told, inFlight: 3, drop: [], leadsTo: { provider: "b", model: "new", breaker: null } },
    });
    expect(routeOf("inner").shadow).toBeNull();
  });

  test("draws no more of aliases over aliases than can be read", () => {
    const wide = (next: string): Alias => ({
      strategy: "ordered",
      targets: Array.from({ length: 20 }, (_, at) => entry(at === 0 ? "a/x" : `${next}${at}`)),
    });
    const layer = (own: string, next: string) =>
      Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${own}${at}`, wide(next)]));
    const leaves = Object.fromEntries(
      Array.from({ length: 20 }, (_, at): [string, Alias] => [
        `l${at}`,
        { strategy: "ordered", targets: [entry("b/y")] },
      ]),
    );
    const { routeOf } = pictured({ top: wide("m"), ...layer("m", "n"), ...layer("n", "l"), ...leaves });
    const count = (entries: readonly RouteEntry[]): number =>
      entries.reduce((sum, { leadsTo }) => sum + 1 + ("entries" in leadsTo ? count(leadsTo.entries) : 0), 0);
    expect(count(routeOf("top").entries)).toBeWithin(1_500, 2_500);
  });
});
