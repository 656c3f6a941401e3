import { afterAll, afterEach, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

/** More than a JavaScript number holds, in the place of one that the script can say. */
const id = "12345678901234567890";
const stand = 123_454_321;
const withId = (text: string) => text.replaceAll(String(stand), id);
const turn: Turn = { calls: [{ id: "c1", name: "f", args: { id: stand } }], usage: { input: 1, output: 1 } };

test.each([...dialects.keys()])("an id in arguments loses no digit on its way to %s and back", async (target) => {
  upstream.on(`whole-${target}`, json(200, withId(spokenWhole(target, turn))));
  const body = {
    model: `mock-${target}/whole-${target}`,
    max_tokens: 100,
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "f", input: { id: stand } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "ok" }] },
    ],
  };
  const reply = await call(gateway, key.key, withId(JSON.stringify(body)), { path: "/v1/messages" });
  expect(reply.text).toContain(`"input":{"id":${id}}`);
  expect(upstream.requestsFor(`whole-${target}`)[0]?.request.body.toString()).toContain(id);
});

test("nor in a stream of Gemini's", async () => {
  upstream.on("stream", sse(withId(spokenStream("gemini", turn))));
  const body = { model: "mock-gemini/stream", stream: true, messages: [{ role: "user", content: "x" }] };
  expect((await call(gateway, key.key, body)).text).toContain(id);
});
