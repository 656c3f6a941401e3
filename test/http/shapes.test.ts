import { afterAll, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { call, type Reply } from "../support/clients.ts";
import { ask, eventsOf } from "../support/dialect-calls.ts";
import { eachOf } from "../support/poll.ts";
import { type UsageRow, usageOf } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Script } from "../support/upstream.ts";

/** Each shape of an answer that reports usage, in each dialect: exact tokens, and the exact cost by hand. */
const spoken = [...dialects.keys()];
const setup = await setUp({
  dialects: spoken,
  config: spoken
    .map((name) => `  - { target: mock-${name}/shape-*, input: 3, cacheRead: 0.3, output: 15, inputAudio: 9 }`)
    .join("\n"),
});
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());

/** In nano-USD: 3 USD per million tokens of input, a tenth from the cache, 15 of output. */
const costOf = ({ input = 0, cached = 0, output = 0 }: Partial<Turn["usage"]>): number =>
  (input - cached) * 3_000 + cached * 300 + output * 15_000;
const rowOf = ({ input = 0, cached = 0, output = 0, thinking = 0 }: Partial<Turn["usage"]>): Partial<UsageRow> => ({
  input_tokens: input,
  cache_read_tokens: cached,
  output_tokens: output,
  reasoning_tokens: thinking,
  cost_nano: costOf({ input, cached, output }),
  charge_nano: costOf({ input, cached, output }),
  source: "provider",
});

let models = 0;
function answerOf(dialect: DialectName, script: Script, stream: boolean, more: object = {}): Promise<Reply> {
  const model = `shape-${++models}`;
  upstream.on(model, script);
  return ask(gateway, key.key, dialect, { model: `mock-${dialect}/${model}`, stream, more: { ...more } });
}

const look = { id: "call_1", name: "look", args: { at: "the sky" } };
const calls = [look];
const turns: Readonly<Record<string, Turn>> = {
  text: { text: "Hello there, Grüße.", usage: { input: 1_234, output: 56 } },
  "a cached prompt": { text: "again", usage: { input: 10_000, cached: 9_216, output: 7 } },
  "a call of a tool": { calls, usage: { input: 321, output: 45 } },
  "text and calls": {
    text: "wait",
    calls: [...calls, { ...look, id: "call_2" }],
    usage: { input: 33, output: 44 },
  },
};

describe.each(spoken)("%s", (dialect) => {
  test.each(
    Object.entries(turns).flatMap(([what, turn]) => [true, false].map((stream) => [what, stream, turn] as const)),
  )("%s, stream: %p", async (_, stream, turn) => {
    const script = stream ? sse(spokenStream(dialect, turn)) : json(200, spokenWhole(dialect, turn));
    const { status, callId } = await answerOf(dialect, script, stream);
    expect(status).toBe(200);
    expect(usageOf(gateway, callId)).toMatchObject({ status: "ok", ...rowOf(turn.usage) });
  });

  test("a stream is the same, and costs the same, however it is cut", async () => {
    const turn: Turn = { text: "Grüße 🎈, and a bit more", calls, usage: { input: 5_000, cached: 4_096, output: 50 } };
    const bytes = Buffer.from(spokenStream(dialect, turn));
    const stride = 37;
    const texts = new Set<string>();
    await eachOf(
      Array.from({ length: stride }, (_, first) => first),
      8,
      async (first) => {
        const places = Array.from({ length: Math.ceil(bytes.length / stride) }, (_, at) => first + at * stride);
        const cuts = places.filter((cut) => cut > 0 && cut < bytes.length);
        const { text, callId } = await answerOf(dialect, sse(bytes, { cuts }), true);
        expect(usageOf(gateway, callId)).toMatchObject({ status: "ok", ...rowOf(turn.usage) });
        texts.add(text);
      },
    );
    expect(texts.size).toBe(1);
    if (dialect !== "openai-chat") expect([...texts]).toEqual([bytes.toString()]);
  });
});

const chatUsage = { prompt_tokens: 50, completion_tokens: 30, total_tokens: 80 };
const chatChoice = (index: number, message: object, finish = "stop") => ({ index, message, finish_reason: finish });
const chatAnswer = (choices: readonly object[]) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices,
  usage: chatUsage,
});
const message = { role: "assistant", content: "hi", refusal: null };
const responsesAnswer = (status: string, more: object = {}) => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  model: "m",
  status,
  output: [
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      status: "completed",
      content: [{ type: "refusal", refusal: "I will not." }],
    },
  ],
  usage: {
    input_tokens: 50,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 30,
    output_tokens_details: { reasoning_tokens: 20 },
    total_tokens: 80,
  },
  ...more,
});
const anthropicRefusal = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [],
  stop_reason: "refusal",
  stop_sequence: null,
  usage: { input_tokens: 50, output_tokens: 30 },
};
const geminiBlocked = {
  promptFeedback: { blockReason: "SAFETY" },
  usageMetadata: { promptTokenCount: 50, totalTokenCount: 50 },
};
const geminiThought = {
  candidates: [{ content: { role: "model", parts: [{ text: "hi" }] }, finishReason: "MAX_TOKENS", index: 0 }],
  usageMetadata: { promptTokenCount: 50, candidatesTokenCount: 10, thoughtsTokenCount: 20, totalTokenCount: 80 },
};
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const end = (type: string, response: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 9, response })}\n\n`;

/** The dialect, whether it streams, the answer, what was used, and the status of the record. */
const others: Readonly<Record<string, readonly [DialectName, boolean, Script, Partial<Turn["usage"]>, string?]>> = {
  "two candidates": [
    "openai-chat",
    false,
    json(200, chatAnswer([chatChoice(0, message), chatChoice(1, message)])),
    { input: 50, output: 30 },
  ],
  "a refusal of OpenAI's": [
    "openai-chat",
    false,
    json(200, chatAnswer([chatChoice(0, { role: "assistant", content: null, refusal: "no" })])),
    { input: 50, output: 30 },
  ],
  "a content filter": [
    "openai-chat",
    false,
    json(200, chatAnswer([chatChoice(0, message, "content_filter")])),
    { input: 50, output: 30 },
  ],
  "a response that is refused": [
    "openai-responses",
    false,
    json(200, responsesAnswer("completed")),
    { input: 50, output: 30, thinking: 20 },
  ],
  "an incomplete response": [
    "openai-responses",
    true,
    sse(
      end(
        "response.incomplete",
        responsesAnswer("incomplete", { incomplete_details: { reason: "max_output_tokens" } }),
      ),
    ),
    { input: 50, output: 30, thinking: 20 },
  ],
  "a failed response that tells its usage": [
    "openai-responses",
    true,
    sse(end("response.failed", responsesAnswer("failed", { error: { code: "server_error", message: "x" } }))),
    { input: 50, output: 30, thinking: 20 },
    "upstream_error",
  ],
  "a refusal of Anthropic's": ["anthropic-messages", false, json(200, anthropicRefusal), { input: 50, output: 30 }],
  "a prompt that Gemini blocks": ["gemini", false, json(200, geminiBlocked), { input: 50 }],
  "thoughts of Gemini's, beside its answer": [
    "gemini",
    true,
    sse(event(geminiThought)),
    { input: 50, output: 30, thinking: 20 },
  ],
};
test.each(Object.entries(others))("%s", async (_, [dialect, stream, script, used, status = "ok"]) => {
  const { callId } = await answerOf(dialect, script, stream);
  expect(usageOf(gateway, callId)).toMatchObject({ status, ...rowOf(used) });
});

test("a stream of Gemini's as an array", async () => {
  const turn: Turn = { text: "hi", usage: { input: 50, output: 30 } };
  const events = eventsOf(spokenStream("gemini", turn)).map(({ data }) => data);
  upstream.on("shape-array", json(200, `[${events.join(",\r\n")}]`));
  const { callId } = await call(
    gateway,
    key.key,
    { contents: [{ role: "user", parts: [{ text: "x" }] }] },
    { path: "/v1beta/models/mock-gemini/shape-array:streamGenerateContent" },
  );
  expect(usageOf(gateway, callId)).toMatchObject({ status: "ok", ...rowOf(turn.usage) });
});

test.each([
  [
    "openai-chat",
    "/v1/embeddings",
    { model: "mock-openai-chat/shape-vectors", input: ["a", "b"] },
    {
      object: "list",
      model: "m",
      data: [{ object: "embedding", index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 12, total_tokens: 12 },
    },
  ],
  [
    "gemini",
    "/v1beta/models/mock-gemini/shape-vectors:embedContent",
    { content: { parts: [{ text: "a" }] } },
    { embedding: { values: [0.5] }, usageMetadata: { promptTokenCount: 12 } },
  ],
])("embeddings of %s", async (_, path, body, answer) => {
  upstream.on("shape-vectors", json(200, answer));
  const reply = await call(gateway, key.key, body, { path });
  expect(reply.status).toBe(200);
  expect(usageOf(gateway, reply.callId)).toMatchObject({
    operation: "embeddings",
    status: "ok",
    ...rowOf({ input: 12 }),
  });
});
