import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { ask, eventsOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";
import type { Script } from "../support/upstream.ts";

/** Images that the model made, as clients of other protocols get them. */

const painter = join(import.meta.dir, "..", "fixtures", "plugins", "painter.ts");
const setup = await setUp({
  dialects: dialects.keys(),
  providers: `  painter: { use: "${painter}" }`,
  config: "  - { target: painter/*, input: 0, output: 0 }",
});
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

describe("of a plugin", () => {
  const model = "painter/m";
  const lost = "anthropic-messages has no place in an answer for image of type image/png; left out";

  test("a Messages client is told that it does not get them", async () => {
    const whole = await ask(gateway, key.key, "anthropic-messages", { model });
    expect(JSON.parse(whole.text)).toMatchObject({ content: [{ type: "text", text: "Here: " }] });
    expect(whole.headers.get("x-llm-proxy-warnings")).toBe(lost);
    const streamed = await ask(gateway, key.key, "anthropic-messages", { model, stream: true });
    expect(streamed.text).toContain("message_stop");
    expect(JSON.stringify(await gateway.admin("GET", `/api/calls/${streamed.callId}`))).toContain(lost);
  });

  test.each(["openai-chat", "openai-responses", "gemini"] as const)("a client of %s gets them", async (dialect) => {
    const { text, headers } = await ask(gateway, key.key, dialect, { model });
    expect(text).toContain(data);
    expect(headers.get("x-llm-proxy-warnings")).toBeNull();
  });
});

describe("in the conversation that goes on", () => {
  const histories = {
    "openai-chat": {
      messages: [
        { role: "user", content: "Draw." },
        { role: "assistant", content: "Here: ", images: [{ ...shown, index: 0 }] },
        { role: "user", content: "In red." },
      ],
    },
    "openai-responses": {
      input: [
        { role: "user", content: "Draw." },
        { role: "assistant", content: "Here: " },
        { type: "image_generation_call", id: "ig_1", status: "completed", result: data },
        { role: "user", content: "In red." },
      ],
    },
    gemini: {
      contents: [
        { role: "user", parts: [{ text: "Draw." }] },
        { role: "model", parts: [{ text: "Here: " }, image] },
        { role: "user", parts: [{ text: "In red." }] },
      ],
    },
  } as const;
  /**
   * Where the vendor takes an image: in a message of the assistant OpenAI and Anthropic refuse it, and Gemini 3 one that it
   * did not sign.
   */
  const places = {
    "openai-chat": {
      messages: [
        { role: "user", content: "Draw." },
        { role: "assistant", content: "Here: " },
        {
          role: "user",
          content: [{ type: "text", text: "You made this:" }, shown, { type: "text", text: "In red." }],
        },
      ],
    },
    "openai-responses": {
      input: [
        { role: "user", content: "Draw." },
        { role: "assistant", content: "Here: " },
        {
          role: "user",
          content: [{ text: "You made this:" }, { type: "input_image", image_url: url }, { text: "In red." }],
        },
      ],
    },
    "anthropic-messages": {
      messages: [
        { role: "user", content: "Draw." },
        { role: "assistant", content: "Here: " },
        {
          role: "user",
          content: [
            { type: "text", text: "You made this:" },
            { type: "image", source: { type: "base64", media_type: "image/png", data } },
            { type: "text", text: "In red." },
          ],
        },
      ],
    },
    gemini: {
      contents: [
        { role: "user", parts: [{ text: "Draw." }] },
        { role: "model", parts: [{ text: "Here: " }] },
        { role: "user", parts: [{ text: "You made this:" }, image, { text: "In red." }] },
      ],
    },
  } as const;

  for (const [from, more] of Object.entries(histories))
    for (const [to, body] of Object.entries(places).filter(([name]) => name !== from))
      test(`a ${to} target sees what ${from} has of it`, async () => {
        const model = `made-${asked++}`;
        // The names of both are dialects.
        upstream.on(model, json(200, spokenWhole(to as DialectName, { text: "Red.", usage: { input: 3, output: 2 } })));
        const reply = await ask(gateway, key.key, from as DialectName, { model: `mock-${to}/${model}`, more });
        expect(reply.status).toBe(200);
        expect(upstream.requestsFor(model)[0]?.json).toMatchObject(body);
        expect(reply.headers.get("x-llm-proxy-warnings") ?? "").not.toContain("image");
      });

  test("behind the results of its tools, and not at all where the assistant is to go on", async () => {
    const turns = [
      { role: "user", parts: [{ text: "Draw." }] },
      { role: "model", parts: [image, { functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "done" } } }] },
    ];
    for (const [contents, warning] of [
      [turns, null],
      [[...turns, { role: "model", parts: [{ text: "So" }, image] }], "what the assistant made in its last message"],
    ] as const) {
      const model = `made-${asked++}`;
      const answer = { text: "Red.", usage: { input: 3, output: 2 } };
      upstream.on(model, json(200, spokenWhole("openai-chat", answer)));
      const reply = await ask(gateway, key.key, "gemini", { model: `mock-openai-chat/${model}`, more: { contents } });
      expect(reply.status).toBe(200);
      expect(upstream.requestsFor(model)[0]?.json).toMatchObject({
        messages: [
          { role: "user" },
          { role: "assistant", tool_calls: [{ function: { name: "f" } }] },
          { role: "tool" },
          warning === null ? { role: "user", content: [{ text: "You made this:" }, shown] } : { role: "assistant" },
        ],
      });
      if (warning !== null) expect(reply.headers.get("x-llm-proxy-warnings")).toContain(warning);
    }
  });
});
