import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { marked } from "../../core/pipeline/translate/signatures.ts";
import { call, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { usageOf } from "../support/rows.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Operations other than chat, between clients and providers of different dialects. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const sent = (model: string) => {
  const [exchange] = upstream.requestsFor(model);
  if (!exchange) throw new Error(`nothing was sent to ${model}`);
  return { path: exchange.request.start.split(" ")[1], body: exchange.json };
};

describe("embeddings", () => {
  test("an OpenAI client's, of a provider that speaks Gemini", async () => {
    const embeddings = [{ values: [0.5, -1] }, { values: [2, 0.25] }];
    upstream.on("vectors", json(200, { embeddings, usageMetadata: { promptTokenCount: 12 } }));
    const asked = { model: "mock-gemini/vectors", input: ["one", "two"], dimensions: 2 };
    const reply = await call(gateway, key.key, asked, { path: "/v1/embeddings" });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.text)).toMatchObject({
      object: "list",
      model: "mock-gemini/vectors",
      data: [
        { object: "embedding", index: 0, embedding: [0.5, -1] },
        { object: "embedding", index: 1, embedding: [2, 0.25] },
      ],
    });
    expect(sent("vectors").path).toEndWith("/models/vectors:batchEmbedContents");
    expect(JSON.stringify(sent("vectors").body)).toContain('"text":"two"');
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", operation: "embeddings", output_tokens: 0 });
  });

  test.each(["base64", "float"])(
    "come in the form that the client asked for, and no warning says otherwise: %s",
    async (form) => {
      const model = `vectors-${form}`;
      upstream.on(model, json(200, { embeddings: [{ values: [0.5, -1] }], usageMetadata: { promptTokenCount: 1 } }));
      const asked = { model: `mock-gemini/${model}`, input: "one", encoding_format: form };
      const reply = await call(gateway, key.key, asked, { path: "/v1/embeddings" });
      const bytes = Buffer.from(new Float32Array([0.5, -1]).buffer);
      const embedding = form === "base64" ? bytes.toString("base64") : [0.5, -1];
      expect(JSON.parse(reply.text)).toMatchObject({ data: [{ embedding }] });
      expect(reply.headers.get("x-llm-proxy-warnings")).toBeNull();
    },
  );

  test("whose usage nobody told are said to be what they are estimated and charged as", async () => {
    upstream.on("untold", json(200, { embeddings: [{ values: [0.5] }] }));
    const asked = { model: "mock-gemini/untold", input: "How many tokens are these?" };
    const reply = await call(gateway, key.key, asked, { path: "/v1/embeddings" });
    const row = usageOf(gateway, reply.callId);
    expect(row).toMatchObject({ status: "ok", source: "estimated" });
    expect(row.input_tokens).toBeGreaterThan(0);
    expect(JSON.parse(reply.text).usage).toEqual({ prompt_tokens: row.input_tokens, total_tokens: row.input_tokens });
  });

  test("a Gemini client's, of a provider that speaks OpenAI's", async () => {
    const data = [{ object: "embedding", index: 0, embedding: [1, 2, 3] }];
    const usage = { prompt_tokens: 7, total_tokens: 7 };
    upstream.on("openai-vectors", json(200, { object: "list", model: "m", data, usage }));
    const path = "/v1beta/models/mock-openai-chat/openai-vectors:embedContent";
    const reply = await call(gateway, key.key, { content: { parts: [{ text: "hello" }] } }, { path });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.text)).toMatchObject({ embedding: { values: [1, 2, 3] } });
    expect(sent("openai-vectors").body).toMatchObject({ model: "openai-vectors", input: ["hello"] });
    expect(usageOf(gateway, reply.callId)).toMatchObject({
      status: "ok",
      source: "provider",
      input_tokens: 7,
      cost_nano: 7_000,
    });
  });

  test.each([
    [
      "a refusal",
      json(429, { error: { code: 429, message: "slow down", status: "RESOURCE_EXHAUSTED" } }),
      429,
      "slow down",
    ],
    ["no answer", json(200, { hello: 1 }), 502, ""],
    ["no JSON", json(200, "<html>"), 502, ""],
  ])("%s is told in the client's dialect", async (what, script, status, message) => {
    const model = what.replaceAll(" ", "-");
    upstream.on(model, script);
    const asked = { model: `mock-gemini/${model}`, input: "x" };
    const reply = await call(gateway, key.key, asked, { path: "/v1/embeddings" });
    expect(reply.status).toBe(status);
    expect(errorOf(reply.text).message).toContain(message);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", cost_nano: 0 });
  });

  test("of a provider of none of the dialects that have them", async () => {
    const path = "/v1beta/models/mock-anthropic-messages/e:embedContent";
    const reply = await call(gateway, key.key, { content: { parts: [{ text: "hello" }] } }, { path });
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.text)).toMatchObject({ error: { code: 400, status: "INVALID_ARGUMENT" } });
  });
});

describe("counts of tokens", () => {
  const system = "You count.";
  const messages = [{ role: "user", content: "How many?" }];

  test("an Anthropic client's, by a provider that speaks Gemini, for nothing", async () => {
    upstream.on("counts", json(200, { totalTokens: 31 }));
    const asked = { model: "mock-gemini/counts", system, messages };
    const reply = await call(gateway, key.key, asked, { path: "/v1/messages/count_tokens" });
    expect(JSON.parse(reply.text)).toEqual({ input_tokens: 31 });
    expect(sent("counts").path).toEndWith("/models/counts:countTokens");
    expect(JSON.stringify(sent("counts").body)).toContain("How many?");
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", operation: "count-tokens", cost_nano: 0 });
  });

  test("a Gemini client's, by Anthropic, for nothing", async () => {
    upstream.on("claude-counts", json(200, { input_tokens: 17 }));
    const path = "/v1beta/models/mock-anthropic-messages/claude-counts:countTokens";
    const asked = { contents: [{ role: "user", parts: [{ text: "How many?" }] }] };
    const reply = await call(gateway, key.key, asked, { path });
    expect(JSON.parse(reply.text)).toMatchObject({ totalTokens: 17 });
    expect(sent("claude-counts").path).toEndWith("/messages/count_tokens");
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", cost_nano: 0 });
  });

  test("a Gemini client's, of what Anthropic takes of the call itself, with the same words for what it does not", async () => {
    const signed = { thoughtSignature: "QUJD" };
    const asked = {
      contents: [
        { role: "user", parts: [{ text: "Look twice." }] },
        {
          role: "model",
          parts: [
            { text: "Hm.", thought: true, ...signed },
            { functionCall: { name: "shop.items:find", args: {} }, ...signed },
          ],
        },
        { role: "user", parts: [{ functionResponse: { name: "shop.items:find", response: { output: "none" } } }] },
      ],
      tools: [{ functionDeclarations: [{ name: "shop.items:find", response: { type: "STRING" } }] }],
    };
    const usage = { input_tokens: 17, output_tokens: 1 };
    const answer = { id: "m", type: "message", role: "assistant", content: [], stop_reason: "end_turn", usage };
    upstream.on("as-counted", json(200, { input_tokens: 17 }));
    upstream.on("as-called", json(200, answer));
    const at = (model: string) => ({ path: `/v1beta/models/mock-anthropic-messages/${model}` });
    const counted = await call(gateway, key.key, asked, at("as-counted:countTokens"));
    const called = await call(gateway, key.key, asked, at("as-called:generateContent"));
    const { model: _model, ...body } = Object(sent("as-counted").body);
    expect(sent("as-called").body).toMatchObject(body);
    expect(JSON.stringify(body)).not.toContain("shop.items:find");
    expect(JSON.stringify(body)).not.toContain("QUJD");
    const lost = "anthropic-messages cannot say what a tool returns; left out";
    expect(counted.headers.get("x-llm-proxy-warnings")).toBe(lost);
    expect(called.headers.get("x-llm-proxy-warnings")).toContain(lost);
  });

  test("what only the client's own provider runs is not counted, and is named", async () => {
    upstream.on("no-search", json(200, { input_tokens: 17 }));
    const path = "/v1beta/models/mock-anthropic-messages/no-search:countTokens";
    const contents = [{ role: "user", parts: [{ text: "How many?" }] }];
    const reply = await call(gateway, key.key, { contents, tools: [{ googleSearch: {} }] }, { path });
    expect(JSON.parse(reply.text)).toMatchObject({ totalTokens: 17 });
    expect(reply.headers.get("x-llm-proxy-warnings")).toContain("a tool that another provider runs");
  });

  test("another vendor's signatures are not sent to be counted either where nothing else is translated", async () => {
    const thinking = { type: "thinking", thinking: "Hm.", signature: marked("gemini", "QUJD") };
    const said = { role: "assistant", content: [thinking, { type: "text", text: "Two." }] };
    upstream.on("own-counts", json(200, { input_tokens: 17 }));
    const asked = { model: "mock-anthropic-messages/own-counts", system, messages: [...messages, said, ...messages] };
    const reply = await call(gateway, key.key, asked, { path: "/v1/messages/count_tokens" });
    expect(JSON.parse(reply.text)).toEqual({ input_tokens: 17 });
    expect(JSON.stringify(sent("own-counts").body)).not.toContain("signature");
    expect(JSON.stringify(sent("own-counts").body)).toContain("Two.");
  });

  test("an error that comes as an answer is one, also where nothing is translated", async () => {
    const contents = [{ role: "user", parts: [{ text: "How many?" }] }];
    const paths = {
      "mock-anthropic-messages/bad-count": [
        "/v1/messages/count_tokens",
        { type: "error", error: { type: "api_error" } },
      ],
      "mock-gemini/bad-count": ["/v1beta/models/mock-gemini/bad-count:countTokens", { error: { code: 500 } }],
    } as const;
    for (const [model, [path, answer]] of Object.entries(paths)) {
      upstream.on("bad-count", json(200, answer));
      const asked = path.endsWith("countTokens") ? { contents } : { model, system, messages };
      const reply = await call(gateway, key.key, asked, { path });
      expect(reply.status).toBe(502);
      expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", source: "none" });
    }
  });

  test("a Gemini client's, estimated where the provider cannot", async () => {
    const path = "/v1beta/models/mock-openai-chat/none:countTokens";
    const asked = { contents: [{ role: "user", parts: [{ text: "x".repeat(400) }] }] };
    const reply = await call(gateway, key.key, asked, { path });
    expect(JSON.parse(reply.text).totalTokens).toBeWithin(100, 140);
    expect(reply.headers.get("x-llm-proxy-warnings")).toContain("estimate");
    expect(upstream.requestsFor("none")).toEqual([]);
  });
});
