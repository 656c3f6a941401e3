import { afterAll, afterEach, expect, test } from "bun:test";
import { form } from "../audit/people.ts";
import { chat } from "../support/clients.ts";
import { requestOf } from "../support/dialect-calls.ts";
import { Connection } from "../support/connection.ts";
import { invariants } from "../support/invariants.ts";
import { answers, chunk, frame, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { sendRaw } from "../support/raw.ts";
import { allBudgets, allUsage, openCalls, type UsageRow } from "../support/rows.ts";
import { hang, json, openStream, sse, stalled, taken } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole } from "../support/spoken.ts";
import type { Exchange } from "../support/upstream.ts";

/** Clients that vanish: the record stays, the money is what was really used, and the upstream is let go. */
const drainMs = 700;
const dialects = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const;
const setup = await setUp({
  dialects,
  config: `server: { disconnect: { drainMs: ${drainMs} } }`,
  key: { name: "leaving", budget: { usd: 1000, window: "lifetime" } },
});
afterEach(async () => {
  await invariants(setup);
  expect(allBudgets(setup.gateway)).toMatchObject([{ held_nano: 0 }]);
});
afterAll(() => setup.stop());

/** Sends a call and resets the connection when `leaveWhen` says so. */
async function leave(model: string, leaveWhen: (received: string) => boolean, stream = true): Promise<void> {
  const body = JSON.stringify(chat(`mock/${model}`, { stream, max_completion_tokens: 500 }));
  await sendRaw(setup.gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
    body,
    leaveWhen,
  });
}

async function finalRow(model: string): Promise<UsageRow> {
  await until(`the final record of ${model}`, () => openCalls(setup.gateway) === 0, { deadlineMs: drainMs + 5_000 });
  const row = allUsage(setup.gateway).find((each) => each.model === `mock/${model}`);
  if (!row) throw new Error(`no record of ${model}`);
  return row;
}

test("in a stream whose usage still comes: drained, and billed as reported", async () => {
  const released = gate();
  setup.upstream.on("drain", (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const all = frames(
      id,
      { text: "one two three four five", promptTokens: 30, completionTokens: 9 },
      wantsUsage(exchange),
    );
    return stalled(all.slice(0, 3).join(""), released.opened, all.slice(3).join(""))(exchange);
  });
  await leave("drain", (received) => received.includes("one"));
  await taken();
  released.open();
  expect(await finalRow("drain")).toMatchObject({
    status: "client_aborted",
    source: "drained",
    input_tokens: 30,
    output_tokens: 9,
    cost_nano: 48_000,
  });
  expect(setup.upstream.requestsFor("drain")[0]?.finished).toBe(true);
});

test("in a stream that never ends: the upstream is let go after the drain time, and what came is estimated", async () => {
  setup.upstream.on("endless", (exchange) => endless(exchange));
  const started = performance.now();
  await leave("endless", (received) => received.includes("word9"));
  const row = await finalRow("endless");
  expect(performance.now() - started).toBeLessThan(drainMs + 3_000);
  expect(row).toMatchObject({ status: "client_aborted", source: "estimated" });
  expect(row.output_tokens).toBeGreaterThan(0);
  // Never above the hold, whose cap the call named.
  expect(row.output_tokens).toBeLessThanOrEqual(500);
  await setup.upstream.requestsFor("endless")[0]?.over;
  expect(setup.upstream.requestsFor("endless")[0]?.abandoned).toBe(true);
});

/** Sends a word whenever the one before was taken, until the connection is gone. */
async function endless(exchange: Exchange): Promise<void> {
  const id = (exchange.upstreamId = newUpstreamId());
  const stream = await openStream(exchange);
  let gone = false;
  void exchange.over.then(() => (gone = true));
  let word = 0;
  await until(
    "the proxy to leave",
    async () => {
      await stream.send(frame(chunk(id, [{ index: 0, delta: { content: `word${word++} ` }, finish_reason: null }])));
      return gone;
    },
    { everyMs: 5, deadlineMs: 20_000 },
  );
}

for (const stream of [true, false]) {
  test(`while a ${stream ? "stream" : "unary call"} waits for its first byte`, async () => {
    const model = `wait-${stream}`;
    setup.upstream.on(model, hang);
    const abort = new AbortController();
    const body = JSON.stringify(chat(`mock/${model}`, { stream, max_completion_tokens: 500 }));
    const asked = fetch(`${setup.gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
      body,
      signal: abort.signal,
    }).catch(() => null);
    await until("the request upstream", () => setup.upstream.requestsFor(model).length === 1);
    const leftMs = performance.now();
    abort.abort();
    await asked;
    expect((await finalRow(model)).status).toBe("client_aborted");
    await setup.upstream.requestsFor(model)[0]?.over;
    expect(setup.upstream.requestsFor(model)[0]?.abandoned).toBe(true);
    expect(performance.now() - leftMs).toBeLessThan(drainMs + 1_500);
  });
}

test("in the middle of an answer of whichever route: the same process, and no error that nobody handles", async () => {
  const { gateway, upstream, key } = setup;
  const random = seeded("aborts of all routes");
  const { pid } = gateway;
  const { cookie } = await form(gateway, "/dashboard/login", { token: gateway.adminToken });
  const turn = { text: "a bb ccc dddd eeeee ffffff ggggggg", usage: { input: 20, output: 7 } };
  for (const dialect of dialects)
    upstream.on(`any-${dialect}`, async (exchange) => {
      const isStream = exchange.request.body.includes('"stream":true') || exchange.request.start.includes("stream");
      await (isStream ? sse(spokenStream(dialect, turn)) : json(200, spokenWhole(dialect, turn)))(exchange);
    });
  const asks = dialects.flatMap((dialect) =>
    [true, false].map((stream) => requestOf(dialect, { model: `mock-${dialect}/any-${dialect}`, stream })),
  );
  const gets = {
    [`Bearer ${key.key}`]: ["/v1/models", "/v1/me", "/v1/me/usage", "/v1/me/calls"],
    [`Bearer ${gateway.adminToken}`]: `/api/calls /api/usage /api/keys /api/ledger /api/audit /api/providers/health
      /api/calls/export /api/ledger/export /api/usage/export /metrics /openapi.json`.split(/\s+/),
    "": `/healthz /readyz /dashboard/login /dashboard /dashboard/calls /dashboard/usage /dashboard/keys /dashboard/ledger
      /dashboard/audit /dashboard/assets/htmx.js /nothing`.split(/\s+/),
  };
  const requests = [
    ...asks.map(({ path, body }) => ({ path, body: JSON.stringify(body), authorization: `Bearer ${key.key}` })),
    ...Object.entries(gets).flatMap(([authorization, paths]) =>
      paths.map((path) => ({ path, method: "GET", authorization })),
    ),
  ];
  await eachOf(
    requests.flatMap((request) => Array.from({ length: 8 }, () => ({ ...request, bytes: random.below(3_000) }))),
    16,
    async ({ authorization, bytes, ...request }) => {
      const credential = authorization === "" ? { cookie: cookie ?? "" } : { authorization };
      await sendRaw(gateway.url, {
        ...request,
        headers: { ...credential, "content-type": "application/json" },
        leaveWhen: (received) => received.length >= bytes,
      });
    },
  );
  await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0);
  expect(gateway.pid).toBe(pid);
  expect(gateway.log()).not.toContain("that nobody");
});

test("in the middle of a body, of whichever route: the client's fault, and no error of ours in the log", async () => {
  const { gateway, key } = setup;
  const jsonType = "application/json";
  const routes = [
    ...dialects
      .map((dialect) => requestOf(dialect, { model: "mock/any" }).path)
      .map((path) => [path, jsonType, key.key]),
    ...["/api/keys", "/api/accounts", "/api/prices", "/api/config/check"].map((path) => [
      path,
      jsonType,
      gateway.adminToken,
    ]),
    ["/dashboard/login", "application/x-www-form-urlencoded", "nobody"],
  ] as const;
  const connections = routes.flatMap(([path, type, credential]) =>
    ["content-length: 1000", "transfer-encoding: chunked"].map((framing) => {
      const connection = new Connection(gateway.url);
      connection.send(
        `POST ${path} HTTP/1.1\r\nhost: ${new URL(gateway.url).host}\r\norigin: ${gateway.url}\r\nauthorization: Bearer ${credential}\r\ncontent-type: ${type}\r\n${framing}\r\n\r\n2\r\n{"`,
      );
      connection.socket.end();
      return connection;
    }),
  );
  await until("all are closed", () => connections.every(({ closedMs }) => closedMs !== null));
  expect((await gateway.get("/readyz"))?.status).toBe(200);
  expect(gateway.log()).not.toMatch(/"level":"error"/);
});

test("400 at random moments: a final record each, nothing open, nothing held, the same process", async () => {
  const random = seeded("client aborts");
  const pid = setup.gateway.pid;
  setup.upstream.on(
    "storm",
    answers({ text: "a bb ccc dddd eeeee ffffff ggggggg", promptTokens: 20, completionTokens: 7 }),
  );
  const before = allUsage(setup.gateway).length;
  const most = 2_400;
  await eachOf(
    Array.from({ length: 400 }, () => random.below(most)),
    40,
    (bytes) => leave("storm", (received) => received.length >= bytes, bytes % 3 > 0),
  );
  await until(
    "400 final records",
    () => openCalls(setup.gateway) === 0 && allUsage(setup.gateway).length === before + 400,
    { deadlineMs: 20_000 },
  );
  const rows = allUsage(setup.gateway).filter((row) => row.model === "mock/storm");
  for (const row of rows)
    expect(row).toMatchObject({
      status: expect.stringMatching(/^(ok|client_aborted)$/),
      input_tokens: 20,
      output_tokens: 7,
    });
  expect(setup.gateway.pid).toBe(pid);
}, 40_000);
