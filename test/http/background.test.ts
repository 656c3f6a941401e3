import { afterAll, afterEach, expect, test } from "bun:test";
import { errorOf } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { usageOf } from "../support/rows.ts";
import { sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream } from "../support/spoken.ts";

/** A response in the background is written, and billed, to its end when its client has left: so it is none. */

const setup = await setUp({ dialects: ["openai-responses", "openai-chat"] });
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const turn = { text: "hello", usage: { input: 10, output: 5 } };
const background = { background: true };

test("a stream in the background is one that ends with its reader, and a warning says so", async () => {
  const events = spokenStream("openai-responses", turn);
  upstream.on("front", sse(events));
  const more = { ...background, store: true, metadata: { background: "true" } };
  const model = "mock-openai-responses/front";
  const reply = await ask(gateway, key.key, "openai-responses", { model, stream: true, more });
  expect([reply.status, reply.text]).toEqual([200, events]);
  expect(upstream.requestsFor("front")[0]?.json).toMatchObject({ ...more, background: false, stream: true });
  expect(reply.headers.get("x-llm-proxy-warnings")).toContain("background");
  expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", source: "provider", output_tokens: 5 });
});

test("so is one for a target that has no background", async () => {
  upstream.on("plain", sse(spokenStream("openai-chat", turn)));
  const model = "mock-openai-chat/plain";
  const reply = await ask(gateway, key.key, "openai-responses", { model, stream: true, more: background });
  expect(reply.status).toBe(200);
  expect(upstream.requestsFor("plain")[0]?.json).not.toHaveProperty("background");
  expect(reply.headers.get("x-llm-proxy-warnings")).toContain("background");
});

test("without a stream it is refused: the client would come for the answer later", async () => {
  const model = "mock-openai-responses/later";
  const reply = await ask(gateway, key.key, "openai-responses", { model, more: background });
  expect([reply.status, errorOf(reply.text).param]).toEqual([400, "background"]);
  expect(upstream.requestsFor("later")).toEqual([]);
});
