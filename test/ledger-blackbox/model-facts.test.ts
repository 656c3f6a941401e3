import { afterAll, afterEach, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allBudgets } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** A hold counts at most the context window that was set for the model: of the price that holds, and of no other. */

const setup = await setUp();
const { gateway, upstream } = setup;
afterEach(() => invariants(setup));
afterAll(setup.stop);

const setPrice = (entry: object) => gateway.admin("POST", "/api/prices", { input: 1, output: 2, ...entry });
const dayMs = 86_400_000;

test.each<[string, (model: string) => Promise<unknown>]>([
  [
    "was taken back at once",
    async (model) => {
      await setPrice({ target: `mock/${model}`, contextWindow: 1_000 });
      await gateway.admin("POST", "/api/prices", { target: `mock/${model}`, withdraw: true });
    },
  ],
  [
    "is of a prefix, below the model's own",
    async (model) => {
      await setPrice({ target: `mock/${model}`, contextWindow: 400_000 });
      await setPrice({ target: `mock/${model.slice(0, -1)}*`, contextWindow: 1_000 });
    },
  ],
  [
    "begins in 300 days",
    (model) => setPrice({ target: `mock/${model}`, contextWindow: 1_000, effectiveFrom: Date.now() + 300 * dayMs }),
  ],
])("ten calls at once overspend no budget by a window that %s", async (why, set) => {
  const model = why.replaceAll(/\W/g, "-");
  const held = gate();
  upstream.on(model, async (exchange) => {
    await held.opened;
    await answers({ promptTokens: 50_000, completionTokens: 10 })(exchange);
  });
  await set(model);
  const { key, id } = await gateway.createKey({ budget: { usd: "0.15", window: "lifetime" } });
  const body = {
    ...chat(`mock/${model}`, { max_tokens: 10 }),
    messages: [{ role: "user", content: "a ".repeat(50_000) }],
  };
  const sentBefore = upstream.log.length;
  let refused = 0;
  const replies = Array.from({ length: 10 }, async () => {
    const { status } = await call(gateway, key, body);
    if (status !== 200) refused += 1;
    return status;
  });
  await until("each is sent or refused", () => upstream.log.length - sentBefore + refused === 10);
  held.open();
  const served = (await Promise.all(replies)).filter((status) => status === 200).length;
  expect(served).toBeGreaterThan(0);
  const budget = allBudgets(gateway).find(({ scope_id }) => scope_id === id);
  expect(budget).toMatchObject({ spent_nano: served * 50_020_000, held_nano: 0 });
  expect(budget?.spent_nano).toBeLessThanOrEqual(150_000_000);
});
