import { setTimeout as pause } from "node:timers/promises";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { stalled } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { usage } from "./load.ts";
import { doctor, neverShed, type Soak, unhandled } from "./soak.ts";

const drainMs = 20_000;
const unreadyMs = 500;
/** A second signal counts from a second after the first. */
const secondAfterMs = 1_100;

/** Streams that are open when the process is told to end: they end well, or with a second signal at once; each has its record. */
export const drain: Soak = async ({ count, print }) => [
  ...(await drained(count, print)),
  ...(await cutBySecond(Math.min(count, 100), print)),
];

async function drained(count: number, print: (line: string) => void): Promise<readonly string[]> {
  const { setup, streams, end } = await opened(count);
  try {
    const { gateway } = setup;
    const startMs = performance.now();
    process.kill(gateway.pid, "SIGTERM");
    await until("/readyz says so", async () => (await gateway.get("/readyz"))?.status === 503);
    // Whoever was sent here before the balancer looked is still served.
    const late = await call(gateway, setup.key.key, chat("mock/fast"));
    await until("no connection is taken", async () => (await gateway.get("/readyz")) === null);
    const refusedMs = performance.now() - startMs;
    end();
    const replies = await Promise.all(streams);
    const endedMs = performance.now();
    const code = await gateway.exited();
    const exitMs = performance.now() - endedMs;
    const whole = replies.filter(
      (reply) => reply?.status === 200 && reply.complete && reply.text.includes("[DONE]"),
    ).length;
    const rows = allUsage(gateway).filter(({ model, status }) => model === "mock/long" && status === "ok").length;
    print(
      `${whole} of ${count} streams drained, ${rows} records; exit ${code}, ${exitMs.toFixed(0)} ms after the last`,
    );
    print(`unready at once, refusing after ${refusedMs.toFixed(0)} ms; a call between the two: ${late.status}`);
    return [
      ...(whole === count ? [] : [`${count - whole} streams were cut`]),
      ...(rows === count ? [] : [`${rows} records of ${count} streams`]),
      ...(code === 0 && exitMs <= 3_000 ? [] : [`exit ${code} after ${exitMs.toFixed(0)} ms`]),
      ...(late.status === 200 ? [] : [`a call before the listener closed got ${late.status}`]),
      ...(refusedMs >= unreadyMs ? [] : ["connections were refused too early"]),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
}

async function cutBySecond(count: number, print: (line: string) => void): Promise<readonly string[]> {
  const { setup, streams } = await opened(count);
  try {
    const { gateway } = setup;
    process.kill(gateway.pid, "SIGTERM");
    await pause(secondAfterMs);
    const startMs = performance.now();
    process.kill(gateway.pid, "SIGTERM");
    const replies = await Promise.all(streams);
    const code = await gateway.exited();
    const tookMs = performance.now() - startMs;
    const told = replies.filter(
      (reply) => reply?.text.includes("shutting down") === true && !reply.text.includes("[DONE]"),
    ).length;
    const rows = allUsage(gateway).filter(({ status }) => status === "shutdown").length;
    print(`second signal: ${told} of ${count} told why, ${rows} records; exit ${code} after ${tookMs.toFixed(0)} ms`);
    return [
      ...(told === count ? [] : [`${count - told} streams ended without an error event`]),
      ...(rows === count ? [] : [`${rows} records of ${count} streams that were cut`]),
      ...(code === 0 && tookMs <= 4_000 ? [] : [`exit ${code}, ${tookMs.toFixed(0)} ms after the second signal`]),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
}

/** Half of them before a reload, so that two configs are drained. */
async function opened(count: number): Promise<{ setup: Setup; streams: Promise<RawAnswer | null>[]; end: () => void }> {
  const setup = await setUp({
    config: `server: { ${neverShed}, timeouts: { drainMs: ${drainMs}, unreadyMs: ${unreadyMs} } }`,
    key: { name: "draining", budget: { usd: 1_000_000, window: "lifetime" }, limits: { concurrency: 100_000 } },
  });
  const { gateway, upstream, key } = setup;
  const released = gate();
  upstream.on("fast", answers(usage));
  upstream.on("long", (exchange) => {
    const id = newUpstreamId();
    exchange.upstreamId = id;
    const [first = "", ...rest] = frames(id, usage, true);
    return stalled(first, released.opened, rest.join(""))(exchange);
  });
  const file = configFileOf(gateway);
  const headers = { authorization: `Bearer ${key.key}`, "content-type": "application/json" };
  const body = JSON.stringify(chat("mock/long", { stream: true }));
  const open = async (more: number) => {
    const begun = Array.from({ length: more }, () => gate());
    const replies = begun.map(({ open: onBegun }) => {
      const leaveWhen = (received: string): boolean => {
        if (received.includes("data: ")) onBegun();
        return false;
      };
      // `fetch` here would have 256 at once.
      return sendRaw(gateway.url, { path: "/v1/chat/completions", headers, body, leaveWhen });
    });
    await Promise.all(begun.map(({ opened: each }) => each));
    return replies;
  };
  const half = Math.floor(count / 2);
  const before = await open(half);
  await file.reloadWith(`${file.first}models: { another: [echo/echo] }\n`);
  return { setup, streams: [...before, ...(await open(count - half))], end: released.open };
}
