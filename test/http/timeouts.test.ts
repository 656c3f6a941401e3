import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { freePort } from "../support/process.ts";
import { usageOf } from "../support/rows.ts";
import { hang, openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Exchange, Script } from "../support/upstream.ts";

/** How long is waited for a provider: in all, for one of them, for a model, and as the caller says. */

const full = await freePort();
const setup = await setUp({
  dialects: ["openai-chat"],
  providers: `  full: { use: openai-compatible, baseUrl: "http://127.0.0.1:${full}/v1" }`,
  config: [
    "  - { target: full/*, input: 1, output: 2 }",
    "models: { brief: [mock/hangs], falls: [mock/short-hang, mock-openai-chat/hangs, mock/well] }",
    "server:",
    "  attempts: { totalMs: 1100, max: 3, backoffMs: 1 }",
    "  timeouts:",
    "    firstByteMs: 20000",
    "    providers: { mock-openai-chat: { firstByteMs: 300 }, full: { connectMs: 200 } }",
    "    models:",
    "      brief: { firstByteMs: 250 }",
    "      mock/short*: { firstByteMs: 200 }",
    "      mock/short-idle: { idleMs: 1000 }",
    "      mock/short-total: { totalMs: 1000 }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

/** Words for ever, 20 ms apart. */
const drips: Script = async (exchange) => {
  exchange.upstreamId = newUpstreamId();
  const all = frames(exchange.upstreamId, { text: "some more words" });
  const stream = await openStream(exchange);
  await stream.send(all.slice(0, 3).join(""));
  while (!exchange.abandoned) {
    await Promise.race([exchange.over, new Promise((resolve) => setTimeout(resolve, 20))]);
    if (!exchange.abandoned) await stream.send(all[2] ?? "");
  }
};
/** A few words, then nothing. */
const stalls: Script = async (exchange) => {
  exchange.upstreamId = newUpstreamId();
  const stream = await openStream(exchange);
  await stream.send(frames(exchange.upstreamId).slice(0, 2).join(""));
  await exchange.over;
};
for (const model of ["hangs", "short-hang"]) upstream.on(model, hang);
upstream.on("well", answers());
for (const model of ["drips", "short-total"]) upstream.on(model, drips);
for (const model of ["stalls", "short-idle"]) upstream.on(model, stalls);

type Asked = Reply & { readonly tookMs: number };
async function ask(model: string, timeouts?: string, more: object = {}): Promise<Asked> {
  const startedMs = performance.now();
  const headers = timeouts === undefined ? {} : { "x-llm-proxy-timeouts": timeouts };
  const reply = await call(gateway, key.key, chat(model, { max_tokens: 500, ...more }), { headers });
  return { ...reply, tookMs: performance.now() - startedMs };
}
const rowOf = ({ callId }: Reply) => usageOf(gateway, callId);
const stream = { stream: true };
const failedFree = { status: "upstream_error", source: "none", cost_nano: 0 };
const last = (model: string): Exchange | undefined => upstream.requestsFor(model).at(-1);

describe("the first byte", () => {
  for (const [model, ms] of [
    ["mock-openai-chat/hangs", 300],
    ["mock/short-hang", 200],
    ["brief", 250],
  ] as const)
    test(`of ${model} is waited for ${ms} ms`, async () => {
      const reply = await ask(model);
      expect(reply.status).toBe(504);
      expect(errorOf(reply.text).message).toContain(`for ${ms} ms`);
      expect(reply.tookMs).toBeGreaterThanOrEqual(ms - 5);
      expect(rowOf(reply)).toMatchObject(failedFree);
    });

  test("that does not come sends the call on, each target with its own time", async () => {
    const reply = await ask("falls");
    expect([reply.status, reply.headers.get("x-llm-proxy-attempts")]).toEqual([200, "3"]);
    expect(reply.tookMs).toBeGreaterThanOrEqual(490);
    expect(rowOf(reply)).toMatchObject({ status: "ok", upstream_model: "well" });
  });

  test("is not waited for beyond the time of all attempts, which cuts one that hangs", async () => {
    const reply = await ask("mock/hangs", undefined, stream);
    expect(reply.status).toBe(504);
    expect(errorOf(reply.text).message).toContain("within 1100 ms");
    expect(reply.tookMs).toBeGreaterThanOrEqual(1_095);
    expect(reply.tookMs).toBeLessThan(6_000);
    await last("hangs")?.over;
    expect(last("hangs")?.abandoned).toBe(true);
    expect(rowOf(reply)).toMatchObject(failedFree);
  });
});

test("a stream that falls silent, or does not end, ends with an error; what was delivered is charged, unless the provider failed", async () => {
  const cases = [
    ["mock/short-idle", undefined, "sent nothing for 1000 ms", { status: "upstream_error", source: "none" }],
    ["mock/short-total", undefined, "did not end within 1000 ms", { status: "upstream_error", source: "estimated" }],
    ["mock/stalls", "idle=1000", "no more than 1000 ms", { status: "client_aborted", source: "estimated" }],
    ["mock/drips", "total=1200", "no more than 1200 ms", { status: "client_aborted", source: "estimated" }],
  ] as const;
  const replies = cases.map(async ([model, timeouts, words, record]) => {
    const reply = await ask(model, timeouts, stream);
    expect(reply.text).toContain(words);
    expect(reply.text).not.toContain("[DONE]");
    expect(reply.tookMs).toBeWithin(995, 3_000);
    await last(model.slice(5))?.over;
    const row = rowOf(reply);
    expect(row).toMatchObject(record);
    expect((row.cost_nano ?? 0) > 0).toBe(record.source === "estimated");
  });
  await Promise.all(replies);
});

describe("no connection", () => {
  let server: ChildProcess | null = null;
  const waiting: Socket[] = [];
  /** Of connections that nobody has accepted yet; Bun's, whatever is asked. */
  const queue = 512;
  afterAll(() => {
    for (const socket of waiting) socket.destroy();
    server?.kill("SIGKILL");
  });

  test("is waited for as long as the provider's own time says, or less where the caller says so", async () => {
    const listen = `require("node:net").createServer().listen(${full}, "127.0.0.1", () => console.log("up"))`;
    server = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
    await once(server.stdout ?? server, "data");
    // It accepts nothing any more, and the kernel drops what its queue has no place for: as an address that is not there.
    server.kill("SIGSTOP");
    let connected = 0;
    for (let at = 0; at < queue + 20; at++)
      waiting.push(connect({ port: full, host: "127.0.0.1" }, () => void connected++).on("error", () => {}));
    await until("the queue is full", () => connected > queue);
    for (const [timeouts, ms] of [
      [undefined, 3 * 200],
      ["connect=100", 3 * 100],
    ] as const) {
      const reply = await ask("full/any", timeouts);
      expect(reply.status).toBe(504);
      expect(errorOf(reply.text).message).toContain("no connection");
      expect(reply.tookMs).toBeGreaterThanOrEqual(ms - 5);
      expect(reply.tookMs).toBeLessThan(4 * ms + 2_500);
      expect(rowOf(reply)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
    }
  }, 30_000);
});

describe("what the caller allows", () => {
  test("ends the call as if it had left, and no other target is asked", async () => {
    const reply = await ask("falls", "first-byte=100");
    expect([reply.status, reply.headers.get("x-llm-proxy-attempts")]).toEqual([504, "1"]);
    expect(errorOf(reply.text)).toMatchObject({ code: "caller_timeout" });
    expect(reply.tookMs).toBeLessThan(1_000);
    const row = rowOf(reply);
    expect(row).toMatchObject({ status: "client_aborted", source: "estimated" });
    expect(row.cost_nano).toBeGreaterThan(0);
  });

  test("is never more than the operator allows", async () => {
    const reply = await ask("mock/short-hang", "first-byte=999999999999, total=999999999999");
    expect(errorOf(reply.text).message).toContain("for 200 ms");
    expect((await ask("mock/well", "first-byte=5000, total=5000")).status).toBe(200);
  });

  test("is 400 when it cannot be read, and asks nobody", async () => {
    const before = upstream.log.length;
    for (const bad of ["total", "totalMs=5", "total=0", "total=1; idle=2"]) {
      const reply = await ask("mock/well", bad);
      expect([reply.status, errorOf(reply.text).code]).toEqual([400, "invalid_timeouts"]);
    }
    expect(upstream.log).toHaveLength(before);
  });

  test("says nothing of the target: whoever waits for little does not keep it from others", async () => {
    upstream.on("short-well", hang);
    await Promise.all(Array.from({ length: 15 }, () => ask("mock/short-well", "first-byte=150")));
    upstream.on("short-well", answers());
    for (let at = 0; at < 3; at++) expect((await ask("mock/short-well")).status).toBe(200);
    expect(await gateway.admin("GET", "/api/providers/health")).toMatchObject({
      data: expect.arrayContaining([expect.objectContaining({ name: "mock", waiting: 0 })]),
    });
  });

  test("goes no further than this process", async () => {
    await ask("mock/well", "total=5000");
    expect(Object.keys(last("well")?.request.headers ?? {})).not.toContain("x-llm-proxy-timeouts");
  });
});

test("a config that is read again holds for the calls from then on", async () => {
  const file = join(gateway.directory, "llm-proxy.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace("mock/short*: { firstByteMs: 200 }", "mock/short*: { firstByteMs: 350 }"));
  await gateway.admin("POST", "/api/config/reload", {});
  expect(errorOf((await ask("mock/short-hang")).text).message).toContain("for 350 ms");
});
