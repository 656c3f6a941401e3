import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { freePort } from "../support/process.ts";
import { usageOf } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Providers that no connection comes about with, one that closes its idle ones, and what retries cost them all. */

const sockets = new Set<Socket>();
const servers: Server[] = [];
async function listening(greet: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    greet(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}
const garbage = await listening((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
const mute = await listening(() => {});

const connectMs = 500;
const addresses = {
  nowhere: "http://nowhere.invalid/v1",
  garbage: `https://127.0.0.1:${garbage}/v1`,
  mute: `https://127.0.0.1:${mute}/v1`,
  refused: `http://127.0.0.1:${await freePort()}/v1`,
};
const names = Object.keys(addresses);
const whys: Readonly<Record<string, object>> = {
  nowhere: { code: "ENOTFOUND" },
  garbage: { code: "EPROTO" },
  mute: { name: "ConnectTimeoutError" },
  refused: { code: "ECONNREFUSED" },
};
const setup = await setUp({
  dialects: ["openai-chat", "anthropic-messages"],
  providers: Object.entries(addresses)
    .map(([name, url]) => `  ${name}: { use: openai-compatible, baseUrl: "${url}" }`)
    .join("\n"),
  config: [
    ...names.map((name) => `  - { target: ${name}/*, input: 1, output: 2 }`),
    "models:",
    ...names.map((name) => `  past-${name}: [${name}/any, mock/well]`),
    "  past-inband: [mock-anthropic-messages/inband, mock/well]",
    "  failing: [mock/bad, mock-openai-chat/bad, mock-anthropic-messages/bad]",
    "server:",
    `  timeouts: { connectMs: ${connectMs} }`,
    "  attempts: { max: 4, backoffMs: 5, maxWaitMs: 50 }",
    "  breaker: { enabled: false }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(async () => {
  await setup.stop();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});
upstream.on("well", answers());

describe.each(names)("%s", (name) => {
  test("is 502 or 504 within the time for connecting, of each attempt, and tells nothing of the address", async () => {
    const startMs = performance.now();
    const reply = await call(gateway, key.key, chat(`${name}/any`));
    expect(performance.now() - startMs).toBeLessThan(4 * (connectMs + 50) + 1_500);
    expect([502, 504]).toContain(reply.status);
    expect(errorOf(reply.text).message).not.toMatch(/127\.0\.0\.1|invalid|http|ssl|tls|ECONN|ENOT/i);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
    // The operator is told.
    const line = () => gateway.log().match(new RegExp(`^.*${reply.callId}.*a provider was not reached.*$`, "m"))?.[0];
    await until("the line of the log", line);
    expect(JSON.parse(line() ?? "")).toMatchObject({ level: "warn", provider: name, error: whys[name] });
  });

  test("is passed by for the next target", async () => {
    const reply = await call(gateway, key.key, chat(`past-${name}`, { stream: true }));
    expect([reply.status, reply.headers.get("x-llm-proxy-provider")]).toEqual([200, "mock"]);
    expect(reply.text).toContain("[DONE]");
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", provider: "mock", source: "provider" });
    expect(gateway.sql("select provider, billed from v_attempts where call_id = ? order by n", reply.callId)).toEqual([
      { provider: name, billed: 0 },
      { provider: "mock", billed: 1 },
    ]);
  });
});

test("a provider whose first event is an error is passed by too, and costs nothing", async () => {
  const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
  upstream.on("inband", sse(`event: error\ndata: ${JSON.stringify(overloaded)}\n\n`));
  const reply = await call(gateway, key.key, chat("past-inband", { stream: true }));
  expect([reply.status, reply.headers.get("x-llm-proxy-provider")]).toEqual([200, "mock"]);
  expect(reply.text).toContain("[DONE]");
  expect(reply.text).not.toContain("verloaded");
  const attempts = gateway.sql("select provider, billed from v_attempts where call_id = ? order by n", reply.callId);
  expect(attempts).toEqual([
    { provider: "mock-anthropic-messages", billed: 0 },
    { provider: "mock", billed: 1 },
  ]);
});

test("a connection that the provider closes while it is idle costs no call, and no call is sent twice", async () => {
  upstream.on("closes", async (exchange) => {
    await answers()(exchange);
    exchange.close();
  });
  const replies = [];
  for (let at = 0; at < 30; at++) replies.push(await call(gateway, key.key, chat("mock/closes")));
  // One that is closed just as the next request goes out may fail it: at most that one, and never silently again.
  const failed = replies.filter(({ status }) => status !== 200);
  expect(failed.length).toBeLessThanOrEqual(3);
  for (const { status } of failed) expect(status).toBe(502);
  expect(upstream.requestsFor("closes").length).toBeLessThanOrEqual(replies.length);
});

test("a flood of failures: no call has more attempts than it may, and retries stay within their share", async () => {
  upstream.on("bad", json(500, { error: { message: "no" } }));
  const calls = 600;
  const startMs = performance.now();
  const attempts: number[] = [];
  let next = 0;
  const lane = async () => {
    for (; next < calls;) {
      next += 1;
      const { headers, status } = await call(gateway, key.key, chat("failing"));
      expect(status).toBe(502);
      attempts.push(Number(headers.get("x-llm-proxy-attempts")));
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  const seconds = (performance.now() - startMs) / 1_000;
  expect(Math.max(...attempts)).toBe(4);
  const sent = upstream.requestsFor("bad").length;
  expect(sent).toBe(attempts.reduce((sum, each) => sum + each, 0));
  // Each target once is falling back; beyond that, a fifth of the calls, what was saved up before, and one a second.
  const retries = sent - 3 * calls;
  console.log(`${calls} calls in ${seconds.toFixed(1)} s: ${sent} requests, of which ${retries} are retries`);
  expect(retries).toBeLessThanOrEqual(0.2 * calls + 100 + seconds + 1);
  await until("all of them are over", () => upstream.open === 0);
}, 60_000);
