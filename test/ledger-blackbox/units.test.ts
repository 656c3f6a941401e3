import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat, errorOf } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { json } from "../support/scripts.ts";
import { sendRaw } from "../support/raw.ts";
import { until } from "../support/poll.ts";
import { allBudgets, allUsage, usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** Images, seconds and characters: what no text of the request bounds, and a provider bills all the same. */

const file = join(import.meta.dir, "..", "fixtures", "plugins", "studio.ts");
const hostile = join(import.meta.dir, "..", "fixtures", "plugins", "hostile.ts");
const prices = "input: 0, output: 0, image: 0.04, second: 0.001, character: 15";
const setup = await setUp({
  providers: `  studio: { use: "${file}" }\n  hostile: { use: "${hostile}" }`,
  config: [
    `  - { target: studio/*, ${prices}, most: { image: 4, second: 10, character: 1000 } }`,
    "  - { target: studio/hangs-reading, input: 1, output: 2, request: 0.001, image: 0.04, most: { image: 4 } }",
    "  - { target: hostile/*, input: 1, output: 2, image: 0.04, webSearch: 0.01, most: { image: 4 } }",
    "models: { plain-first: [mock/down, studio/i4-s10-c1000], dear-first: [studio/i1, mock/plain] }",
    "server: { disconnect: { drainMs: 100 } }",
  ].join("\n"),
  key: { budget: { usd: 10, window: "lifetime" } },
});
const { gateway, key } = setup;
afterEach(() => invariants(setup));
afterAll(setup.stop);

/** USD 4 × 0.04 + 10 × 0.001 + 1,000 × 15 ÷ 10⁶. */
const mostNano = 185_000_000;

test.each([
  ["i2-s3-c500", 80_000_000 + 3_000_000 + 7_500_000],
  // A second that has begun is a whole one.
  ["s2.25", 3_000_000],
  ["c1", 15_000],
  ["nothing", 0],
])("%s is charged by the unit, after a hold for the most of them", async (model, costNano) => {
  const reply = await call(gateway, key.key, chat(`studio/${model}`));
  expect(reply.status).toBe(200);
  expect(usageOf(gateway, reply.callId)).toMatchObject({ cost_nano: costNano, charge_nano: costNano, status: "ok" });
  const told = await gateway.admin<{ hold: { heldNano: number; lines: object[] }; settlement: { lines: object[] } }>(
    "GET",
    `/api/explain/${reply.callId}`,
  );
  expect(told.hold.heldNano).toBe(mostNano);
  expect(told.hold.lines).toContainEqual({ item: "image", quantity: 4, price: "40000" });
});

test("of a call that was cut, and whose provider did not tell: as many as were held", async () => {
  await sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("studio/hangs", { stream: true })),
    leaveWhen: (received) => received.includes("done"),
  });
  const row = await until("its record", () =>
    allUsage(gateway).find(({ model, status }) => model === "studio/hangs" && status !== "open"),
  );
  expect(row).toMatchObject({ status: "client_aborted", source: "estimated", charge_nano: mostNano });
});

/** USD 4 × 0.04, and nothing more. */
const mostImagesNano = 160_000_000;

describe("a usage that cannot be true, of a plugin in plain JavaScript", () => {
  test.each<[string, number | "estimated"]>([
    ["nothing", "estimated"],
    ["number", "estimated"],
    ["empty", "estimated"],
    ["without-parts", 14_000],
    ["units-alone", 80_000_000],
    ["digits", 40_014_000],
    ["fractions", 40_014_000],
    ["part-nan", 14_000],
    ["part-huge", 14_000],
    ["negative", "estimated"],
    ["unit-nan", mostImagesNano],
    ["unit-negative", mostImagesNano],
    ["unit-infinite", mostImagesNano],
    ["unit-huge", mostImagesNano],
    ["unit-text", mostImagesNano],
    ["unit-bigint", mostImagesNano],
    ["unit-object", mostImagesNano],
    ["unit-unpriced", 14_000],
    ["searches-huge", 14_000],
  ])("%s: charged for, and never for nothing", async (name, charged) => {
    for (const stream of [false, true]) {
      const reply = await call(gateway, key.key, chat(`hostile/usage-${name}`, { stream }));
      expect([stream, reply.status]).toEqual([stream, 200]);
      const row = usageOf(gateway, reply.callId);
      if (charged === "estimated") {
        expect(row).toMatchObject({ status: "ok", source: "estimated" });
        expect(row.charge_nano).toBeGreaterThan(0);
      } else expect(row).toMatchObject({ status: "ok", source: "provider", charge_nano: charged });
    }
  });

  test("all of it can be rated again", async () => {
    const order = { from: 0, reason: "to see", dryRun: true };
    expect(await gateway.admin("POST", "/api/ledger/reprice", order)).toMatchObject({ changed: 0, unpriced: 0 });
  });
});

test("what a call used is kept, so that it can be rated again", async () => {
  const { callId } = await call(gateway, key.key, chat("studio/i2-s3-c500"));
  const before = usageOf(gateway, callId);
  const { notes } = await gateway.admin<{ notes: object }>("GET", `/api/calls/${callId}`);
  expect(notes).toMatchObject({ counts: { images: 2, seconds: 3, characters: 500 } });
  const config = configFileOf(gateway);
  await config.reloadWith(config.first.replace("image: 0.04", "image: 0.05"));
  const order = { from: 0, model: "studio/i2-s3-c500", reason: "dearer images" };
  await gateway.admin("POST", "/api/ledger/reprice", order);
  await config.reloadWith(config.first);
  expect(before.cost_nano).toBe(90_500_000);
  const entries = gateway.sql("select kind, delta_nano from v_ledger where call_id = ? order by seq", callId);
  expect(entries).toEqual([
    { kind: "charge", delta_nano: -90_500_000 },
    { kind: "adjustment", delta_nano: -20_000_000 },
  ]);
});

test("a budget that the most of a call does not fit into refuses it", async () => {
  for (const admission of ["bound", "expected"]) {
    const { id, key: poor } = await gateway.createKey();
    const scope = { kind: "key", id };
    await gateway.admin("POST", "/api/budgets", { scope, usd: "0.1", window: "lifetime", admission });
    const reply = await call(gateway, poor, chat("studio/i1"));
    expect([reply.status, errorOf(reply.text).code]).toEqual([402, "insufficient_quota"]);
  }
  expect(allBudgets(gateway).every(({ held_nano }) => held_nano === 0)).toBe(true);
});

test("a budget that holds what is expected holds the units and the tokens that are likely", async () => {
  const { id, key: other } = await gateway.createKey();
  const scope = { kind: "key", id };
  await gateway.admin("POST", "/api/budgets", { scope, usd: "1", window: "lifetime", admission: "expected" });
  const { callId } = await call(gateway, other, { ...chat("hostile/usage-digits"), max_tokens: 1_000 });
  const { hold } = await gateway.admin<{ hold: { heldNano: number } }>("GET", `/api/explain/${callId}`);
  // 4 × USD 0.04, 1,000 tokens of output, and a few of input.
  expect(hold.heldNano).toBeGreaterThan(160_000_000 + 2_000_000);
  expect(hold.heldNano).toBeLessThan(160_000_000 + 2_000_000 + 100_000);
});

test("a budget that holds what is expected holds it for the dearest target of the alias, wherever it stands", async () => {
  setup.upstream.on("down", json(503, { error: { message: "down" } }));
  setup.upstream.on("plain", answers({ completionTokens: 10 }));
  for (const alias of ["plain-first", "dear-first"]) {
    const { id, key: other } = await gateway.createKey();
    const scope = { kind: "key", id };
    const { id: budget } = await gateway.admin<{ id: string }>("POST", "/api/budgets", {
      scope,
      usd: "0.18",
      window: "lifetime",
      admission: "expected",
    });
    const poor = await call(gateway, other, chat(alias));
    expect([alias, poor.status, errorOf(poor.text).code]).toEqual([alias, 402, "insufficient_quota"]);
    await gateway.admin("PATCH", `/api/budgets/${budget}`, { usd: "0.185" });
    const { callId, status } = await call(gateway, other, chat(alias));
    expect([alias, status]).toEqual([alias, 200]);
    const { hold } = await gateway.admin<{ hold: { heldNano: number } }>("GET", `/api/explain/${callId}`);
    expect([alias, hold.heldNano]).toEqual([alias, mostNano]);
    expect(allBudgets(gateway).find((row) => row.budget_id === budget)).toMatchObject({ held_nano: 0 });
  }
});

test("a price whose most is not said is refused, by the API and by the file", async () => {
  const unsaid = { target: "studio/x", input: 0, output: 0, second: 1 };
  await expect(gateway.admin("POST", "/api/prices", unsaid)).rejects.toThrow("most.second does not say");
  const absurd = { target: "studio/x", input: 0, output: 0, image: 1_000, most: { image: 1_001 } };
  await expect(gateway.admin("POST", "/api/prices", absurd)).rejects.toThrow("more than 1000000 USD for one call");
  const config = join(gateway.directory, "no-most.yaml");
  writeFileSync(config, `provider: { echo: {} }\nprices: [{ target: echo/*, ${prices} }]\n`);
  const { code, stderr, stdout } = await runCommand(gateway, ["check", "--config", config]);
  expect(code).toBe(1);
  expect(stderr + stdout).toContain("prices[0].image: has a price, and most.image does not say");
});

test("a call whose process died is charged its input, and none of the units that nobody knows it made", async () => {
  const answering = fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("studio/hangs-reading", { stream: true })),
  })
    .then((response) => response.text())
    .catch(() => "");
  const open = await until("the open call", () => allUsage(gateway).find(({ status }) => status === "open"));
  expect(allBudgets(gateway).reduce((sum, { held_nano }) => sum + held_nano, 0)).toBeGreaterThan(mostImagesNano);
  await gateway.kill();
  await answering;
  await gateway.start();
  const row = await until("its record", () => allUsage(gateway).find(({ call_id }) => call_id === open.call_id));
  const tokens = Number(row.input_tokens);
  expect(tokens).toBeGreaterThan(0);
  // The input and the fee of a call.
  const charge_nano = tokens * 1_000 + 1_000_000;
  expect(row).toMatchObject({ status: "interrupted", source: "estimated", output_tokens: 0, charge_nano });
  expect(allBudgets(gateway).every(({ held_nano }) => held_nano === 0)).toBe(true);
  const order = { from: 0, model: "studio/hangs-reading", reason: "to see", dryRun: true };
  expect(await gateway.admin("POST", "/api/ledger/reprice", order)).toMatchObject({ examined: 1, changed: 0 });
  expect((await runCommand(gateway, ["doctor", "--json"])).code).toBe(0);
});
