import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import type { ErrorBody } from "../../../core/dialects/dialect.ts";

const { relay, readEnvelope } = anthropicMessages;
const messages = [{ role: "user", content: "hi" }];
const usageOf = (usage: JsonObject) => relay.meterResponse({ content: [], usage }).usage;

describe("usage", () => {
  test("input is the sum of fresh, read and written; hours apart", () => {
    const usage = usageOf({
      input_tokens: 6,
      cache_read_input_tokens: 6_000,
      cache_creation_input_tokens: 283,
      cache_creation: { ephemeral_5m_input_tokens: 83, ephemeral_1h_input_tokens: 200 },
      output_tokens: 9,
      output_tokens_details: { thinking_tokens: 4 },
      service_tier: "batch",
    });
    expect(usage).toMatchObject({
      usage: {
        inputTokens: 6_289,
        cacheReadTokens: 6_000,
        cacheWriteTokens: 283,
        cacheWrite1hTokens: 200,
        outputTokens: 9,
        reasoningTokens: 4,
      },
      anomalous: false,
      serviceTier: "batch",
    });
  });

  test("advice of another model and compaction are added; steps of the message are in its totals", () => {
    const iterations = [
      { type: "message", input_tokens: 10, output_tokens: 1 },
      { type: "compaction", input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 5 },
      { type: "advisor_message", input_tokens: 1_000, output_tokens: 300 },
    ];
    expect(usageOf({ input_tokens: 10, output_tokens: 1, iterations })?.usage).toMatchObject({
      inputTokens: 1_115,
      outputTokens: 321,
      cacheReadTokens: 5,
    });
  });

  test("what cannot be true is brought into range and marked", () => {
    for (const [raw, expected] of [
      [
        { input_tokens: -1, output_tokens: 2 },
        { inputTokens: 0, outputTokens: 2 },
      ],
      [
        { input_tokens: "7", output_tokens: 1.5 },
        { inputTokens: 7, outputTokens: 2 },
      ],
      [
        { input_tokens: 1, output_tokens: [] },
        { inputTokens: 1, outputTokens: 0 },
      ],
      [
        { input_tokens: 1, output_tokens: 3, output_tokens_details: { thinking_tokens: 9 } },
        { outputTokens: 3, reasoningTokens: 3 },
      ],
      [
        {
          input_tokens: 1,
          output_tokens: 1,
          cache_creation_input_tokens: 2,
          cache_creation: { ephemeral_1h_input_tokens: 5 },
        },
        { cacheWriteTokens: 2, cacheWrite1hTokens: 2 },
      ],
      [
        { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 1, cache_read_input_tokens: 5 },
        { inputTokens: Number.MAX_SAFE_INTEGER },
      ],
    ] as const) {
      const usage = usageOf(raw);
      expect({ raw, usage: usage?.usage }).toMatchObject({ raw, usage: expected });
      expect(usage?.anomalous).toBe(true);
    }
  });

  test.each([
    [{}, undefined],
    [{ service_tier: "standard", speed: "standard", inference_geo: "global" }, "standard"],
    [{ service_tier: "standard", speed: "fast", inference_geo: "not_available" }, "fast"],
    [{ inference_geo: "us" }, "us"],
    [{ speed: "fast", inference_geo: "US" }, "fast-us"],
    [{ service_tier: "priority", inference_geo: "us" }, "priority"],
    [{ service_tier: null, speed: 7, inference_geo: null }, undefined],
  ])("%j is served as %p", (said, tier) => {
    expect(relay.meterResponse({ usage: { input_tokens: 1, output_tokens: 1, ...said } }).usage?.serviceTier).toBe(
      tier,
    );
  });

  test("without a count there is none", () => {
    expect(usageOf({})).toBeNull();
    expect(relay.meterResponse({ content: [] }).usage).toBeNull();
  });
});

describe("the envelope", () => {
  const inputOf = (body: JsonObject) => readEnvelope({ model: "m", max_tokens: 1, messages, ...body }, 1_000).input;
  const content = (...blocks: readonly JsonObject[]) => ({ messages: [{ role: "user", content: blocks }] });
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "A".repeat(100) } };

  test("images are counted without their bytes, also in the results of tools", () => {
    const inside = { type: "tool_result", tool_use_id: "t", content: [image] };
    expect(inputOf(content(image, inside))).toEqual({
      textBytes: 800,
      functionTools: 0,
      images: 2,
      audioBytes: 0,
      unbounded: false,
    });
    expect(
      inputOf(content({ type: "image", source: { type: "url", url: "https://example.com/a.png" } })),
    ).toMatchObject({
      textBytes: 1_000,
      images: 1,
      unbounded: false,
    });
  });

  test("tools of the client are counted, and what bytes do not bound is marked", () => {
    const tools = [{ name: "a" }, { type: "custom", name: "b" }];
    expect(inputOf({ tools })).toMatchObject({ functionTools: 2, unbounded: false });
    for (const body of [
      { tools: [...tools, { type: "bash_20250124", name: "bash" }] },
      { container: "c" },
      { mcp_servers: [{ type: "url" }] },
      { context_management: { edits: [{ type: "compact_20260112" }] } },
      content({ type: "document", source: { type: "base64", data: "" } }),
      content({ type: "server_tool_use", id: "s" }),
      { system: [{ type: "later" }] },
    ]) {
      expect({ body, unbounded: inputOf(body).unbounded }).toEqual({ body, unbounded: true });
    }
    for (const body of [
      { mcp_servers: [], container: null },
      { context_management: { edits: [{ type: "clear_thinking_20251015" }] } },
      content({ type: "document", source: { type: "text", data: "a" } }, { type: "thinking", thinking: "" }),
    ]) {
      expect({ body, unbounded: inputOf(body).unbounded }).toEqual({ body, unbounded: false });
    }
  });

  test("speed and geography at prices of their own are a tier", () => {
    const tierOf = (body: JsonObject) => readEnvelope({ model: "m", max_tokens: 1, messages, ...body }, 1).tier;
    const dialect = "anthropic-messages";
    expect(tierOf({ speed: "fast", inference_geo: "us" })).toEqual({ dialect, param: "speed", name: "fast-us" });
    expect(tierOf({ speed: "standard", inference_geo: "us" })).toEqual({ dialect, param: "inference_geo", name: "us" });
    expect(tierOf({ speed: "standard", inference_geo: "global" })).toBeUndefined();
    expect(tierOf({ speed: null })).toBeUndefined();
    expect(() => tierOf({ speed: 1 })).toThrow("'speed'");
  });

  test("a count of tokens needs no cap, and has no output", () => {
    const codec = anthropicMessages.operations["count-tokens"];
    for (const cap of [{}, { max_tokens: 9 }])
      expect(codec?.readEnvelope({ model: "m", messages, ...cap }, 1)).toMatchObject({
        maxOutputTokens: 0,
        stream: false,
      });
  });
});

describe("the relay", () => {
  const edit = { includeUsage: true, maxOutputTokens: 5, maxOutputTokensField: "max_completion_tokens" };

  test("sets the cap under the protocol's name, and spares every other byte", () => {
    const source = '{ "max_tokens" : 9007199254740993, "model":"a\\u0062" , "x":1.0 }';
    expect(relay.editRequest(source, { ...edit, model: "ab" })).toBe(
      '{ "max_tokens" : 5, "model":"a\\u0062" , "x":1.0 }',
    );
    expect(relay.editRequest('{"model":"a"}', { ...edit, model: "b" })).toBe('{"max_tokens":5,"model":"b"}');
  });

  test("an error in the place of an answer is a fault", () => {
    expect(relay.meterResponse({ type: "error", error: { type: "api_error", message: "Oh" } })).toMatchObject({
      complete: false,
      fault: { type: "api_error", message: "Oh" },
    });
  });
});

describe("errors", () => {
  const limit = { scope: { kind: "key", id: "k" }, limit: 1, used: 1, held: 0, needed: 1, resetsAt: null } as const;
  const encoded = (over: Partial<ErrorBody>) =>
    anthropicMessages.encodeError({
      kind: "internal",
      status: 500,
      message: "Oh.",
      requestId: "r",
      details: {},
      ...over,
    });

  test("have Anthropic's shape and words, and tell a limit", () => {
    expect(encoded({})).toEqual({ type: "error", error: { type: "api_error", message: "Oh." }, request_id: "r" });
    expect(encoded({ kind: "rate-limited", status: 429, details: { limit } })).toEqual({
      type: "error",
      error: { type: "rate_limit_error", message: "Oh.", details: limit },
      request_id: "r",
    });
    expect(encoded({ kind: "unavailable", status: 503 })).toMatchObject({ error: { type: "overloaded_error" } });
  });

  test("of a provider keep its word if it is one of Anthropic's, else the status finds one", () => {
    const refused = (status: number, type: string) =>
      encoded({ kind: "upstream-refused", status, details: { status, type, code: "c", param: "p" } })["error"];
    expect(refused(400, "billing_error")).toMatchObject({ type: "billing_error", details: { code: "c", param: "p" } });
    expect(refused(429, "tokens")).toMatchObject({ type: "rate_limit_error" });
    expect(refused(404, "NOT_FOUND")).toMatchObject({ type: "not_found_error" });
    expect(refused(422, "")).toMatchObject({ type: "invalid_request_error" });
  });
});

describe("the count of tokens", () => {
  const codec = anthropicMessages.operations["count-tokens"];

  test("is asked for without what only an answer needs, and costs nothing", () => {
    const request = anthropicMessages.decodeRequest({ model: "m", max_tokens: 9, messages, stream: true, top_k: 1 });
    expect(codec?.encodeRequest(request, "x")).toEqual({ body: { model: "x", messages }, warnings: [] });
    expect(codec?.meterResponse({ input_tokens: 9 })).toMatchObject({ usage: null, complete: true });
    expect(
      codec?.editRequest('{"model":"a"}', {
        includeUsage: true,
        maxOutputTokensField: "",
        model: "b",
        maxOutputTokens: 7,
      }),
    ).toBe('{"model":"b"}');
  });

  test("what is no count is the provider's fault", () => {
    for (const body of [{}, { input_tokens: -1 }, { input_tokens: "9" }]) {
      expect(() => codec?.decodeResponse(body)).toThrow("not a count of tokens");
    }
  });
});
