import { afterAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { call, chat } from "../support/clients.ts";
import { type Exposition, parseExposition, total } from "../support/exposition.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import type { Gateway } from "../support/process.ts";
import { seeded } from "../support/random.ts";
import { allUsage, type UsageRow } from "../support/rows.ts";
import { json, reset, stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Ends a label, and one of its own begins behind it. A name with a line break too is refused before it gets anywhere. */
const hostile = 'a"} 1 \\ fake{b="';
const broken = 'a"} 1\nfake 9';
const setup = await setUp({
  mock: `    models: [m-0, m-1, m-2, bad, gone, held, ${JSON.stringify(hostile)}]`,
  config: "models: { secret-alias: [mock/bad, mock/m-1] }\nobserver: { log: {}, prometheus: {} }",
});
const { gateway, upstream } = setup;
afterAll(() => setup.stop());

const asAdmin = { authorization: `Bearer ${gateway.adminToken}` };
async function scrape(of: Gateway = gateway): Promise<Exposition & { readonly text: string; readonly tookMs: number }> {
  const startedMs = performance.now();
  const response = await fetch(`${of.url}/metrics`, { headers: { authorization: `Bearer ${of.adminToken}` } });
  const text = await response.text();
  const tookMs = performance.now() - startedMs;
  if (response.status !== 200) throw new Error(`/metrics: ${response.status} ${text}`);
  return { ...parseExposition(text), text, tookMs };
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
const seriesOf = ({ samples }: Exposition): number => samples.length;

describe("the metrics of a mixed load", () => {
  const random = seeded("metrics");
  for (let model = 0; model < 3; model++)
    upstream.on(`m-${model}`, (exchange) => {
      const [prompt, output] = [1 + random.below(500), random.below(90)];
      const usage = {
        prompt_tokens: prompt,
        completion_tokens: output,
        total_tokens: prompt + output,
        prompt_tokens_details: { cached_tokens: Math.floor(prompt / 3) },
        completion_tokens_details: { reasoning_tokens: Math.floor(output / 2) },
      };
      return answers({ usage })(exchange);
    });
  upstream.on("bad", json(500, { error: { message: "x" } }));
  upstream.on("gone", reset);
  upstream.on(hostile, answers());

  const asked = [
    "mock/m-0",
    "m-1",
    "mock/m-2",
    "echo",
    "secret-alias",
    "mock/bad",
    "mock/gone",
    "mock/not-there",
    "nowhere/at-all",
    `mock/${broken}`,
    `mock/${hostile}`,
    `mock/other ${hostile}`,
  ];

  // Fewer refusals than 60 a minute and key: beyond that they have no rows.
  test("are the rows of v_usage: calls, tokens, cost and charge, in all and by provider and model", async () => {
    const poor = await gateway.createKey({ name: "key-label", budget: { usd: "0.000001", window: "day" } });
    const narrow = await gateway.createKey({ name: "narrow", models: ["echo"] });
    const before = await scrape();
    const earlier = allUsage(gateway).length;
    await eachOf(upTo(360), 16, async (index) => {
      const key = index % 12 === 5 ? poor.key : index % 12 === 7 ? narrow.key : setup.key.key;
      const model = asked[(index * 5 + Math.floor(index / 12)) % asked.length] ?? "";
      // The poor key always asks for what costs something.
      const body = chat(key === poor.key ? "mock/m-0" : model, { stream: index % 3 === 0 });
      await call(gateway, index % 40 === 39 ? "sk-nobody" : key, body);
    });
    await invariants(setup);
    const rows = allUsage(gateway).slice(earlier);
    const after = await scrape();
    const grown = (name: string, labels: Readonly<Record<string, string | undefined>> = {}) =>
      total(after, `llm_proxy_${name}_total`, labels) - total(before, `llm_proxy_${name}_total`, labels);

    expect(rows.length).toBe(351);
    expect(grown("strangers", { error: "unauthenticated" })).toBe(9n);
    const compare = (part: readonly UsageRow[], labels: Readonly<Record<string, string>>) => {
      const sum = (
        field:
          "input_tokens" | "output_tokens" | "cache_read_tokens" | "reasoning_tokens" | "cost_nano" | "charge_nano",
      ) => part.reduce((all, row) => all + BigInt(row[field] ?? 0), 0n);
      expect({
        labels,
        calls: grown("calls", labels),
        input: grown("input_tokens", labels),
        output: grown("output_tokens", labels),
        cacheRead: grown("cache_read_tokens", labels),
        reasoning: grown("reasoning_tokens", labels),
        cost: grown("cost_nano_usd", labels),
        charge: grown("charge_nano_usd", labels),
      }).toEqual({
        labels,
        calls: BigInt(part.length),
        input: sum("input_tokens"),
        output: sum("output_tokens"),
        cacheRead: sum("cache_read_tokens"),
        reasoning: sum("reasoning_tokens"),
        cost: sum("cost_nano"),
        charge: sum("charge_nano"),
      });
    };
    compare(rows, {});
    for (const provider of ["mock", "echo"]) {
      const part = rows.filter((row) => row.provider === provider);
      expect(part.length).toBeGreaterThan(0);
      compare(part, { provider });
    }
    for (const model of ["m-0", "m-1", "m-2", "bad", "gone", hostile]) {
      const part = rows.filter((row) => row.provider === "mock" && row.upstream_model === model);
      expect(part.length).toBeGreaterThan(0);
      compare(part, { provider: "mock", model });
    }
    for (const status of new Set(rows.map((row) => row.status)))
      expect([status, grown("calls", { status })]).toEqual([
        status,
        BigInt(rows.filter((row) => row.status === status).length),
      ]);
    for (const error of ["model-not-found", "insufficient-quota", "forbidden"])
      expect([error, grown("calls", { status: "refused", error }) > 0n]).toEqual([error, true]);
    const admitted = rows.filter((row) => row.status !== "refused");
    expect(grown("usage_sources")).toBe(BigInt(admitted.length));
    const durations = (of: Exposition) => total(of, "llm_proxy_call_duration_seconds_count");
    expect(durations(after) - durations(before)).toBe(BigInt(admitted.length));
    expect(grown("upstream_attempts", { provider: "mock" })).toBe(BigInt(upstream.log.length));
  }, 60_000);

  test("name no key, alias, account or prompt, and no model of a client's invention", async () => {
    const { text, samples } = await scrape();
    for (const word of [
      "secret-alias",
      "key-label",
      "nowhere",
      "not-there",
      "Say hello",
      setup.key.key,
      setup.key.id,
      "default",
    ])
      expect([word, text.includes(word)]).toEqual([word, false]);
    for (const secret of gateway.secrets) expect(text).not.toContain(secret);
    expect(samples.map(({ name }) => name)).not.toContain("fake");
    const models = new Set(samples.map(({ labels }) => labels.model).filter((model) => model !== undefined));
    expect([...models].toSorted()).toEqual([hostile, "bad", "echo", "gone", "m-0", "m-1", "m-2", "other"].toSorted());
  });
});

test("10,000 models that do not exist make no series of their own", async () => {
  await call(gateway, setup.key.key, chat("mock/none"));
  await call(gateway, setup.key.key, chat("none"));
  const before = await scrape();
  await eachOf(upTo(10_000), 64, async (index) => {
    await call(gateway, setup.key.key, chat(index % 20 === 0 ? `mock/made-up-${index}` : `made-up-${index}`));
  });
  const after = await scrape();
  expect(after.text).not.toContain("made-up");
  expect(seriesOf(after) - seriesOf(before)).toBe(0);
  expect(
    total(after, "llm_proxy_calls_total", { model: "other" }) -
      total(before, "llm_proxy_calls_total", { model: "other" }),
  ).toBe(10_000n);
}, 120_000);

test("a scrape while 1,000 streams are open counts them, what they hold, and goes back to nothing", async () => {
  const released = gate();
  const [first = "", ...rest] = frames("held", {}, true);
  upstream.on("held", stalled(first, released.opened, rest.join("")));
  const { key } = await gateway.createKey({ name: "holder", budget: { usd: 1_000, window: "month" } });
  const sockets = Array.from({ length: 1_000 }, () => openStream(gateway, key, "held"));
  try {
    await until("1,000 open streams", async () => total(await scrape(), "llm_proxy_open_streams") === 1_000n, {
      deadlineMs: 60_000,
      everyMs: 100,
    });
    const open = await scrape();
    expect(total(open, "llm_proxy_open_calls")).toBe(1_000n);
    expect(total(open, "llm_proxy_drains")).toBe(0n);
    const [held] = gateway.sql<{ nano: number }>("select sum(held_nano) as nano from v_budget");
    expect(total(open, "llm_proxy_held_nano_usd")).toBe(BigInt(held?.nano ?? 0));
    expect(held?.nano).toBeGreaterThan(0);
    expect(total(open, "process_open_fds")).toBeGreaterThan(1_000n);
    console.log(`a scrape beside 1,000 open streams: ${open.tookMs.toFixed(1)} ms, ${seriesOf(open)} samples`);
  } finally {
    released.open();
  }
  await until("no open stream", async () => total(await scrape(), "llm_proxy_open_calls") === 0n, {
    deadlineMs: 60_000,
  });
  expect(total(await scrape(), "llm_proxy_held_nano_usd")).toBe(0n);
  for (const socket of sockets) socket.destroy();
}, 150_000);

describe("/metrics is for", () => {
  test("the admin token and a session; not for nobody, a client's key or a wrong session", async () => {
    const statusOf = async (headers: Record<string, string>) => (await gateway.get("/metrics", headers))?.status;
    expect(await statusOf({})).toBe(401);
    expect(await statusOf({ authorization: `Bearer ${setup.key.key}` })).toBe(401);
    expect(await statusOf({ "x-api-key": setup.key.key })).toBe(401);
    expect(await statusOf({ cookie: "__Host-llmp=nothing; llmp=nothing" })).toBe(401);
    expect(await statusOf(asAdmin)).toBe(200);
    const login = await fetch(`${gateway.url}/dashboard/login`, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams({ token: gateway.adminToken }),
    });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    expect(cookie).toContain("llmp=");
    expect(await statusOf({ cookie })).toBe(200);
  });

  test("everybody, once the file says so, but without the version; and it works with no observer at all", async () => {
    const open = await setUp({ config: "observer: { scrape: { use: prometheus, public: true } }" });
    const bare = await setUp({ config: "observer: {}" });
    try {
      const text = await (await fetch(`${open.gateway.url}/metrics`)).text();
      expect(parseExposition(text).types.get("llm_proxy_calls_total")).toBe("counter");
      expect(text).not.toContain("llm_proxy_build_info");
      expect((await bare.gateway.get("/metrics"))?.status).toBe(401);
      const { types, comments } = await scrape(bare.gateway);
      expect([types.has("llm_proxy_ready"), types.has("llm_proxy_calls_total")]).toEqual([true, false]);
      expect(comments).toEqual([expect.stringContaining("no prometheus")]);
    } finally {
      await open.stop();
      await bare.stop();
    }
  });
});

/** Raw, because the runtime that runs the tests has a cap on requests at once. */
function openStream({ url }: Gateway, key: string, model: string): Socket {
  const { hostname, port, host } = new URL(url);
  const body = JSON.stringify(chat(model, { stream: true, max_completion_tokens: 10 }));
  const socket = connect(Number(port), hostname);
  // What arrives is of no interest, but must be read.
  socket.on("data", () => {});
  socket.on("error", () => {});
  socket.write(
    [
      "POST /v1/chat/completions HTTP/1.1",
      `host: ${host}`,
      `authorization: Bearer ${key}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
  return socket;
}
