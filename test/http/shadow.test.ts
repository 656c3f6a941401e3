import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { api, joined } from "../audit/people.ts";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage, openCalls, type UsageRow } from "../support/rows.ts";
import { json, openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** A copy of a client's call for a second target: recorded apart, paid by who is named or nobody, and never in the way. */

/** First the name of an account at the top, then the path to one below. */
const payer = "Default/experiments";
const setup = await setUp({
  dialects: ["anthropic-messages"],
  key: { budget: { usd: 1, window: "lifetime" } },
  config: [
    "  - { target: mock/blind, input: 1, output: 2, lacks: [images] }",
    "models:",
    "  copied: { targets: [mock/main], shadow: { target: mock/copy, maxInFlight: 2 } }",
    `  paid: { targets: [mock/main], shadow: { target: mock/copy, account: ${payer}, drop: [user], defaults: { temperature: 0 } } }`,
    "  nobody: { targets: [mock/main], shadow: { target: mock/copy, account: not-there } }",
    "  never: { targets: [mock/main], shadow: { target: mock/copy, percent: 0 } }",
    "  other: { targets: [mock/main], shadow: { target: mock-anthropic-messages/other } }",
    "  blind: { targets: [mock/main], shadow: { target: mock/blind } }",
    "  outer: [copied]",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
/** A process was killed meanwhile. */
let killed = false;
afterEach(() => invariants(setup, { killed }));
afterAll(() => setup.stop());
for (const model of ["main", "copy", "blind"]) upstream.on(model, answers());
upstream.on("other", json(200, spokenWhole("anthropic-messages", { text: "Hello.", usage: { input: 7, output: 2 } })));

interface Row extends UsageRow {
  readonly principal: string;
}
const copies = (): readonly Row[] =>
  gateway.sql<Row>("select * from v_usage where principal = '(shadow)' order by call_id");
/** The copies that came since `before`, when no call is open. */
async function newCopies(before: readonly Row[], count: number): Promise<readonly Row[]> {
  await until(`${count} copies`, () => copies().length >= before.length + count && openCalls(gateway) === 0);
  return copies().slice(before.length);
}
async function dropped(): Promise<Readonly<Record<string, number>>> {
  const text = (await (await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` }))?.text()) ?? "";
  const found = text.matchAll(/^llm_proxy_shadow_calls_dropped_total\{reason="([a-z-]+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, reason = "", count]) => [reason, Number(count)]));
}

describe("a copy", () => {
  test("is the client's call at another target, with a row of its own that nobody pays for", async () => {
    const before = copies();
    const body = '{"n":1, "model":"copied" ,"messages":[{"role":"user","content":"12345678901234567890"}]}';
    const reply = await call(gateway, key.key, body);
    expect([reply.status, reply.headers.get("x-llm-proxy-model"), reply.headers.get("x-llm-proxy-attempts")]).toEqual([
      200,
      "main",
      "1",
    ]);
    const [row] = await newCopies(before, 1);
    expect(upstream.requestsFor("copy").at(-1)?.request.body.toString("utf8")).toBe(body.replace("copied", "copy"));
    expect(row).toMatchObject({
      account_id: "unpaid-shadows",
      key_id: null,
      model: "mock/copy",
      upstream_model: "copy",
      status: "ok",
      input_tokens: 11,
      cost_nano: 17_000,
      charge_nano: 0,
    });
    const usage = await gateway.admin<{ data: readonly object[] }>("GET", "/api/usage?groupBy=label:made");
    expect(usage.data).toContainEqual(expect.objectContaining({ "label:made": "shadow", calls: 1, costNano: 17_000 }));
    const { notes } = await gateway.admin<{ notes: object }>("GET", `/api/calls/${row?.call_id}`);
    expect(notes).toMatchObject({ shadowOf: reply.callId, isFree: true });
    const page = await gateway.get(`/v1/me/calls`, { authorization: `Bearer ${key.key}` });
    expect(await page?.text()).not.toContain("mock/copy");
    expect(gateway.sql("select spent_nano from v_budget")).toEqual([{ spent_nano: 17_000 }]);
  });

  test("stays free when calls are rated again", async () => {
    const order = { from: 0, to: 4_102_444_800_000, dryRun: true, reason: "to see" };
    const repriced = await gateway.admin("POST", "/api/ledger/reprice", order);
    expect(repriced).toMatchObject({ changed: 0, examined: allUsage(gateway).length });
  });

  test("of a stream is read to its end", async () => {
    const before = copies();
    const reply = await call(gateway, key.key, chat("copied", { stream: true }));
    expect([reply.complete, reply.text]).toEqual([true, expect.stringContaining("[DONE]")]);
    const [row] = await newCopies(before, 1);
    expect(row).toMatchObject({ status: "ok", input_tokens: 11, output_tokens: 3, charge_nano: 0 });
  });

  test("that hangs is in nobody's way, and no more are sent than may be on their way", async () => {
    const [before, droppedBefore] = [copies(), await dropped()];
    const release = gate();
    upstream.on("copy", async (exchange) => {
      await release.opened;
      await answers()(exchange);
    });
    for (let at = 0; at < 5; at++) expect((await call(gateway, key.key, chat("copied"))).status).toBe(200);
    await until("two hang", () => upstream.open === 2);
    expect((await dropped())["in-flight"]).toBe((droppedBefore["in-flight"] ?? 0) + 3);
    release.open();
    expect(await newCopies(before, 2)).toHaveLength(2);
    upstream.on("copy", answers());
  });

  test("that fails is asked once, and its failure is its own", async () => {
    const before = copies();
    const askedBefore = upstream.requestsFor("copy").length;
    for (const script of [json(503, { error: { message: "no" } }), (exchange: { reset(): void }) => exchange.reset()]) {
      const asked = upstream.requestsFor("copy").length;
      upstream.on("copy", script);
      expect((await call(gateway, key.key, chat("copied"))).status).toBe(200);
      await until("it has failed", () => upstream.requestsFor("copy").length === asked + 1);
    }
    const rows = await newCopies(before, 2);
    expect(rows.map(({ status, cost_nano }) => [status, cost_nano])).toEqual([
      ["upstream_error", 0],
      ["upstream_error", 0],
    ]);
    expect(upstream.requestsFor("copy").length).toBe(askedBefore + 2);
    upstream.on("copy", answers());
  });

  test("whose client has got no answer is not sent", async () => {
    const before = upstream.requestsFor("copy").length;
    upstream.on("main", json(400, { error: { message: "no", type: "invalid_request_error" } }));
    expect((await call(gateway, key.key, chat("copied"))).status).toBe(400);
    upstream.on("main", answers());
    expect((await call(gateway, key.key, chat("never"))).status).toBe(200);
    // An alias that leads through one with a shadow has none.
    expect((await call(gateway, key.key, chat("outer"))).status).toBe(200);
    expect(upstream.requestsFor("copy").length).toBe(before);
  });

  test("is translated for a target of another protocol", async () => {
    const before = copies();
    const reply = await ask(gateway, key.key, "openai-responses", { model: "other", stream: true });
    expect(reply.status).toBe(200);
    const [row] = await newCopies(before, 1);
    expect(row).toMatchObject({
      provider: "mock-anthropic-messages",
      dialect: "openai-responses",
      status: "ok",
      charge_nano: 0,
    });
  });

  test("goes to no target that the caller's account does not allow, or that is known not to carry it", async () => {
    const accounts = await gateway.admin<{ readonly id: string }>("POST", "/api/accounts", {
      name: "here",
      providers: ["mock"],
    });
    const held = await gateway.createKey({ accountId: accounts.id });
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
    const before = copies();
    expect((await call(gateway, held.key, chat("other"))).status).toBe(200);
    expect(
      (await call(gateway, key.key, { ...chat("blind"), messages: [{ role: "user", content: [image] }] })).status,
    ).toBe(200);
    expect((await call(gateway, key.key, chat("blind"))).status).toBe(200);
    expect((await newCopies(before, 1)).map(({ model }) => model)).toEqual(["mock/blind"]);
  });
});

describe("a copy that an account pays for", () => {
  test("counts on its budgets alone, with what the operator changes for the target", async () => {
    const before = copies();
    const { id } = await gateway.admin<{ readonly id: string }>("POST", "/api/accounts", { name: payer });
    const budget = await gateway.admin<{ readonly id: string }>("POST", "/api/budgets", {
      scope: { kind: "account", id },
      usd: "0.05",
      window: "lifetime",
    });
    const spent = () =>
      gateway.sql<{ budget_id: string; spent_nano: number }>("select budget_id, spent_nano from v_budget");
    const keyBefore = spent().find(({ budget_id }) => budget_id !== budget.id)?.spent_nano ?? 0;
    expect((await call(gateway, key.key, chat("paid", { user: "me" }))).status).toBe(200);
    const [row] = await newCopies(before, 1);
    expect(row).toMatchObject({ account_id: id, key_id: null, cost_nano: 17_000, charge_nano: 17_000 });
    expect(upstream.requestsFor("copy").at(-1)?.json).toMatchObject({ temperature: 0 });
    expect(upstream.requestsFor("copy").at(-1)?.json).not.toHaveProperty("user");
    expect(spent()).toContainEqual({ budget_id: budget.id, spent_nano: 17_000 });
    expect(spent()).toContainEqual({ budget_id: expect.any(String), spent_nano: keyBefore + 17_000 });
  });

  test("is not sent when they do not cover it, or there is no such account; the client does not notice", async () => {
    const before = upstream.requestsFor("copy").length;
    const droppedBefore = await dropped();
    const long = { messages: [{ role: "user", content: "x".repeat(60_000) }], max_tokens: 10 };
    expect((await call(gateway, key.key, { ...chat("paid"), ...long })).status).toBe(200);
    expect((await call(gateway, key.key, chat("nobody"))).status).toBe(200);
    // Too much to keep in memory for nobody who waits.
    const large = { messages: [{ role: "user", content: "x".repeat(1_100_000) }], max_tokens: 10 };
    expect((await call(gateway, (await gateway.createKey()).key, { ...chat("copied"), ...large })).status).toBe(200);
    expect((await dropped())["load"]).toBe((droppedBefore["load"] ?? 0) + 1);
    await until("both were dropped", async () => {
      const now = await dropped();
      return (
        now["refused"] === (droppedBefore["refused"] ?? 0) + 1 && now["account"] === (droppedBefore["account"] ?? 0) + 1
      );
    });
    expect(upstream.requestsFor("copy").length).toBe(before);
  });
});

test("people of an account see no copy that nobody pays for, and of their own not whose call it is of", async () => {
  const before = copies();
  expect(before.some(({ charge_nano }) => charge_nano === 0)).toBe(true);
  const accounts = (await gateway.admin<{ data: { id: string; name: string }[] }>("GET", "/api/accounts")).data;
  const paying = accounts.find(({ name }) => name === payer);
  const other = await gateway.admin<{ readonly id: string }>("POST", "/api/accounts", { name: "other" });
  const { token } = await joined(gateway, "viewer", "default");
  for (const path of ["calls", "usage?groupBy=model,label:made", "calls/export?format=csv", "accounts"]) {
    const { status, text } = await api(gateway, "GET", `/api/${path}`, { token });
    expect([path, status, /copy|shadow/i.test(text)]).toEqual([path, 200, false]);
  }
  expect((await api(gateway, "GET", `/api/calls/${before[0]?.call_id}`, { token })).status).toBe(404);
  await gateway.admin("PATCH", `/api/accounts/${paying?.id}`, { parentId: "default", name: "experiments" });
  const { key: others } = await gateway.createKey({ accountId: other.id });
  for (const caller of [others, key.key]) {
    const known = copies();
    const { callId } = await call(gateway, caller, chat("paid"));
    const [row] = await newCopies(known, 1);
    const seen = await api(gateway, "GET", `/api/calls/${row?.call_id}`, { token });
    expect([seen.status, seen.body.notes.shadowOf]).toEqual([200, caller === others ? undefined : callId]);
  }
  expect((await api(gateway, "DELETE", "/api/accounts/unpaid-shadows")).status).toBe(409);
});

test("a copy keeps the config that it began with while another one is loaded", async () => {
  const before = copies();
  const release = gate();
  upstream.on("copy", async (exchange) => {
    await release.opened;
    await answers()(exchange);
  });
  const asked = upstream.requestsFor("copy").length;
  expect((await call(gateway, key.key, chat("copied"))).status).toBe(200);
  await until("it hangs", () => upstream.requestsFor("copy").length === asked + 1);
  await gateway.admin("POST", "/api/config/reload");
  release.open();
  expect(await newCopies(before, 1)).toMatchObject([{ status: "ok", charge_nano: 0 }]);
  upstream.on("copy", answers());
  expect((await call(gateway, key.key, chat("copied"))).status).toBe(200);
  await newCopies(before, 2);
});

test("a copy that dies with the process is nobody's debt either", async () => {
  const before = copies();
  upstream.on("copy", (exchange) => exchange.over);
  const asked = upstream.requestsFor("copy").length;
  expect((await call(gateway, key.key, chat("copied"))).status).toBe(200);
  await until("it hangs", () => upstream.requestsFor("copy").length === asked + 1);
  await gateway.kill();
  killed = true;
  await gateway.start();
  const [row] = await newCopies(before, 1);
  expect(row).toMatchObject({ status: "interrupted", cost_nano: null, charge_nano: null, key_id: null });
});

test("copies are cut at once when the process drains, and recorded", async () => {
  upstream.on("copy", async (exchange) => {
    await openStream(exchange);
    await exchange.over;
  });
  const asked = upstream.requestsFor("copy").length;
  expect((await call(gateway, key.key, chat("copied", { stream: true }))).status).toBe(200);
  await until("it flows", () => upstream.requestsFor("copy").length === asked + 1);
  const startedMs = performance.now();
  expect(await gateway.stop()).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  await gateway.start();
  expect(copies().at(-1)).toMatchObject({ status: "shutdown", charge_nano: 0 });
});

test("the list of models tells of it", async () => {
  const { data } = await gateway.admin<{ data: readonly object[] }>("GET", "/api/models?search=paid&kind=alias");
  const shadow = {
    target: "mock/copy",
    percent: 100,
    maxInFlight: 10,
    account: payer,
    drop: ["user"],
    defaults: { temperature: 0 },
  };
  expect(data).toMatchObject([{ id: "paid", shadow }]);
  const route = await gateway.admin("GET", "/api/models/paid/route");
  expect(route).toMatchObject({
    shadow: { percent: 100, leadsTo: { provider: "mock", model: "copy", costNano: 2_000_000 } },
  });
});

test("every row is somebody's", () => {
  expect(allUsage(gateway).filter(({ key_id }) => key_id === null).length).toBe(copies().length);
});
