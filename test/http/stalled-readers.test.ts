import { afterAll, expect, test } from "bun:test";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { flood, residentBytes, stall } from "../support/stalls.ts";

/** Of the buffered bytes that the configuration allows: 2 MiB each. */
const room = 16;
/** More than fit: on a busy machine the first are given up before the last have stalled. */
const readers = 20;
const patient = { deadlineMs: 20_000 };
const setup = await setUp({
  config: [
    "server:",
    "  timeouts: { stallMs: 8000 }",
    "  disconnect: { drainMs: 200 }",
    `  overload: { maxBufferedBytes: ${room * 2 * 1024 * 1024}, maxLoopLagMs: 60000 }`,
  ].join("\n"),
});
afterAll(setup.stop);
const { gateway, upstream, key } = setup;
upstream.on("flood", flood(100e6));
upstream.on("hello", answers());

const ask = (model: string, stream: boolean) =>
  sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: `mock/${model}`, stream, messages: [{ role: "user", content: "hello" }] }),
  });

test("clients that do not read cost bounded memory, keep new streams out, and end with a record", async () => {
  await ask("hello", false);
  const before = residentBytes(gateway.pid);
  const stalled = await Promise.all(Array.from({ length: readers }, () => stall(gateway.url, key.key, "mock/flood")));
  for (const { head } of stalled) expect(head).toStartWith("HTTP/1.1 200");

  const refused = await until(
    "a stream is refused",
    async () => {
      const answer = await ask("hello", true);
      return answer?.status === 503 ? answer : null;
    },
    patient,
  );
  const each = (residentBytes(gateway.pid) - before) / readers / 1e6;
  console.log(`${readers} stalled readers: ${each.toFixed(2)} MB each`);
  // Without back-pressure it would be what the provider sends: 100 MB.
  expect(each).toBeLessThan(8);
  expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  expect(JSON.parse(refused.text).error).toMatchObject({ code: "overloaded", request_id: refused.callId });
  // What needs no such memory goes on.
  expect((await ask("hello", false))?.status).toBe(200);
  expect((await gateway.get("/readyz"))?.status).toBe(200);

  await until(
    "the stalled streams have a record",
    () =>
      allUsage(gateway).filter(({ model, status }) => model === "mock/flood" && status === "client_aborted").length ===
      readers,
    patient,
  );
  expect(upstream.requestsFor("flood").every(({ bytesSent }) => bytesSent < 100e6)).toBe(true);
  await until("streams are taken again", async () => (await ask("hello", true))?.status === 200);
  for (const { socket } of stalled) socket.destroy();
  await invariants(setup);
}, 60_000);
