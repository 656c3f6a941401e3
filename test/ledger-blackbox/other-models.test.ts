import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { usageOf } from "../support/rows.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** A body that names more models than the one it asks for: nobody gets at one that is not allowed, or pays another's price. */

const setup = await setUp({
  dialects: ["openai-chat", "anthropic-messages", "openai-responses"],
  config: [
    "  - { target: mock-openai-chat/dear, input: 10, output: 20 }",
    "  - { target: mock-openai-chat/late, input: 1, output: 2, contextTiers: [{ above: 200000, input: 2 }] }",
    "  - { target: mock-anthropic-messages/dear, input: 10, output: 20 }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const advisor = (model: string) => ({ tools: [{ type: "advisor_20260301", name: "advisor", model }] });
const message = (model: string, more: object) => ({ ...chat(model), max_tokens: 2_000, ...more });
const messages = { path: "/v1/messages" } as const;

upstream.on("plain", answers());
upstream.on(
  "adviced",
  json(200, {
    id: "msg_other",
    type: "message",
    role: "assistant",
    model: "adviced",
    content: [{ type: "text", text: "hi" }],
    stop_reason: "end_turn",
    usage: {
      input_tokens: 1_000,
      output_tokens: 1_000,
      iterations: [
        { type: "message", input_tokens: 1_000, output_tokens: 1_000 },
        { type: "advisor_message", model: "even", input_tokens: 100_000, output_tokens: 10_000 },
      ],
    },
  }),
);

describe("a model of another price", () => {
  test.each([
    ["models", { models: ["plain", "dear"] }],
    ["models", { models: ["late"] }],
    ["fallbacks", { fallbacks: [{ model: "plain" }] }],
    ["fallbacks", { fallbacks: "default" }],
    ["plugins[0].model", { plugins: [{ id: "fusion", model: "dear" }] }],
    [
      "tools[1].model",
      {
        tools: [
          { type: "function", function: { name: "f" } },
          { type: "x:advisor", parameters: { model: "dear" } },
        ],
      },
    ],
  ])("in %s is refused before anything is sent", async (param, more) => {
    const reply = await call(gateway, key.key, chat("mock-openai-chat/plain", more));
    expect([reply.status, errorOf(reply.text).param]).toEqual([400, param]);
    expect(reply.text).toContain("alias");
    expect(upstream.requestsFor("plain")).toEqual([]);
  });

  test.each([
    ["tools[0].model", advisor("dear")],
    ["fallbacks", { fallbacks: [{ model: "even", max_tokens: 100_000 }] }],
  ])("in %s is refused in Anthropic's dialect too", async (param, more) => {
    const reply = await call(gateway, key.key, message("mock-anthropic-messages/adviced", more), messages);
    expect(reply.status).toBe(400);
    expect(reply.text).toContain(`'${param}'`);
    expect(upstream.requestsFor("adviced")).toEqual([]);
  });

  test("is refused under names that only providers in Go know", async () => {
    const plugins = [{ id: "fusion", Model: "dear" }];
    const reply = await call(gateway, key.key, chat("mock-openai-chat/plain", { plugins }));
    expect([reply.status, errorOf(reply.text).param]).toEqual([400, "plugins[0].Model"]);
    const tools = [{ type: "advisor_20260301", name: "advisor", MODEL: "dear" }];
    const advice = await call(gateway, key.key, message("mock-anthropic-messages/adviced", { tools }), messages);
    expect(advice.status).toBe(400);
    expect(advice.text).toContain("'tools[0].MODEL'");
    expect(upstream.log).toEqual([]);
  });

  test("does no harm where the target is not told of it", async () => {
    const more = { models: ["dear"], fallbacks: [{ model: "dear" }] };
    upstream.on("foreign", json(200, spokenWhole("openai-responses", { text: "hi", usage: { input: 10, output: 5 } })));
    const reply = await call(gateway, key.key, chat("mock-openai-responses/foreign", more));
    expect(reply.status).toBe(200);
    expect(upstream.requestsFor("foreign")[0]?.json).not.toHaveProperty("models");
  });
});

describe("a model of the same price", () => {
  test("is sent on as the client named it, and what it used is charged", async () => {
    const models = ["even", "plain"];
    const reply = await call(gateway, key.key, chat("mock-openai-chat/plain", { models }));
    expect(reply.status).toBe(200);
    expect(upstream.requestsFor("plain").at(-1)?.json).toMatchObject({ model: "plain", models });
    const adviced = await call(gateway, key.key, message("mock-anthropic-messages/adviced", advisor("even")), messages);
    expect(usageOf(gateway, adviced.callId)).toMatchObject({ input_tokens: 101_000, cost_nano: 123_000_000 });
  });

  test("is refused to a key that may not call it, on the provider that would run it", async () => {
    const held = await gateway.createKey({ models: ["mock-openai-chat/plain", "mock-anthropic-messages/adviced"] });
    const before = upstream.log.length;
    const other = await call(gateway, held.key, chat("mock-openai-chat/plain", { models: ["even"] }));
    expect([other.status, errorOf(other.text).code]).toEqual([403, "model_not_allowed"]);
    const advice = await call(gateway, held.key, message("mock-anthropic-messages/adviced", advisor("even")), messages);
    expect(advice.status).toBe(403);
    expect(upstream.log.length).toBe(before);
    const own = await call(gateway, held.key, chat("mock-openai-chat/plain", { models: ["plain"], fallbacks: [] }));
    expect(own.status).toBe(200);
  });
});

test("counting the tokens of a request runs none of them", async () => {
  upstream.on("counted", json(200, { input_tokens: 9 }));
  const counted = { path: "/v1/messages/count_tokens" };
  const reply = await call(
    gateway,
    key.key,
    { ...chat("mock-anthropic-messages/counted"), ...advisor("dear") },
    counted,
  );
  expect([reply.status, JSON.parse(reply.text)]).toEqual([200, { input_tokens: 9 }]);
});
