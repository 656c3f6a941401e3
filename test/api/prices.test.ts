import { beforeEach, describe, expect, test } from "bun:test";
import type { Provider } from "llm-proxy/plugin";
import { makeLedger } from "../plugins/billing/ledger-fixture.ts";
import { type Api, apis } from "./server.ts";

const newApi = apis();
const provider: Provider = {
  models: ["gpt-5", "left-out"],
  vendor: "openai",
  chat: () => {
    throw new Error("no calls in these tests");
  },
};
let api: Api;
beforeEach(async () => {
  const biller = makeLedger([{ target: "eu/filed", input: "0.5", output: "1" }]);
  api = await newApi({ providers: { openai: { ...provider, models: ["gpt-5"] }, eu: provider }, biller });
});
const list = async (query: string) => (await api.admin("GET", `/api/prices${query}`)).body;
const set = (body: object) => api.admin("POST", "/api/prices", body);
const charge = (model: string, options: { readonly accounts?: readonly string[] } = {}) => {
  const usage = { ...noTokens, inputTokens: 1_000_000 };
  const target = { provider: "eu", vendor: "openai", model };
  return api.services.billing?.slot.rate(usage, target, api.clock.now(), options);
};
const noTokens = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
  reasoningTokens: 0,
  inputAudioTokens: 0,
  cacheReadAudioTokens: 0,
  outputAudioTokens: 0,
};

describe("the list of prices", () => {
  test("has those that were set first, then the file's, then the bundled ones; every source can be asked for", async () => {
    const first = await set({ target: "eu/gpt-5", input: 1, output: 2 });
    const later = await set({ target: "eu/*", input: 3, output: 4, effectiveFrom: api.clock.now() + 60_000 });
    const { data } = await list("?limit=5");
    expect(data.map(({ source }: { source: string }) => source)).toEqual([
      "database",
      "database",
      "config",
      "bundled",
      "bundled",
    ]);
    expect(data[0]).toEqual({
      id: later.body.id,
      target: "eu/*",
      source: "database",
      version: `database:${later.body.id}`,
      effectiveFrom: api.clock.now() + 60_000,
      input: "3",
      output: "4",
      contextWindow: null,
      maxOutputTokens: null,
      names: [],
      author: "admin token",
      createdAt: api.clock.now(),
    });
    expect(data[1].id).toBe(first.body.id);
    expect(data[2]).toMatchObject({ target: "eu/filed", input: "0.5", id: null });
    for (const source of ["database", "config", "bundled"])
      expect(
        new Set((await list(`?source=${source}&limit=200`)).data.map((row: { source: string }) => row.source)),
      ).toEqual(new Set([source]));
  });

  test("is searched in any case, by the target and by other names of the model, and by what means a target", async () => {
    await set({ target: "eu/*", input: 3, output: 4 });
    const found = async (query: string) => (await list(query)).data.map(({ target }: { target: string }) => target);
    expect(await found("?search=EU/gpt-5-mini")).toEqual(["eu/gpt-5-mini"]);
    expect(await found("?search=eu/gpt-5-mini-2025-08-07")).toEqual(["eu/gpt-5-mini"]);
    expect(await found("?target=eu/gpt-5-mini")).toEqual(["eu/*", "eu/gpt-5-mini"]);
    expect(await found("?search=no-such-thing")).toEqual([]);
  });

  test("pages are whole while rows come and go", async () => {
    const whole = (await list("?search=openai/gpt-5&limit=200")).data.map(({ target }: { target: string }) => target);
    expect(whole.length).toBeGreaterThan(10);
    const seen: string[] = [];
    let next: string | null = "";
    while (next !== null) {
      const page: { data: { target: string }[]; next: string | null } = await list(
        `?search=openai/gpt-5&limit=4&after=${next}`,
      );
      seen.push(...page.data.map(({ target }) => target));
      next = page.next;
      await set({ target: "openai/gpt-5*", input: 1, output: 1 });
    }
    expect(seen).toEqual(whole);
    expect((await api.admin("GET", "/api/prices?after=%21")).status).toBe(400);
  });
});

describe("a price", () => {
  test("holds for the next call, in every class, and names itself in the row", async () => {
    const { status, body } = await set({
      target: "eu/gpt-5",
      input: "0.10",
      output: 2,
      serviceTiers: { batch: { input: 0.05, output: 1 } },
      contextTiers: [{ above: 10, input: 0.2 }],
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ input: "0.10", contextTiers: [{ above: 10, input: "0.2" }] });
    api.clock.advance(1);
    expect(charge("gpt-5")).toMatchObject({ costNano: 200_000_000, priceVersion: `database:${body.id}` });
  });

  test("of a later time can be taken back, one in effect cannot", async () => {
    const { body } = await set({ target: "eu/gpt-5", input: 9, output: 9, effectiveFrom: api.clock.now() + 1_000 });
    expect(charge("gpt-5")?.costNano).toBe(1_250_000_000);
    expect((await api.admin("DELETE", `/api/prices/${body.id}`)).body).toEqual({ id: body.id, removed: true });
    api.clock.advance(1_000);
    expect(charge("gpt-5")?.costNano).toBe(1_250_000_000);
    const current = await set({ target: "eu/gpt-5", input: 8, output: 8 });
    api.clock.advance(1);
    expect((await api.admin("DELETE", `/api/prices/${current.body.id}`)).status).toBe(409);
    expect(charge("gpt-5")?.costNano).toBe(8_000_000_000);
    expect((await set({ target: "eu/gpt-5", withdraw: true })).body).toMatchObject({ withdrawn: true });
    api.clock.advance(1);
    expect(charge("gpt-5")?.costNano).toBe(1_250_000_000);
    expect((await api.admin("DELETE", "/api/prices/nobody")).status).toBe(404);
  });

  test.each([
    [{ target: "eu/gpt-5" }, "input"],
    [{ target: "eu/gpt-5", input: 1 }, "output"],
    [{ target: "eu/gpt-5", input: -1, output: 1 }, "input"],
    [{ target: "eu/gpt-5", input: "1e9", output: 1 }, "input"],
    [{ target: "nobody/gpt-5", input: 1, output: 1 }, "target"],
    [{ target: "gpt-5", input: 1, output: 1 }, "target"],
    [{ target: "eu/gpt-5", input: 1, output: 1, effectiveFrom: 5 }, "effectiveFrom"],
    [{ target: "eu/gpt-5", input: 1, output: 1, withdraw: true }, "withdraw"],
    [
      { target: "eu/gpt-5", input: 1, output: 1, contextTiers: [{ above: 5, reasoning: 1 }] },
      "contextTiers.0.reasoning",
    ],
    [
      { target: "eu/gpt-5", input: 1, output: 1, serviceTiers: { Batch: { input: 1, output: 1 } } },
      "serviceTiers.Batch",
    ],
    [{ target: "eu/gpt-5", input: 1, output: 1, colour: 1 }, "colour"],
  ])("%j is refused by its field, and nothing is kept", async (body, param) => {
    const answer = await set(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.param).toBe(param);
    expect(api.database.book.entries()).toEqual([]);
  });

  test("is a conflict where nothing rates", async () => {
    const none = await newApi({ providers: { eu: provider }, biller: null });
    expect((await none.admin("POST", "/api/prices", { target: "eu/x", input: 1, output: 1 })).status).toBe(409);
    expect((await none.admin("GET", "/api/prices")).body).toEqual({ data: [], next: null });
  });
});

describe("what has no price", () => {
  test("is listed with how often it was asked for, and when it is only named; what got a price is not", async () => {
    for (const model of ["secret", "secret", "gone"]) await api.database.book.countUnpriced("eu", model);
    await set({ target: "eu/gone", input: 1, output: 1 });
    api.clock.advance(1);
    const { body } = await api.admin("GET", "/api/prices/unpriced");
    expect(body).toEqual({
      data: [
        {
          target: "eu/secret",
          provider: "eu",
          model: "secret",
          asked: 2,
          lastAskedAt: api.clock.now() - 1,
          listed: false,
        },
        { target: "eu/left-out", provider: "eu", model: "left-out", asked: 0, lastAskedAt: null, listed: true },
      ],
      next: null,
    });
  });
});

describe("terms", () => {
  const setTerms = (body: object) => api.admin("POST", "/api/prices/charges", body);
  test("hold for an account, and are listed newest first", async () => {
    const account = (await api.admin("POST", "/api/accounts", { name: "acme" })).body.id;
    const { status, body } = await setTerms({ account, target: "eu/*", margin: 20, fee: "0.001" });
    expect(status).toBe(201);
    expect(body).toMatchObject({ account, target: "eu/*", margin: "20", fee: "0.001" });
    const other = await setTerms({ discount: 10 });
    api.clock.advance(1);
    expect(charge("gpt-5", { accounts: [account, "org"] })).toMatchObject({
      costNano: 1_250_000_000,
      chargeNano: 1_501_000_000,
      terms: { version: `database:${body.id}`, margin: "20", fee: "0.001" },
    });
    expect(charge("gpt-5", { accounts: ["org"] })?.chargeNano).toBe(1_125_000_000);
    const { data } = (await api.admin("GET", "/api/prices/charges")).body;
    expect(data.map(({ id }: { id: string }) => id)).toEqual([other.body.id, body.id]);
  });

  test("say which of them hold, which are past and which are to come, on pages", async () => {
    await setTerms({ margin: 1 });
    await setTerms({ margin: 2 });
    await setTerms({ target: "eu/*", margin: 3 });
    await setTerms({ margin: 4, effectiveFrom: api.clock.now() + 1_000 });
    api.clock.advance(1);
    const shown = async (query = "") => {
      const { data, next } = (await api.admin("GET", `/api/prices/charges${query}`)).body;
      const rows = data.map(({ margin, withdrawn, state }: Record<string, unknown>) => [margin ?? withdrawn, state]);
      return { rows, next };
    };
    expect((await shown()).rows).toEqual([
      ["4", "later"],
      ["3", "current"],
      ["2", "current"],
      ["1", "past"],
    ]);
    const { rows, next } = await shown("?limit=3");
    expect(rows.length).toBe(3);
    expect(await shown(`?limit=3&after=${next}`)).toEqual({ rows: [["1", "past"]], next: null });
    api.clock.advance(1_000);
    await setTerms({ target: "eu/*", withdraw: true });
    api.clock.advance(1);
    expect((await shown()).rows.map((row: unknown[]) => row.join(" ")).toSorted()).toEqual([
      "1 past",
      "2 past",
      "3 past",
      "4 current",
      "true current",
    ]);
  });
  test.each([
    [{}, 400],
    [{ discount: 101 }, 400],
    [{ margin: 1, withdraw: true }, 400],
    [{ account: "nobody", margin: 1 }, 404],
  ])("%j is refused", async (body, status) => {
    expect((await setTerms(body)).status).toBe(status);
    expect(api.database.book.entries()).toEqual([]);
  });
});
