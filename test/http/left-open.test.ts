import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { openCalls } from "../support/rows.ts";
import { openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Answers that cannot be read to their end keep no connection once their call is over, though the upstream waits. */
const setup = await setUp({ dialects: ["openai-chat"], config: "server: { transport: sockets }" });
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());

const left = gate();
/** More in one line than is read of one. */
const endless = `data: ${"x".repeat(6_000_000)}`;

test("after a client that left, after the end of a stream, and after one that was wanted in one piece", async () => {
  upstream.on("left", async (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const stream = await openStream(exchange);
    await stream.send(frames(id, { text: "one two" }, wantsUsage(exchange))[0] ?? "");
    await left.opened;
    await stream.send(endless);
    await exchange.over;
  });
  upstream.on("ended", async (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const stream = await openStream(exchange);
    await stream.send(frames(id, { text: "one two" }, wantsUsage(exchange)).join(""));
    await stream.send(endless);
    await exchange.over;
  });
  const isAbandoned = (model: string) => upstream.requestsFor(model).every(({ abandoned }) => abandoned);

  await sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock/left", { stream: true })),
    leaveWhen: (received) => received.includes("chatcmpl"),
  });
  left.open();
  await until("the call is over", () => openCalls(gateway) === 0);
  await until("the upstream of who left is let go", () => isAbandoned("left"));

  const streamed = await call(gateway, key.key, chat("mock/ended", { stream: true }));
  expect(streamed.text).toContain("[DONE]");
  await until("the upstream of the stream is let go", () => isAbandoned("ended"));
  const gathered = await call(gateway, key.key, chat("mock/ended"));
  expect(gathered.status).toBe(200);
  await until("the upstream of the piece is let go", () => isAbandoned("ended"));
  await invariants(setup);
});
