import { afterAll, afterEach, expect, test } from "bun:test";
import OpenAI from "openai";
import type { ChatCompletionTool } from "openai/resources/chat/completions";
import { openai } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, chunk, frame, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

const setup = await setUp({ mock: "    models: [bare-model]", config: "models:\n  fast: [mock/sdk]" });
const client = openai(setup.gateway, setup.key.key);
setup.upstream.on("sdk", answers({ text: "It is sunny today.", promptTokens: 21, completionTokens: 5 }));
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const say = (content: string) => [{ role: "user" as const, content }];
const weather: ChatCompletionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("chat: the answer of the upstream, and a record with its tokens and cost", async () => {
  const { data, response } = await client.chat.completions
    .create({ model: "mock/sdk", messages: say("weather?") })
    .withResponse();
  expect(data.choices[0]?.message.content).toBe("It is sunny today.");
  expect(data.usage).toEqual({ prompt_tokens: 21, completion_tokens: 5, total_tokens: 26 });
  expect(response.headers.get("x-llm-proxy-provider")).toBe("mock");
  expect(response.headers.get("x-llm-proxy-model")).toContain("sdk");
  expect(response.headers.get("x-llm-proxy-attempts")).toBe("1");
  expect(response.headers.get("x-llm-proxy-cost-usd")).toMatch(/^0\.000031/);
  expect(usageOf(setup.gateway, response.headers.get("x-request-id") ?? "")).toMatchObject({
    model: "mock/sdk",
    provider: "mock",
    upstream_model: "sdk",
    key_id: setup.key.id,
    account_id: "default",
    dialect: "openai-chat",
    operation: "chat",
    status: "ok",
    source: "provider",
    input_tokens: 21,
    output_tokens: 5,
    cost_nano: 31_000,
    charge_nano: 31_000,
    finish_reason: "stop",
    stream: 0,
  });
});

for (const model of ["mock/sdk", "fast", "echo"]) {
  test(`stream of ${model}: the same text, no usage chunk unasked`, async () => {
    const stream = await client.chat.completions.create({ model, messages: say("It is sunny today."), stream: true });
    let text = "";
    let finish: string | null = null;
    for await (const part of stream) {
      expect(part.choices.length).toBe(1);
      text += part.choices[0]?.delta.content ?? "";
      finish = part.choices[0]?.finish_reason ?? finish;
    }
    expect(text).toBe("It is sunny today.");
    expect(finish).toBe("stop");
  });

  test(`stream of ${model} with include_usage: one usage chunk, last`, async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: say("It is sunny today."),
      stream: true,
      stream_options: { include_usage: true },
    });
    const parts = await Array.fromAsync(stream);
    const withUsage = parts.filter((part) => part.usage);
    expect(withUsage.length).toBe(1);
    expect(parts.at(-1)).toBe(withUsage[0]);
    expect(withUsage[0]?.choices).toEqual([]);
    // The SDK stops at `[DONE]`, which comes before the close that waits for the record.
    const row = await until("the record", () => {
      const last = allUsage(setup.gateway).at(-1);
      return last?.status === "open" ? null : last;
    });
    expect(row).toMatchObject({
      status: "ok",
      input_tokens: withUsage[0]?.usage?.prompt_tokens,
      output_tokens: withUsage[0]?.usage?.completion_tokens,
    });
  });
}

test("echo answers the last user message and costs nothing", async () => {
  const { data, response } = await client.chat.completions
    .create({
      model: "echo",
      messages: [
        { role: "system", content: "no" },
        ...say("first"),
        { role: "assistant", content: "x" },
        ...say("Ünïcode 🎈 second"),
      ],
    })
    .withResponse();
  expect(data.object).toBe("chat.completion");
  expect(data.choices[0]?.message.content).toBe("Ünïcode 🎈 second");
  const row = usageOf(setup.gateway, response.headers.get("x-request-id") ?? "");
  expect(row).toMatchObject({
    status: "ok",
    source: "provider",
    cost_nano: 0,
    charge_nano: 0,
    input_tokens: data.usage?.prompt_tokens,
    output_tokens: data.usage?.completion_tokens,
  });
});

test("tools: the definition reaches the upstream, the call comes back, the loop closes", async () => {
  const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Oslo"}' } };
  setup.upstream.on("tools", (exchange) => {
    const messages = exchange.json.messages;
    if (Array.isArray(messages) && messages.length > 1) return answers({ text: "Rain in Oslo." })(exchange);
    exchange.upstreamId = newUpstreamId();
    const message = { role: "assistant", content: null, tool_calls: [call] };
    return json(200, {
      id: exchange.upstreamId,
      object: "chat.completion",
      created: 1,
      model: "tools",
      choices: [{ index: 0, message, finish_reason: "tool_calls" }],
      usage: { prompt_tokens: 40, completion_tokens: 12, total_tokens: 52 },
    })(exchange);
  });
  const first = await client.chat.completions.create({
    model: "mock/tools",
    messages: say("weather in Oslo?"),
    tools: [weather],
  });
  expect(setup.upstream.requestsFor("tools")[0]?.json.tools).toEqual([weather]);
  const reply = first.choices[0]?.message;
  expect(reply?.tool_calls).toEqual([call] as never);
  if (!reply) throw new Error("no message");
  const second = await client.chat.completions.create({
    model: "mock/tools",
    messages: [...say("weather in Oslo?"), reply, { role: "tool", tool_call_id: "call_1", content: "rain" }],
    tools: [weather],
  });
  expect(second.choices[0]?.message.content).toBe("Rain in Oslo.");
});

test("tools in a stream: the SDK's own accumulator puts the arguments together", async () => {
  setup.upstream.on("tool-stream", (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const delta = (value: unknown, finish: string | null = null) =>
      frame(chunk(id, [{ index: 0, delta: value, finish_reason: finish }]));
    const usage = { prompt_tokens: 40, completion_tokens: 12, total_tokens: 52 };
    const text = [
      delta({
        role: "assistant",
        content: null,
        tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } }],
      }),
      ...['{"ci', 'ty":', '"Oslo"}'].map((piece) =>
        delta({ tool_calls: [{ index: 0, function: { arguments: piece } }] }),
      ),
      delta({}, "tool_calls"),
      ...(wantsUsage(exchange) ? [frame({ ...chunk(id, []), usage })] : []),
      "data: [DONE]\n\n",
    ];
    return sse(text.join(""))(exchange);
  });
  const runner = client.chat.completions.stream({
    model: "mock/tool-stream",
    messages: say("weather?"),
    tools: [weather],
  });
  const final = await runner.finalChatCompletion();
  expect(final.choices[0]?.message.tool_calls?.[0]).toMatchObject({
    id: "call_1",
    function: { name: "get_weather", arguments: '{"city":"Oslo"}' },
  });
});

test("models: the list has every name the config gives, and each can be fetched", async () => {
  const ids = (await Array.fromAsync(client.models.list())).map((model) => model.id);
  expect(ids).toContain("fast");
  expect(ids.some((id) => id === "echo" || id.startsWith("echo/"))).toBe(true);
  expect(ids.some((id) => id === "bare-model" || id === "mock/bare-model")).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids.slice(0, 20)) expect((await client.models.retrieve(id)).id).toBe(id);
  // Can be called, though no list names it.
  expect(await client.models.retrieve("echo/slow")).toMatchObject({ id: "echo/slow", owned_by: "echo" });
  const missing: unknown = await client.models.retrieve("nobody/knows-this").catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
});

const refusals: {
  what: string;
  setUp?: () => Promise<string>;
  body?: object;
  error: new (...args: never[]) => Error;
  status: number;
  code: string | null;
}[] = [
  { what: "a bad key", setUp: async () => "sk-nobody", error: OpenAI.AuthenticationError, status: 401, code: null },
  {
    what: "an unknown model",
    body: { model: "no-such-model" },
    error: OpenAI.NotFoundError,
    status: 404,
    code: "model_not_found",
  },
  { what: "a missing field", body: { messages: undefined }, error: OpenAI.BadRequestError, status: 400, code: null },
  {
    what: "a model the key may not use",
    setUp: async () => (await setup.gateway.createKey({ models: ["echo"] })).key,
    error: OpenAI.PermissionDeniedError,
    status: 403,
    code: null,
  },
  {
    what: "a budget that is too small",
    setUp: async () => (await setup.gateway.createKey({ budget: { usd: "0.000000001", window: "lifetime" } })).key,
    error: OpenAI.APIError,
    status: 402,
    code: "insufficient_quota",
  },
];
for (const { what, setUp: make, body, error, status, code } of refusals) {
  test(`${what} becomes the SDK's ${error.name}, and nothing reaches the upstream`, async () => {
    const before = setup.upstream.log.length;
    const sdk = make ? openai(setup.gateway, await make()) : client;
    const request = { model: "mock/sdk", messages: say("hi"), ...body };
    const thrown: unknown = await sdk.chat.completions.create(request).catch((error_: unknown) => error_);
    expect(thrown).toBeInstanceOf(error);
    expect(thrown).toMatchObject({ status, ...(code === null ? {} : { code }) });
    expect(setup.upstream.log.length).toBe(before);
  });
}

test("a limit of requests becomes RateLimitError with an integer Retry-After", async () => {
  const key = await setup.gateway.createKey({ limits: { requestsPerMinute: 1 } });
  const sdk = openai(setup.gateway, key.key);
  const ask = (): Promise<unknown> =>
    sdk.chat.completions.create({ model: "echo", messages: say("hi") }).catch((error: unknown) => error);
  const replies = await Promise.all(Array.from({ length: 4 }, ask));
  const refused = replies.filter((reply) => reply instanceof OpenAI.RateLimitError);
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused) {
    expect(error.headers?.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(error.error).toMatchObject({
      details: { limit: expect.anything(), used: expect.anything(), needed: expect.anything() },
    });
  }
});
