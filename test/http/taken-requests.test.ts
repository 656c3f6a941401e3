import { afterAll, afterEach, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { errorOf } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** What a target of another dialect would refuse, and what the client hears of it. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;
const whole = json(200, spokenWhole("openai-chat", { text: "hello there", usage: { input: 10, output: 5 } }));

test("what is said otherwise is named as a warning", async () => {
  upstream.on("list", whole);
  const generationConfig = { responseMimeType: "application/json", responseJsonSchema: { type: "array" } };
  const reply = await ask(gateway, key.key, "gemini", { model: "mock-openai-chat/list", more: { generationConfig } });
  expect(reply.status).toBe(200);
  expect(reply.headers.get("x-llm-proxy-warnings")).toContain("a JSON schema of anything but an object");
  expect(upstream.requestsFor("list")[0]?.json).not.toHaveProperty("response_format");
});

test("a message of which nothing would be left is refused, and nothing is sent", async () => {
  const audio = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } };
  const more = { messages: [{ role: "user", content: [audio] }] };
  const reply = await ask(gateway, key.key, "openai-chat", { model: "mock-anthropic-messages/audio", more });
  expect(reply.status).toBe(400);
  expect(errorOf(reply.text)).toMatchObject({ code: "not_carried" });
  expect(upstream.requestsFor("audio")).toEqual([]);
});

test("an id in a call that Anthropic streams whole loses no digit", async () => {
  const events = [
    {
      type: "message_start",
      message: { id: "a", model: "m", content: [], usage: { input_tokens: 1, output_tokens: 1 } },
    },
    {
      type: "content_block_start",
      index: 0,
      content_block: { type: "tool_use", id: "c", name: "f", input: { id: 123_454_321 } },
    },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 1 } },
    { type: "message_stop" },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  upstream.on("streamed", sse(events.join("").replace("123454321", "9007199254740993")));
  for (const stream of [true, false]) {
    const reply = await ask(gateway, key.key, "openai-chat", {
      model: "mock-anthropic-messages/streamed",
      more: { stream },
    });
    expect(reply.text).toContain("9007199254740993");
  }
});
