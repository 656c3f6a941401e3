import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { hash } from "node:crypto";
import type { DialectName } from "../../core/dialects/dialect.ts";
import type { Reply } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { startGateway } from "../support/process.ts";
import { json } from "../support/scripts.ts";
import { spokenWhole } from "../support/spoken.ts";
import { startUpstream } from "../support/upstream.ts";

/** What vendors refuse although their protocol has it does not reach them from clients of another protocol. */

const vendors = ["openai", "groq", "mistral", "deepseek", "xai", "cerebras", "openrouter"] as const;
const upstream = await startUpstream();
const gateway = await startGateway({
  config: [
    "provider:",
    ...vendors.map(
      (vendor) => `  mock-${vendor}: { use: ${vendor}, apiKey: k, baseUrl: "${upstream.baseUrl}/${vendor}" }`,
    ),
    `  mock-other: { use: openai-compatible, baseUrl: "${upstream.baseUrl}/other" }`,
    `  mock-strict: { use: openai-compatible, baseUrl: "${upstream.baseUrl}/strict", refuses: [user, temperature] }`,
    "prices:",
    ...[...vendors, "other", "strict"].map((name) => `  - { target: "mock-${name}/*", input: 1, output: 2 }`),
  ].join("\n"),
});
const { key } = await gateway.createKey();
afterEach(() => invariants({ gateway, upstream }));
afterAll(async () => {
  await gateway.dispose();
  await upstream.stop();
});

const turn = { text: "ok", usage: { input: 3, output: 1 } };

interface Sent {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The roles of its messages. */
  readonly roles: readonly unknown[];
  readonly warnings: readonly string[];
}

async function sent(client: DialectName, model: string, more: Readonly<Record<string, unknown>>): Promise<Sent> {
  const name = model.slice(model.indexOf("/") + 1);
  upstream.on(name, (exchange) => {
    const spoken = exchange.request.start.includes("/responses") ? "openai-responses" : "openai-chat";
    return json(200, spokenWhole(spoken, turn))(exchange);
  });
  const reply = await ask(gateway, key, client, { model: `mock-${model}`, more });
  expect(reply.status).toBe(200);
  const exchange = upstream.requestsFor(name).at(-1);
  if (!exchange) throw new Error("nothing was sent");
  const body = exchange.json;
  const messages = (body["messages"] ?? body["input"]) as readonly { readonly role?: unknown }[];
  return {
    path: exchange.request.start.split(" ")[1] ?? "",
    body,
    roles: Array.isArray(messages) ? messages.map(({ role }) => role) : [],
    warnings: warningsOf(reply),
  };
}

const warningsOf = ({ headers }: Reply): readonly string[] => {
  const text = headers.get("x-llm-proxy-warnings");
  return text === null ? [] : text.split(/; (?!left out)/);
};

const user = `user_${"0".repeat(64)}_account_${"1".repeat(36)}_session_${"2".repeat(32)}`;
const hashed = hash("sha256", user, "hex");
const shortened = "the end user's id is sent as its SHA-256, because it is longer than 64 characters";
const refused = (setting: string) => `${setting} is left out, because the provider refuses it`;
const noReasoning = "the reasoning of earlier turns is left out, because the provider refuses it";

/** A later turn as Claude Code says it, after another vendor's model thought. */
const laterTurn = {
  metadata: { user_id: user },
  top_k: 40,
  messages: [
    { role: "user", content: "weather?" },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "I look it up.", signature: "" },
        { type: "text", text: "It is sunny." },
      ],
    },
    { role: "user", content: "And tomorrow?" },
  ],
};

describe("a later turn of an Anthropic client", () => {
  const rows: readonly (readonly [
    model: string,
    has: Readonly<Record<string, unknown>>,
    hasNot: readonly string[],
    reasoning: Readonly<Record<string, string>>,
    warnings: readonly string[],
  ])[] = [
    ["openai/gpt-4o", { user: hashed }, ["top_k"], {}, [refused("topK"), shortened, noReasoning]],
    ["groq/llama-3.3-70b-versatile", { user: hashed }, ["top_k"], {}, [refused("topK"), shortened, noReasoning]],
    ["mistral/mistral-large", {}, ["top_k", "user"], {}, [refused("topK"), refused("user"), noReasoning]],
    [
      "deepseek/deepseek-chat",
      { user: hashed },
      ["top_k"],
      { reasoning_content: "I look it up." },
      [refused("topK"), shortened],
    ],
    ["xai/grok-4", { user: hashed }, ["top_k"], { reasoning_content: "I look it up." }, [refused("topK"), shortened]],
    ["cerebras/zai-glm", { user: hashed }, ["top_k"], { reasoning: "I look it up." }, [refused("topK"), shortened]],
    ["other/qwen3", { user: hashed, top_k: 40 }, [], { reasoning_content: "I look it up." }, [shortened]],
  ];

  test.each(rows)("%s", async (model, has, hasNot, reasoning, warnings) => {
    const { body, warnings: told } = await sent("anthropic-messages", model, laterTurn);
    expect(body).toMatchObject(has);
    for (const field of hasNot) expect(body).not.toHaveProperty(field);
    expect(body["messages"]).toEqual([
      { role: "user", content: "weather?" },
      { role: "assistant", content: "It is sunny.", ...reasoning },
      { role: "user", content: "And tomorrow?" },
    ]);
    expect(told).toEqual(warnings);
  });

  test("a short id of the end user is sent as it is", async () => {
    const more = { metadata: { user_id: "u".repeat(64) } };
    const { body, warnings } = await sent("anthropic-messages", "other/short", more);
    expect([body["user"], warnings]).toEqual(["u".repeat(64), []]);
  });

  test("a message of nothing but reasoning goes with it", async () => {
    const [asked, , again] = laterTurn.messages;
    const thought = { role: "assistant", content: [{ type: "thinking", thinking: "Hm.", signature: "" }] };
    const { roles } = await sent("anthropic-messages", "mistral/thought", { messages: [asked, thought, again] });
    expect(roles).toEqual(["user", "user"]);
  });

  test("leaves out what the file says that a server refuses", async () => {
    const more = { metadata: { user_id: "me" }, temperature: 0.5, top_p: 0.5 };
    const { body, warnings } = await sent("anthropic-messages", "strict/m", more);
    expect(body).toMatchObject({ top_p: 0.5 });
    expect(body).not.toHaveProperty("user");
    expect(body).not.toHaveProperty("temperature");
    expect(warnings).toEqual([refused("user"), refused("temperature")]);
  });
});

describe("a developer message of a Responses client", () => {
  const input = [
    { role: "developer", content: "Be brief." },
    { role: "user", content: "hi" },
  ];
  test.each([
    ["groq/d", "system"],
    ["mistral/d", "system"],
    ["deepseek/d", "system"],
    ["other/d", "system"],
    ["openrouter/d", "developer"],
  ])("to %s is one of %s", async (model, role) => {
    const { roles, warnings } = await sent("openai-responses", model, { input });
    expect([roles, warnings]).toEqual([[role, "user"], []]);
  });

  test("stays what it is where nothing is translated", async () => {
    const { roles } = await sent("openai-responses", "openai/d", { input });
    expect(roles).toEqual(["developer", "user"]);
    const messages = [{ role: "developer", content: "Be brief." }];
    const relayed = await sent("openai-chat", "deepseek/relayed", {
      messages,
      top_k: 1,
      user,
      stop: ["a", "b", "c", "d", "e"],
    });
    expect(relayed.body).toEqual({ model: "relayed", messages, top_k: 1, user, stop: ["a", "b", "c", "d", "e"] });
    expect(relayed.warnings).toEqual([]);
  });
});

test("settings that a vendor does not list are left out, each named", async () => {
  const more = {
    prompt_cache_key: "k",
    text: { verbosity: "low" },
    service_tier: "auto",
    include: ["message.output_text.logprobs"],
  };
  const groq = await sent("openai-responses", "groq/settings", more);
  for (const field of ["prompt_cache_key", "verbosity", "logprobs"]) expect(groq.body).not.toHaveProperty(field);
  expect(groq.warnings).toEqual(["logprobs", "verbosity", "cacheKey"].map(refused));
  const mistral = await sent("openai-responses", "mistral/settings", more);
  for (const field of ["service_tier", "verbosity", "logprobs"]) expect(mistral.body).not.toHaveProperty(field);
  expect(mistral.body).toMatchObject({ prompt_cache_key: "k" });
  expect(mistral.warnings).toEqual(["logprobs", "verbosity", "serviceTier"].map(refused));
});

test("no more stop sequences are sent than a vendor takes", async () => {
  const stop = ["a", "b", "c", "d", "e"];
  const { body, warnings } = await sent("anthropic-messages", "groq/stop", { stop_sequences: stop });
  expect(body["stop"]).toEqual(stop.slice(0, 4));
  expect(warnings).toEqual(["more than 4 stop sequences are left out, because the provider refuses them"]);
  const other = await sent("anthropic-messages", "other/stop", { stop_sequences: stop });
  expect([other.body["stop"], other.warnings]).toEqual([stop, []]);
});

test("a model of OpenAI's is asked for what it takes", async () => {
  const more = { thinking: { type: "disabled" }, temperature: 0.5 };
  const { body, warnings } = await sent("anthropic-messages", "openai/gpt-5-mini", more);
  expect(body).toMatchObject({ reasoning_effort: "minimal" });
  expect(body).not.toHaveProperty("temperature");
  expect(warnings).toEqual([
    "the effort is minimal, because gpt-5-mini does not take none",
    "temperature is left out, because gpt-5-mini does not take it",
  ]);
  // Of a compatible server's models nothing is known.
  const { body: elsewhere } = await sent("anthropic-messages", "other/qwen3-thinks", more);
  expect(elsewhere).toMatchObject({ reasoning_effort: "none", temperature: 0.5 });
});

test("a cap above what the model can write is lowered to that, from another protocol only", async () => {
  const { body, warnings } = await sent("anthropic-messages", "openai/gpt-4o-mini", { max_tokens: 32_000 });
  expect(body).toMatchObject({ max_completion_tokens: 16_384 });
  expect(warnings).toEqual(["max output tokens lowered from 32000 to 16384, the most that gpt-4o-mini can write"]);
  const relayed = await sent("openai-chat", "openai/gpt-4o-2024-11-20", { max_completion_tokens: 32_000 });
  expect([relayed.body, relayed.warnings]).toMatchObject([{ max_completion_tokens: 32_000 }, []]);
});

describe("a model of OpenAI's that reasons, with functions", () => {
  const lookUp = { name: "look_up", description: "Looks it up.", input_schema: { type: "object" } };
  const more = { tools: [lookUp], thinking: { type: "enabled", budget_tokens: 4_000 }, max_tokens: 8_000 };

  test("is asked in Responses, and stores nothing there", async () => {
    const { path, body } = await sent("anthropic-messages", "openai/gpt-5.4", more);
    expect(path).toEndWith("/responses");
    expect(body).toMatchObject({
      store: false,
      include: ["reasoning.encrypted_content"],
      reasoning: { effort: "medium" },
      tools: [{ type: "function", name: "look_up" }],
    });
  });

  test("is asked in chat completions without them", async () => {
    const { path } = await sent("anthropic-messages", "openai/gpt-5.4-mini", { ...more, tools: [] });
    expect(path).toEndWith("/chat/completions");
  });
});
