import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { setUp } from "../support/setup.ts";
import { flood, residentBytes, stall } from "../support/stalls.ts";

const limitBytes = 384 * 1024 * 1024;

/** A control group of its own for the process, where this machine lets us make one; else the limit is only told to it. */
const group = makeGroup(`/sys/fs/cgroup/memory/llm-proxy-test-${process.pid}`);
if (group === null) console.log("no control group can be made here: the limit is the configured one");
const setup = await setUp({
  ...(group !== null && { wrapper: ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"`] }),
  config: [
    "server:",
    "  timeouts: { stallMs: 60000 }",
    "  disconnect: { drainMs: 200 }",
    // The other guards out of the way: memory alone decides.
    "  overload:",
    "    maxBufferedBytes: 1000000000000",
    "    maxLoopLagMs: 60000",
    ...(group === null ? [`    maxMemoryBytes: ${limitBytes}`] : []),
  ].join("\n"),
});
afterAll(async () => {
  await setup.stop();
  if (group !== null) await until("the group is empty", () => removed(group));
});
const { gateway, upstream, key } = setup;
upstream.on("flood", flood(100e6));
upstream.on("hello", answers());

const large = "x".repeat(4 * 1024 * 1024);
const ask = (content: string): Promise<RawAnswer | null> =>
  sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "mock/hello", messages: [{ role: "user", content }] }),
  });

test("near its memory limit it refuses with 503, says so in /readyz, lives, and recovers", async () => {
  const { pid } = gateway;
  const stalled = [];
  let isShed = false;
  for (let round = 0; round < 40 && !isShed; round++) {
    const [streams, bodies] = await Promise.all([
      Promise.all(Array.from({ length: 25 }, () => stall(gateway.url, key.key, "mock/flood"))),
      Promise.all(Array.from({ length: 4 }, () => ask(large))),
    ]);
    stalled.push(...streams);
    const shed = bodies.find((answer) => answer?.status === 503);
    if (!shed) continue;
    isShed = true;
    expect(Number(shed.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(JSON.parse(shed.text).error.code).toBe("overloaded");
  }
  expect(isShed).toBe(true);
  const unready = await gateway.get("/readyz");
  console.log(`refused at ${(residentBytes(pid) / 1024 / 1024).toFixed(0)} of 384 MiB; /readyz ${unready?.status}`);

  for (const { socket } of stalled) socket.destroy();
  await until("it is ready again", async () => (await gateway.get("/readyz"))?.status === 200, { deadlineMs: 20_000 });
  await until("a call is served", async () => (await ask("hello"))?.status === 200);
  expect(gateway.pid).toBe(pid);
  if (group !== null) expect(readFileSync(`${group}/memory.oom_control`, "utf8")).toMatch(/^oom_kill 0$/m);
  await invariants(setup);
}, 180_000);

function makeGroup(folder: string): string | null {
  try {
    mkdirSync(folder);
    writeFileSync(`${folder}/memory.limit_in_bytes`, String(limitBytes));
    return folder;
  } catch {
    return null;
  }
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
