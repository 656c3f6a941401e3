import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { startGateway } from "../support/process.ts";
import { allBudgets, usageOf } from "../support/rows.ts";
import { startUpstream } from "../support/upstream.ts";

/** Nothing has a price here but by what is set meanwhile. */
const upstream = await startUpstream();
const gateway = await startGateway({
  config: `provider:\n  mock: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: "none" }\n`,
});
afterAll(async () => {
  await gateway.dispose();
  await upstream.stop();
});

test("a price that is taken back while a call runs holds for the call, now and when it is rated again", async () => {
  const held = gate();
  upstream.on("m", async (exchange) => {
    await held.opened;
    await answers({ promptTokens: 1_000, completionTokens: 1_000 })(exchange);
  });
  const { id } = await gateway.admin<{ id: string }>("POST", "/api/prices", { target: "mock/m", input: 1, output: 2 });
  const { key } = await gateway.createKey({ budget: { usd: "1", window: "lifetime" } });
  const flying = call(gateway, key, chat("mock/m", { max_tokens: 1_000 }));
  await until("it is sent", () => upstream.log.length === 1);
  await gateway.admin("POST", "/api/prices", { target: "mock/m", withdraw: true });
  held.open();

  const { status, callId } = await flying;
  expect(status).toBe(200);
  const row = { cost_nano: 3_000_000, charge_nano: 3_000_000, price_version: `database:${id}` };
  expect(usageOf(gateway, callId)).toMatchObject(row);
  expect(allBudgets(gateway)).toMatchObject([{ spent_nano: 3_000_000, held_nano: 0 }]);
  const order = { from: 0, reason: "nothing has changed" };
  const repriced = await gateway.admin<object>("POST", "/api/ledger/reprice", order);
  expect(repriced).toMatchObject({ examined: 1, changed: 0, unpriced: 0 });
  expect(usageOf(gateway, callId)).toMatchObject(row);
  // The next one has none.
  expect((await call(gateway, key, chat("mock/m"))).status).toBe(400);
  await invariants({ gateway, upstream });
});
