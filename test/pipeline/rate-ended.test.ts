import { describe, expect, test } from "bun:test";
import { GatewayError, noUsage } from "llm-proxy/plugin";
import { rateEnded } from "../../core/pipeline/rate-ended.ts";
import { atMs, makeLedger, target } from "../plugins/billing/ledger-fixture.ts";
import { benches, priceOf } from "./bench.ts";
import { startStream } from "./stream-bench.ts";

const newBench = benches();
const mock = {
  dialects: ["openai-chat"],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
} as const;
const noPrice = () => new GatewayError("invalid-request", "no price", { code: "unpriced_model" });

test("the prices of the end count, and those of the start where the end has none", () => {
  const ledger = makeLedger();
  const entry = { kind: "price" as const, target: "lab/x" };
  ledger.adopt?.([
    { ...entry, id: "first", effectiveMs: atMs, prices: { input: "1", output: "0" } },
    { ...entry, id: "second", effectiveMs: atMs + 10, prices: { input: "2", output: "0" } },
    { ...entry, id: "taken back", effectiveMs: atMs + 20, prices: null },
  ]);
  const rated = (startedMs: number, finishedMs: number) =>
    rateEnded(ledger, { ...noUsage, inputTokens: 1_000_000 }, target("lab", "x"), { startedMs, finishedMs }, {});
  expect(rated(atMs, atMs + 9)).toMatchObject({ costNano: 1e9, priceVersion: "database:first" });
  expect(rated(atMs, atMs + 10)).toMatchObject({ costNano: 2e9, priceVersion: "database:second" });
  expect(rated(atMs, atMs + 20)).toMatchObject({ costNano: 1e9, priceVersion: "database:first" });
  expect(() => rated(atMs + 20, atMs + 21)).toThrow("has no price");
});

test("what fails for another reason is not tried again", () => {
  const asked: number[] = [];
  const failing = {
    ...priceOf(1, 2),
    rate: (_usage: unknown, _target: unknown, time: number) => {
      asked.push(time);
      throw new Error("broken");
    },
  };
  const times = { startedMs: 1, finishedMs: 2 };
  expect(() => rateEnded(failing, noUsage, target("lab", "x"), times, {})).toThrow("broken");
  expect(asked).toEqual([2]);
});

describe("a call that has no price at its end nor at its start is listed, once", () => {
  test.each(["refuse", "allow"] as const)("unpriced: %s, where it had one when it was let in", async (unpriced) => {
    const { world, lose } = await losing(unpriced);
    await world.database.budgets.create({
      id: "budget",
      scope: { kind: "global", id: "global" },
      window: "lifetime",
      limitNano: 1e12,
      createdMs: 0,
    });
    const stream = await startStream(world);
    lose();
    stream.source.report();
    stream.source.complete();
    stream.source.end();
    await stream.rest();
    expect(world.finishes).toMatchObject([{ costNano: null, chargeNano: null, usage: { inputTokens: 10 } }]);
    expect(await world.database.book.unpriced()).toMatchObject([{ provider: "mock", model: "one", asked: 1 }]);
  });

  test("unpriced: allow, where it never had one", async () => {
    const { world, lose } = await losing("allow");
    lose();
    const stream = await startStream(world);
    stream.source.report();
    stream.source.complete();
    stream.source.end();
    await stream.rest();
    expect(world.finishes).toMatchObject([{ costNano: null, chargeNano: null }]);
    expect(await world.database.book.unpriced()).toMatchObject([{ provider: "mock", model: "one", asked: 1 }]);
  });
});

/** A book that forgets its prices, of all times, when it is told to. */
async function losing(unpriced: "refuse" | "allow") {
  const priced = priceOf(1, 2);
  let isLost = false;
  const world = await newBench({
    providers: { mock },
    biller: {
      policy: { ...priced.policy, unpriced },
      rate(...asked) {
        if (isLost) throw noPrice();
        return priced.rate(...asked);
      },
    },
  });
  return { world, lose: () => void (isLost = true) };
}
