import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dialects } from "../../core/dialects/index.ts";
import { chat, errorOf, type Reply } from "../support/clients.ts";
import { ask, endOf, eventsOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { usageOf } from "../support/rows.ts";
import { json, sse, stalled, taken } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import { toldIn } from "../support/told.ts";
import type { Exchange, Script } from "../support/upstream.ts";

/** Each mechanism of the translation, seen from outside. */

const setup = await setUp({
  dialects: dialects.keys(),
  config: [
    "models:",
    "  either: [mock-anthropic-messages/either, mock-openai-responses/either]",
    "  failing: [mock-anthropic-messages/down, mock-openai-chat/up]",
  ].join("\n"),
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const turn: Turn = { text: "hello there", usage: { input: 10, output: 5 } };
const openaiWhole = json(200, spokenWhole("openai-chat", turn));
const anthropicWhole = json(200, spokenWhole("anthropic-messages", turn));
const warningsOf = (reply: Reply): string => reply.headers.get("x-llm-proxy-warnings") ?? "";
const sentTo = (model: string): Exchange => {
  const [exchange, ...more] = upstream.requestsFor(model);
  if (!exchange || more.length > 0) throw new Error(`${more.length + (exchange ? 1 : 0)} requests for ${model}`);
  return exchange;
};

describe("what only the client's own dialect can give", () => {
  const stored = { model: "mock-anthropic-messages/stored", more: { previous_response_id: "resp_1" } };

  test("is refused by name; nothing is sent, nothing costs", async () => {
    const reply = await ask(gateway, key.key, "openai-responses", stored);
    expect(reply.status).toBe(400);
    expect(errorOf(reply.text)).toMatchObject({ code: "not_carried", param: "previous_response_id" });
    expect(errorOf(reply.text).message).toContain("openai-responses");
    expect(upstream.requestsFor("stored")).toEqual([]);
    // Nobody's fault, and not free either: it was not served.
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "refused", cost_nano: null, source: "none" });
  });

  test("passes over a target that cannot, to one that can", async () => {
    upstream.on("either", json(200, spokenWhole("openai-responses", turn)));
    const reply = await ask(gateway, key.key, "openai-responses", { ...stored, model: "either" });
    expect(reply.status).toBe(200);
    expect(reply.headers.get("x-llm-proxy-provider")).toBe("mock-openai-responses");
    expect(reply.headers.get("x-llm-proxy-attempts")).toBe("1");
    expect(sentTo("either").json).toMatchObject({ previous_response_id: "resp_1" });
  });
});

describe("a route over providers of several dialects", () => {
  test.each(["anthropic-messages", "gemini"] as const)(
    "goes on from a stream that is empty, for %s",
    async (client) => {
      upstream.on("down", sse(""));
      upstream.on("up", sse(spokenStream("openai-chat", turn)));
      const reply = await ask(gateway, key.key, client, { model: "failing", stream: true });
      expect(endOf(client, reply.text)).toBe("whole");
      expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", provider: "mock-openai-chat" });
      const alone = await ask(gateway, key.key, client, { model: "mock-anthropic-messages/down", stream: true });
      expect(alone.status).toBe(502);
      expect(usageOf(gateway, alone.callId)).toMatchObject({ status: "upstream_error", cost_nano: 0 });
    },
  );

  test("falls back to one of another dialect", async () => {
    upstream.on(
      "down",
      sse('event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'),
    );
    upstream.on("up", sse(spokenStream("openai-chat", turn)));
    const reply = await ask(gateway, key.key, "openai-responses", { model: "failing", stream: true });
    expect(reply.status).toBe(200);
    expect(endOf("openai-responses", reply.text)).toBe("whole");
    expect(reply.text).not.toContain("busy");
    expect(reply.headers.get("x-llm-proxy-attempts")).toBe("2");
    expect(usageOf(gateway, reply.callId)).toMatchObject({
      status: "ok",
      provider: "mock-openai-chat",
      input_tokens: 10,
    });
  });
});

describe("what is asked of the upstream beside the client's words", () => {
  test("usage of a stream, and the cap under the upstream's name", async () => {
    upstream.on("asked", sse(spokenStream("openai-chat", turn)));
    const reply = await ask(gateway, key.key, "anthropic-messages", { model: "mock-openai-chat/asked", stream: true });
    expect(endOf("anthropic-messages", reply.text)).toBe("whole");
    const { json: body, request } = sentTo("asked");
    expect(body).toMatchObject({
      model: "asked",
      max_tokens: 1_000,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(body["max_completion_tokens"]).toBeUndefined();
    expect(Object.keys(request.headers).filter((name) => name.startsWith("anthropic"))).toEqual([]);
  });

  test("the cap that a budget holds for", async () => {
    upstream.on("budgeted", anthropicWhole);
    const budgeted = await gateway.createKey({ budget: { usd: 1, window: "day" } });
    const reply = await ask(gateway, budgeted.key, "openai-chat", { model: "mock-anthropic-messages/budgeted" });
    expect(reply.status).toBe(200);
    expect(sentTo("budgeted").json).toMatchObject({ max_tokens: 16_384 });
    expect(warningsOf(reply)).toContain("16384");
  });

  test("what cannot be said is named once", async () => {
    upstream.on("warned", anthropicWhole);
    const more = { seed: 7, logit_bias: { 1: 1 }, frequency_penalty: 1 };
    const reply = await ask(gateway, key.key, "openai-chat", { model: "mock-anthropic-messages/warned", more });
    expect(reply.status).toBe(200);
    expect(warningsOf(reply).split("logit_bias")).toHaveLength(2);
    expect(sentTo("warned").json).not.toHaveProperty("logit_bias");
  });

  test("nothing of a request that its own dialect does not allow", async () => {
    const reply = await ask(gateway, key.key, "openai-chat", {
      model: "mock-anthropic-messages/invalid",
      more: { messages: [{ role: "nobody", content: "x" }] },
    });
    expect(reply.status).toBe(400);
    expect(errorOf(reply.text).param).toBe("messages[0].role");
    expect(upstream.requestsFor("invalid")).toEqual([]);
  });
});

describe("tools", () => {
  const patch = { type: "custom", name: "apply.patch", description: "Applies a patch." };
  const text = '*** Begin\n+ "é" \u{1f600}\n';

  test("that take free text are functions for the target, under a name that it allows, and themselves again in the answer", async () => {
    const answering = (exchange: Exchange) => {
      const [tool] = exchange.json["tools"] as { name: string }[];
      const calls = [{ id: "toolu_1", name: tool?.name ?? "", args: { input: text } }];
      return sse(spokenStream("anthropic-messages", { calls, usage: turn.usage }))(exchange);
    };
    upstream.on("custom", answering);
    const reply = await ask(gateway, key.key, "openai-responses", {
      model: "mock-anthropic-messages/custom",
      stream: true,
      more: { tools: [patch] },
    });
    expect(sentTo("custom").json).toMatchObject({
      tools: [{ name: expect.stringMatching(/^apply_patch_[0-9a-f]+$/), input_schema: { required: ["input"] } }],
    });
    const events = eventsOf(reply.text).map(({ data }) => JSON.parse(data));
    const deltas = events.filter(({ type }) => type === "response.custom_tool_call_input.delta");
    expect(deltas.length).toBeGreaterThan(2);
    expect(deltas.map(({ delta }) => delta).join("")).toBe(text);
    expect(events.at(-1).response.output).toMatchObject([
      { type: "custom_tool_call", call_id: "toolu_1", name: "apply.patch", input: text },
    ]);
  });
});

describe("a client from before tools had ids", () => {
  const calls = [{ id: "toolu_1", name: "get_time", args: { city: "Paris" } }];
  const more = { functions: [{ name: "get_time", parameters: { type: "object" } }] };
  const calling: Turn = { calls, usage: turn.usage };

  test("gets its call as a function_call, and its result finds the call", async () => {
    upstream.on("legacy", json(200, spokenWhole("anthropic-messages", calling)));
    upstream.on("legacy-stream", sse(spokenStream("anthropic-messages", calling)));
    upstream.on("legacy-again", anthropicWhole);
    const asked = { model: "mock-anthropic-messages/legacy", more };
    const [choice] = JSON.parse((await ask(gateway, key.key, "openai-chat", asked)).text).choices;
    const called = { name: "get_time", arguments: '{"city":"Paris"}' };
    expect(choice).toMatchObject({ finish_reason: "function_call", message: { function_call: called } });
    expect(choice.message).not.toHaveProperty("tool_calls");

    const streamed = { model: "mock-anthropic-messages/legacy-stream", stream: true, more };
    const events = eventsOf((await ask(gateway, key.key, "openai-chat", streamed)).text).slice(0, -1);
    const deltas = events.flatMap(({ data }) => JSON.parse(data).choices[0]?.delta.function_call ?? []);
    expect(deltas.map((delta) => delta.arguments).join("")).toBe(called.arguments);
    expect(deltas[0].name).toBe("get_time");

    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content: null, function_call: called },
      { role: "function", name: "get_time", content: "noon" },
    ];
    const again = { model: "mock-anthropic-messages/legacy-again", more: { ...more, messages } };
    expect((await ask(gateway, key.key, "openai-chat", again)).status).toBe(200);
    const told = toldIn("anthropic-messages", sentTo("legacy-again").json);
    expect(told.calls).toEqual([{ id: "call_0", name: "get_time", input: { city: "Paris" } }]);
    expect(told.results).toEqual([{ id: "call_0", text: "noon" }]);
  });
});

describe("signatures", () => {
  const signature = Buffer.from("signature-canary of the vendor").toString("base64");
  const thinking = { text: "thought-canary", signature };
  const calling: Turn = { thinking, calls: [{ id: "toolu_9", name: "f", args: {} }], usage: turn.usage };
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const history = [
    { role: "user", content: "hi" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "toolu_9", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "toolu_9", content: "ok" },
  ];

  test("that a client has no place for survive a restart, sealed, and for its account alone", async () => {
    upstream.on("thinks", json(200, spokenWhole("anthropic-messages", calling)));
    upstream.on("goes-on", anthropicWhole);
    upstream.on("of-another", anthropicWhole);
    for (const canary of ["signature-canary", "thought-canary", signature]) gateway.secrets.add(canary);
    await ask(gateway, key.key, "openai-chat", { model: "mock-anthropic-messages/thinks", more: { tools } });
    await until(
      "the vault is written",
      () => gateway.sql("select 1 from plugin_state where namespace = 'core/signatures'").length > 0,
    );
    await gateway.restart();
    for (const name of readdirSync(gateway.dataDir))
      expect(readFileSync(join(gateway.dataDir, name)).includes("-canary")).toBe(false);
    const more = { tools, messages: history };
    const reply = await ask(gateway, key.key, "openai-chat", { model: "mock-anthropic-messages/goes-on", more });
    expect(reply.status).toBe(200);
    expect(toldIn("anthropic-messages", sentTo("goes-on").json).signatures).toEqual([signature]);

    const account = await gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "other" });
    const stranger = await gateway.admin<{ key: string }>("POST", "/api/keys", { name: "s", accountId: account.id });
    gateway.secrets.add(stranger.key);
    await ask(gateway, stranger.key, "openai-chat", { model: "mock-anthropic-messages/of-another", more });
    expect(toldIn("anthropic-messages", sentTo("of-another").json).signatures).toEqual([]);
  });

  test("of another vendor are taken out of a history that goes to a target of the client's own dialect", async () => {
    upstream.on("elsewhere", json(200, spokenWhole("openai-responses", calling)));
    upstream.on("at-home", anthropicWhole);
    const first = await ask(gateway, key.key, "anthropic-messages", { model: "mock-openai-responses/elsewhere" });
    const { content } = JSON.parse(first.text);
    expect(content).toMatchObject([
      { type: "thinking", thinking: "thought-canary" },
      { type: "redacted_thinking" },
      { type: "tool_use", id: "toolu_9" },
    ]);
    expect(first.text).not.toContain(signature);
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_9", content: "ok" }] },
    ];
    const reply = await ask(gateway, key.key, "anthropic-messages", {
      model: "mock-anthropic-messages/at-home",
      more: { messages },
    });
    expect(reply.status).toBe(200);
    const [, assistant] = sentTo("at-home").json["messages"] as { content: { type: string }[] }[];
    expect(assistant?.content.map(({ type }) => type)).toEqual(["tool_use"]);
  });
});

describe("operations", () => {
  test("tokens are estimated where the provider cannot count them: no attempt, no cost, and a word about it", async () => {
    const asked = upstream.log.length;
    const reply = await ask(
      gateway,
      key.key,
      "anthropic-messages",
      { model: "mock-openai-chat/any", more: { messages: [{ role: "user", content: "x".repeat(4_000) }] } },
      { path: "/v1/messages/count_tokens" },
    );
    expect(reply.status).toBe(200);
    const { input_tokens: tokens } = JSON.parse(reply.text);
    expect(tokens).toBeGreaterThan(1_000);
    expect(tokens).toBeLessThan(1_100);
    expect(warningsOf(reply)).toContain("estimate");
    expect(upstream.log.length).toBe(asked);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", cost_nano: 0 });
  });

  test("the echo has no way to count either", async () => {
    const path = "/v1/messages/count_tokens";
    const reply = await ask(gateway, key.key, "anthropic-messages", { model: "echo" }, { path });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.text)).toEqual({ input_tokens: expect.any(Number) });
  });

  test("what no dialect of the provider has is a 400", async () => {
    const { embeddings } = dialects.get("openai-chat")?.operations ?? {};
    if (embeddings === undefined) return;
    const body = { model: "mock-anthropic-messages/e", more: { input: "x" } };
    const reply = await ask(gateway, key.key, "openai-chat", body, { path: "/v1/embeddings" });
    expect(reply.status).toBe(400);
    expect(errorOf(reply.text)).toMatchObject({ code: "operation_not_offered" });
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "refused", cost_nano: null });
  });
});

describe("a provider that answers canonical calls itself", () => {
  test.each([...dialects.keys()])("speaks to a client of %s in its dialect", async (dialect) => {
    const reply = await ask(gateway, key.key, dialect, { model: "echo", stream: true });
    expect(reply.status).toBe(200);
    expect(endOf(dialect, reply.text)).toBe("whole");
    const midway = await ask(gateway, key.key, dialect, { model: "echo/fail-midway", stream: true });
    expect(endOf(dialect, midway.text)).toBe("error");
  });
});

describe("a Gemini client that streams without alt=sse", () => {
  const arrayOf = async (target: string, script: Script) => {
    const model = `array-${target}-${++arrays}`;
    upstream.on(model, script);
    const path = `/v1beta/models/mock-${target}/${model}:streamGenerateContent`;
    const reply = await ask(gateway, key.key, "gemini", { model }, { path });
    expect(reply.headers.get("content-type")).toStartWith("application/json");
    return { chunks: JSON.parse(reply.text) as Record<string, unknown>[], callId: reply.callId };
  };
  let arrays = 0;

  test.each([...dialects.keys()])("gets one array of a provider of %s", async (target) => {
    const { chunks, callId } = await arrayOf(target, sse(spokenStream(target, turn)));
    expect(JSON.stringify(chunks)).toContain('"finishReason":"STOP"');
    expect(usageOf(gateway, callId)).toMatchObject({ status: "ok", input_tokens: 10, output_tokens: 5 });
  });

  test("gets a valid array of an answer that breaks off", async () => {
    const [opening = ""] = spokenStream("anthropic-messages", turn).split("event: message_delta");
    const { chunks, callId } = await arrayOf("anthropic-messages", sse(opening));
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.at(-1)).toMatchObject({ error: { code: 502, message: expect.stringContaining("broke off") } });
    expect(usageOf(gateway, callId)).toMatchObject({ status: "upstream_error" });
  });

  test("of a model that answers by itself too", async () => {
    const path = "/v1beta/models/echo:streamGenerateContent";
    const reply = await ask(gateway, key.key, "gemini", { model: "echo" }, { path });
    expect(JSON.parse(reply.text)).toBeArray();
  });
});

test("what our credential is, no client learns from a provider that repeats it", async () => {
  const repeated: Turn = { ...turn, text: setup.upstreamKey };
  // In one piece, as a provider would.
  upstream.on("repeats", json(200, spokenWhole("openai-chat", repeated)));
  for (const stream of [true, false]) {
    const reply = await ask(gateway, key.key, "anthropic-messages", { model: "mock-openai-chat/repeats", stream });
    expect(reply.text).toContain("***");
    expect(reply.text).not.toContain(setup.upstreamKey);
  }
});

test("a client that leaves is charged what the provider then reports", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const [before = "", ...after] = spokenStream("anthropic-messages", turn).split(/(?=event: message_delta)/);
  upstream.on("left", stalled(before, released, after.join("")));
  await sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock-anthropic-messages/left", { stream: true })),
    leaveWhen: (received) => received.includes("hello"),
  });
  await taken();
  release();
  await until(
    "its row",
    () => gateway.sql("select 1 from v_usage where upstream_model = 'left' and status = 'client_aborted'").length > 0,
  );
  const [row] = gateway.sql<{ call_id: string }>("select call_id from v_usage where upstream_model = 'left'");
  expect(usageOf(gateway, row?.call_id ?? "")).toMatchObject({ source: "drained", input_tokens: 10, output_tokens: 5 });
});

test("Claude Code's header for accounting goes to no other vendor", async () => {
  upstream.on("agent", openaiWhole);
  const system = [
    { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.197; cch=1a2b3;" },
    { type: "text", text: "You are an agent.", cache_control: { type: "ephemeral" } },
  ];
  await ask(gateway, key.key, "anthropic-messages", { model: "mock-openai-chat/agent", more: { system } });
  expect(sentTo("agent").request.body.toString()).not.toContain("billing");
  expect(sentTo("agent").json).toMatchObject({ messages: [{ role: "system" }, { role: "user" }] });
});
