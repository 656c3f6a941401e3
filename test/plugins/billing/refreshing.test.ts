import { describe, expect, test } from "bun:test";
import { type Provider, waitForUpdate } from "@pydantic/genai-prices";
import { Value } from "@sinclair/typebox/value";
import type { Biller } from "llm-proxy/plugin";
import ledger from "../../../plugins/billing/ledger.ts";
import { differenceOf, type Snapshot } from "../../../plugins/billing/price-data.ts";
import { refreshed, startRefreshing } from "../../../plugins/billing/refreshing.ts";
import { fakeClock, fakeContext } from "../../contract/context.ts";
import { gate, until } from "../../support/poll.ts";
import { atMs, defaultPolicy, makeLedger, target, usage } from "./ledger-fixture.ts";

const url = "https://prices.test/data.json";
const neverAborts = new AbortController().signal;
const million = usage({ inputTokens: 1_000_000 });
type Data = (Omit<Provider, "models"> & {
  models: { id: string; prices: unknown; match: unknown; context_window?: number }[];
})[];

/** The bundled data as its own file has it, with changes. */
async function data(change: (providers: Data) => void = () => {}): Promise<string> {
  const copy: Data = JSON.parse(JSON.stringify((await waitForUpdate()) ?? []));
  change(copy);
  return JSON.stringify(copy);
}
const modelOf = (providers: Data, vendor: string, id: string) => {
  const found = providers.find((provider) => provider.id === vendor)?.models.find((model) => model.id === id);
  if (!found) throw new Error(`no ${vendor}/${id}`);
  return found;
};
const cheaper = (providers: Data) => {
  modelOf(providers, "openai", "gpt-5").prices = { input_mtok: 1, output_mtok: 8 };
  providers
    .find(({ id }) => id === "openai")
    ?.models.push({
      id: "gpt-99",
      match: { or: [{ equals: "gpt-99" }, { equals: "GPT-99-2027-01-01" }, { regex: "^gpt-99.*" }] },
      context_window: 5_000,
      prices: [{ prices: { input_mtok: { base: 2, tiers: [{ start: 100, price: 3 }] }, output_mtok: 4 } }],
    });
};

/** A ledger whose data is `text`, refreshed once. */
async function world(text: string) {
  const clock = fakeClock(atMs);
  const context = fakeContext(clock);
  const answering = { ...context, fetch: async () => new Response(text) };
  const look = (snapshots: readonly Snapshot[] = []) => refreshed(url, snapshots, answering, neverAborts);
  return { clock, context, look };
}

describe("a look at newer price data", () => {
  test("finds nothing new in the bundled data itself", async () => {
    expect(await differenceOf(await data(), [])).toEqual({ entries: [], held: [] });
  });

  test("takes over what differs, from now on, and stores it; the next look finds nothing", async () => {
    const { clock, context, look } = await world(await data(cheaper));
    const snapshots = await look();
    expect(await context.storage.get("price-data")).toEqual({ snapshots: structuredClone(snapshots) });
    expect(structuredClone(snapshots)).toMatchObject([
      {
        fromMs: clock.now() + 1,
        version: expect.stringMatching(/^refreshed:[0-9a-f]{12}$/),
        entries: [
          { vendor: "openai", id: "gpt-5" },
          { vendor: "openai", id: "gpt-99", names: ["gpt-99", "gpt-99-2027-01-01"], contextWindow: 5_000 },
        ],
      },
    ]);
    expect(await look(snapshots)).toBe(snapshots);
  });

  test("does not believe a price that moved more than tenfold, or to or from nothing, and says which", async () => {
    const { context, look } = await world(
      await data((providers) => {
        modelOf(providers, "openai", "gpt-5").prices = { input_mtok: 12.6, output_mtok: 10 };
        modelOf(providers, "openai", "gpt-5-mini").prices = { input_mtok: 0, output_mtok: 0 };
      }),
    );
    expect(await look()).toEqual([]);
    expect(context.seen.logged.join()).toContain('"openai/gpt-5","openai/gpt-5-mini"');
  });

  test.each<[string, string | ((providers: Data) => void)]>([
    ["no JSON", "<html>"],
    ["no list", "{}"],
    ["hardly any vendor", "[]"],
    ["a vendor without models", (providers) => Reflect.deleteProperty(providers[3] ?? {}, "models")],
    ["a negative price", (providers) => void (modelOf(providers, "openai", "gpt-5").prices = { input_mtok: -1 })],
    ["a price that is text", (providers) => void (modelOf(providers, "openai", "gpt-5").prices = { input_mtok: "1" })],
    [
      "tiers of another form",
      (providers) => void (modelOf(providers, "openai", "gpt-5").prices = { input_mtok: { base: 1 } }),
    ],
    [
      "a constraint nobody knows",
      (providers) =>
        void (modelOf(providers, "openai", "gpt-5").prices = [{ constraint: { type: "moon" }, prices: {} }]),
    ],
  ])("uses none of it when there is %s in it", async (_, change) => {
    const text =
      typeof change === "string" ? change : await data((providers) => (cheaper(providers), change(providers)));
    const { context, look } = await world(text);
    expect(
      await look().then(
        () => null,
        (error: unknown) => error,
      ),
    ).toBeInstanceOf(Error);
    expect(await context.storage.get("price-data")).toBeNull();
  });

  test("fails on any status but 200, a redirect too", async () => {
    for (const status of [301, 404, 500]) {
      const context = { ...fakeContext(fakeClock(atMs)), fetch: async () => new Response("[]", { status }) };
      expect(await refreshed(url, [], context, neverAborts).then(() => null, String)).toBe(`Error: answered ${status}`);
    }
  });
});

describe("the ledger with refreshed data", () => {
  /** As after a restart: the snapshots are in the state. */
  async function restarted(prices: Parameters<typeof makeLedger>[0] = []): Promise<{ biller: Biller; fromMs: number }> {
    const { clock, context, look } = await world(await data(cheaper));
    await look();
    const options = { ...defaultPolicy, refresh: { url, everyHours: 1 } };
    const biller = await ledger.setup(options, { ...context, prices: prices ?? [] });
    await context.seen.dispose();
    return { biller, fromMs: clock.now() + 1 };
  }
  const costAt = (biller: Biller, model: string, time: number) =>
    biller.rate(million, target("openai", model), time).costNano / 1e9;

  test("prices by it from that time on and by the bundled data before, by the names that are spelled out", async () => {
    const { biller, fromMs } = await restarted();
    expect([fromMs - 1, fromMs].map((time) => costAt(biller, "gpt-5-2025-08-07", time))).toEqual([1.25, 1]);
    expect(biller.rate(million, target("openai", "gpt-5"), fromMs).priceVersion).toMatch(/^refreshed:/);
    expect(costAt(biller, "gpt-99", fromMs)).toBe(3);
    expect(costAt(biller, "gpt-99-20270101", fromMs)).toBe(3);
    expect(() => costAt(biller, "gpt-99", fromMs - 1)).toThrow("has no price");
    expect(() => costAt(biller, "gpt-99-turbo", fromMs)).toThrow("has no price");
    expect(biller.facts?.(target("openai", "gpt-99"), fromMs)?.contextWindow).toBe(5_000);
    const azure = { provider: "azure", vendor: "azure", model: "gpt-5" };
    expect(biller.rate(million, azure, fromMs).costNano / 1e9).toBe(1);
    const listed = biller.prices?.([]).filter((row) => row.version.startsWith("refreshed:"));
    expect(listed?.map((row) => [row.target, row.effectiveMs])).toEqual([
      ["openai/gpt-5", fromMs],
      ["openai/gpt-99", fromMs],
    ]);
  });

  test("what the operator says goes before it", async () => {
    const { biller, fromMs } = await restarted([{ target: "openai/gpt-5", input: "7", output: "1" }]);
    expect(costAt(biller, "gpt-5", fromMs)).toBe(7);
    biller.adopt?.([
      { id: "x", kind: "price", target: "openai/*", effectiveMs: fromMs, prices: { input: "5", output: "5" } },
    ]);
    expect(costAt(biller, "gpt-99", fromMs)).toBe(5);
  });

  test("is looked at soon after the start, and a failure changes nothing", async () => {
    const context = fakeContext(fakeClock(atMs));
    const text = await data(cheaper);
    const options = { ...defaultPolicy, refresh: { url, everyHours: 1 } };
    const biller = await ledger.setup(options, { ...context, fetch: async () => new Response(text) });
    await until("the new price", () => costAt(biller, "gpt-5", atMs + 1) === 1);
    await context.seen.dispose();
    const failing = fakeContext(fakeClock(atMs));
    const other = await ledger.setup(options, failing);
    await until("the failure", () => failing.seen.logged.some((line) => line.includes("could not be refreshed")));
    expect(costAt(other, "gpt-5", atMs + 1)).toBe(1.25);
    await failing.seen.dispose();
  });

  test("is not touched any more by a look that was under way when the plugin ended, and nothing looks again", async () => {
    const text = await data(cheaper);
    const begin = async (answered: Promise<void>) => {
      const context = fakeContext(fakeClock(atMs));
      const used: (readonly Snapshot[])[] = [];
      const asked: Request[] = [];
      const fetch = async (request: Request) => {
        asked.push(request);
        await answered;
        return new Response(text);
      };
      const often = { url, everyHours: 1 / 3_600_000 };
      await startRefreshing(often, { ...context, fetch }, (snapshots) => void used.push(snapshots));
      return { context, used, asked };
    };
    const answer = gate();
    const ended = await begin(answer.opened);
    await until("the look", () => ended.asked.length === 1);
    await ended.context.seen.dispose();
    expect(ended.asked[0]?.signal.aborted).toBe(true);
    answer.open();
    // Whoever starts later has looked several times by then.
    const other = await begin(Promise.resolve());
    await until("more looks", () => other.asked.length === 4);
    await other.context.seen.dispose();
    expect([ended.asked.length, ended.used, ended.context.seen.logged]).toEqual([1, [[]], []]);
    expect(await ended.context.storage.get("price-data")).toBeNull();
  });

  test("is off unless it is turned on, and takes https only", () => {
    expect(
      Value.Check(ledger.config, { ...defaultPolicy, refresh: { url: "http://prices.test/", everyHours: 1 } }),
    ).toBe(false);
    expect(Value.Check(ledger.config, { ...defaultPolicy, refresh: { url, everyHours: 24 } })).toBe(true);
    // The fixture's context refuses any request.
    expect(costAt(makeLedger(), "gpt-5", atMs)).toBe(1.25);
  });
});
