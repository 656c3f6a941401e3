import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { ask, eventsOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";

/** Images that the model made, as clients of other protocols get them. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const data = "iVBORw0KGgo=";
const url = `data:image/png;base64,${data}`;
const chunk = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

const candidate = (...parts: readonly object[]) => ({ content: { role: "model", parts }, index: 0 });
const image = { inlineData: { mimeType: "image/png", data } };
const counted = {
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 },
  modelVersion: "m",
  responseId: "r",
};
const ofGemini = {
  whole: json(200, { candidates: [{ ...candidate({ text: "Here: " }, image), finishReason: "STOP" }], ...counted }),
  stream: sse(
    chunk({ candidates: [candidate({ text: "Here: " })], responseId: "r" }) +
      chunk({ candidates: [candidate(image)], responseId: "r" }) +
      chunk({ candidates: [{ ...candidate(image), finishReason: "STOP" }], ...counted }),
  ),
};

const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };
const shown = { type: "image_url", image_url: { url } };
const head = { id: "c", created: 1_700_000_000, model: "m" };
const ofOpenRouter = {
  whole: json(200, {
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Here: ", images: [shown] } }],
    usage,
  }),
  stream: sse(
    [
      ...[
        { role: "assistant", content: "Here: " },
        { content: "", images: [{ ...shown, index: 0 }] },
      ].map((delta) =>
        chunk({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: null }] }),
      ),
      chunk({
        ...head,
        object: "chat.completion.chunk",
        choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
        usage,
      }),
      "data: [DONE]\n\n",
    ].join(""),
  ),
};

let asked = 0;
async function answered(from: DialectName, to: DialectName, script: Script, stream: boolean) {
  const model = `made-${asked++}`;
  upstream.on(model, script);
  const reply = await ask(gateway, key.key, from, { model: `mock-${to}/${model}`, stream });
  expect(reply.status).toBe(200);
  return { text: reply.text, warnings: reply.headers.get("x-llm-proxy-warnings"), callId: reply.callId };
}

describe("of Gemini", () => {
  test("a chat client gets them as those of OpenRouter do, in `images`", async () => {
    const { text, warnings } = await answered("openai-chat", "gemini", ofGemini.whole, false);
    expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: "Here: ", images: [shown] } }] });
    expect(warnings).toBeNull();
  });

  test("a chat client gets them in its stream, numbered", async () => {
    const { text } = await answered("openai-chat", "gemini", ofGemini.stream, true);
    const chunks: { choices: { delta?: { images?: unknown } }[] }[] = eventsOf(text).flatMap(({ data: said }) =>
      said === "[DONE]" ? [] : JSON.parse(said),
    );
    expect(chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta?.images ?? []))).toEqual([
      { ...shown, index: 0 },
      { ...shown, index: 1 },
    ]);
  });

  test.each([true, false])("a Responses client gets them as those that a tool made; streamed: %p", async (stream) => {
    const { text, warnings } = await answered(
      "openai-responses",
      "gemini",
      stream ? ofGemini.stream : ofGemini.whole,
      stream,
    );
    expect(text).toContain(`"type":"image_generation_call"`);
    expect(text).toContain(data);
    expect(warnings).toBeNull();
  });

  test("a Messages client is told that it does not get them", async () => {
    const lost = "anthropic-messages has no place in an answer for image of type image/png; left out";
    const whole = await answered("anthropic-messages", "gemini", ofGemini.whole, false);
    expect(JSON.parse(whole.text)).toMatchObject({ content: [{ type: "text", text: "Here: " }] });
    expect(whole.warnings).toContain(lost);
    // Where the headers have gone before, the row of the call tells.
    const streamed = await answered("anthropic-messages", "gemini", ofGemini.stream, true);
    expect(JSON.stringify(await gateway.admin("GET", `/api/calls/${streamed.callId}`))).toContain(lost);
  });
});

describe("of OpenRouter", () => {
  test.each([true, false])("a Gemini client gets them as its own; streamed: %p", async (stream) => {
    const { text } = await answered("gemini", "openai-chat", stream ? ofOpenRouter.stream : ofOpenRouter.whole, stream);
    expect(text).toContain(`{"inlineData":{"mimeType":"image/png","data":"${data}"}}`);
    expect(text).toContain("Here: ");
  });
});
