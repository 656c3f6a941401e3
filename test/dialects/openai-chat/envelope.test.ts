import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../../core/chat/error.ts";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { readEnvelope } from "../../../core/dialects/openai-chat/envelope.ts";
import { decodeRequest } from "../../../core/dialects/openai-chat/request.ts";

const messages = [{ role: "user", content: "hi" }];
const body = (fields: JsonObject) => ({ model: "m", messages, ...fields });
const measure = (fields: JsonObject, bytes = 1_000) => readEnvelope(body(fields), bytes).input;
const parts = (...content: JsonObject[]) => ({ messages: [{ role: "user", content }] });

test("reads what routing and admission need", () => {
  const envelope = readEnvelope(
    body({ stream: true, stream_options: { include_usage: true }, n: 3, max_tokens: 7 }),
    90,
  );
  expect(envelope).toEqual({
    model: "m",
    stream: true,
    includeUsage: true,
    maxOutputTokens: 7,
    candidates: 3,
    input: { textBytes: 90, functionTools: 0, images: 0, audioBytes: 0, unbounded: false },
  });
});

test("null is not said", () => {
  const nothing = {
    stream: null,
    stream_options: null,
    n: null,
    max_tokens: null,
    max_completion_tokens: null,
    tools: null,
  };
  expect(readEnvelope(body(nothing), 1)).toMatchObject({
    stream: false,
    includeUsage: false,
    maxOutputTokens: null,
    candidates: 1,
  });
});

test("of two caps the larger bounds the call, of n and best_of too", () => {
  expect(readEnvelope(body({ max_tokens: 5, max_completion_tokens: 9 }), 1).maxOutputTokens).toBe(9);
  expect(readEnvelope(body({ n: 2, best_of: 4 }), 1).candidates).toBe(4);
});

test("models besides the one asked for are read wherever a vendor takes them", () => {
  const others = (fields: JsonObject) => readEnvelope(body(fields), 1).otherModels?.models;
  expect(others({ models: ["a", "b"], fallbacks: "default" })).toEqual([
    { param: "models", name: "a" },
    { param: "models", name: "b" },
    { param: "fallbacks", name: null },
  ]);
  expect(others({ tools: [{ type: "x:advisor", parameters: { model: "a" } }] })).toEqual([
    { param: "tools[0].model", name: "a" },
  ]);
  const usual = { type: "function", function: { name: "model", parameters: { properties: { model: {} } } } };
  expect(others({ models: null, fallbacks: [], plugins: [], tools: [usual] })).toBeUndefined();
  expect(others({ tools: [{ type: "image_generation", model: "a" }] })).toBeUndefined();
  const schema = { properties: {}, Model: {}, $defs: { Type: {} } };
  expect(others({ tools: [{ type: "function", name: "f", parameters: schema }] })).toBeUndefined();
  for (const [param, more] of [
    ["plugins[1].Model", { plugins: [{ id: "web" }, { id: "web", Model: "a" }] }],
    ["tools[0].Parameters", { tools: [{ type: "x:advisor", Parameters: { model: "a" } }] }],
    ["tools[0].parameters.MODEL", { tools: [{ type: "x:advisor", parameters: { MODEL: "a" } }] }],
    ["tools[0].Type", { tools: [{ type: "function", Type: "x:search", function: { name: "f" } }] }],
  ] as const)
    expect(refusal(body(more))).toMatchObject({ kind: "invalid-request", details: { param } });
  for (const models of ["a", [1], Array.from({ length: 101 }, () => "a")])
    expect(refusal(body({ models }))).toMatchObject({ details: { param: "models" } });
});

describe("numbers that decide about money must be plain integers", () => {
  const bad: Json[] = [-1, 0, 1.5, "100", 1e12, Infinity, true, [], {}, "9".repeat(1_000), 2 ** 53 + 2];
  for (const field of ["max_tokens", "max_completion_tokens", "n"]) {
    test(field, () => {
      for (const value of bad) expect(refusal(body({ [field]: value }))).toMatchObject({ details: { param: field } });
    });
  }
});

describe("caps on counts", () => {
  const many = (count: number, item: Json) => Array.from({ length: count }, () => item);
  const cases: [field: string, value: Json][] = [
    ["messages", many(20_001, { role: "user", content: "x" })],
    ["tools", many(2_001, { type: "function", function: { name: "f" } })],
    ["functions", many(2_001, { name: "f" })],
    ["stop", many(10_001, "x")],
    ["metadata", Object.fromEntries(many(10_001, 0).map((_, i) => [`k${i}`, "v"]))],
    ["logit_bias", Object.fromEntries(many(10_001, 0).map((_, i) => [`${i}`, 1]))],
    ["tools[0]", [{ type: "function", function: { name: "n".repeat(1_025) } }]],
  ];
  for (const [field, value] of cases) {
    test(field, () => {
      const [name = field] = field.split("[");
      expect(refusal(body({ [name]: value }))).toMatchObject({ details: { param: field } });
    });
  }
});

test("no refusal tells what the field held", () => {
  const canary = "canary-9f3";
  for (const field of ["model", "stream", "n", "max_tokens", "tools", "messages"]) {
    expect(refusal(body({ [field]: { [canary]: canary } })).message).not.toContain(canary);
  }
  expect(refusal(body({ stream_options: canary })).message).not.toContain(canary);
  expect(refusal(body({ stream_options: { include_usage: canary } })).message).not.toContain(canary);
  for (const field of ["temperature", "stop", "user", "metadata", "response_format", "seed"]) {
    const value = field === "user" ? 5 : field === "metadata" ? { k: [canary] } : canary;
    const error = refusalOf(() => decodeRequest(body({ [field]: field === "stop" ? [[canary]] : value })));
    expect(error).toMatchObject({ kind: "invalid-request" });
    expect(error.message).not.toContain(canary);
  }
});

describe("the measure of the input", () => {
  test("inline images count as images, not as text", () => {
    const url = `data:image/png;base64,${"A".repeat(400)}`;
    const image = { type: "image_url", image_url: { url } };
    expect(measure(parts(image, image), 2_000)).toMatchObject({
      images: 2,
      textBytes: 2_000 - 2 * url.length,
      unbounded: false,
    });
    expect(measure(parts({ type: "image_url", image_url: "https://example.com/a.png" }))).toMatchObject({
      images: 1,
      textBytes: 1_000,
      unbounded: false,
    });
  });
  test("images of an earlier answer are images too", () => {
    const url = `data:image/png;base64,${"A".repeat(400)}`;
    const images = [{ type: "image_url", image_url: { url } }];
    expect(measure({ messages: [{ role: "assistant", content: "", images }] }, 2_000)).toMatchObject({
      images: 1,
      textBytes: 2_000 - url.length,
    });
  });
  test("inline audio is measured in bytes", () => {
    const audio = { type: "input_audio", input_audio: { data: "A".repeat(400), format: "wav" } };
    expect(measure(parts(audio))).toMatchObject({ audioBytes: 300, textBytes: 600, unbounded: false });
  });
  test("in results of tools too", () => {
    const content = [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }];
    expect(measure({ messages: [{ role: "tool", tool_call_id: "a", content }] })).toMatchObject({ images: 1 });
  });
  const unbounded: [name: string, fields: JsonObject][] = [
    ["a file", parts({ type: "file", file: { file_id: "f" } })],
    ["a document for an image", parts({ type: "image_url", image_url: { url: "data:application/pdf;base64,AA" } })],
    ["a part of an unknown type", parts({ type: "video_url", video_url: { url: "x" } })],
    ["a part without a type", parts({ text: "x" })],
    ["an earlier answer's audio", { messages: [{ role: "assistant", audio: { id: "a" } }] }],
    ["a tool of the provider", { tools: [{ type: "web_search" }] }],
    ["web search", { web_search_options: {} }],
    ["xAI's search", { search_parameters: { mode: "auto" } }],
    ["plugins of OpenRouter", { plugins: [{ id: "web" }] }],
    ["a prediction", { prediction: { type: "content", content: "x" } }],
  ];
  for (const [name, fields] of unbounded)
    test(`${name} has no bound`, () => expect(measure(fields).unbounded).toBe(true));
  test("plain tools are counted", () => {
    const tools = [
      { type: "function", function: { name: "a" } },
      { function: { name: "b" } },
      { type: "custom", custom: { name: "c" } },
    ];
    expect(measure({ tools, functions: [{ name: "d" }] })).toMatchObject({ functionTools: 4, unbounded: false });
  });
  test("what is switched off has a bound", () => {
    expect(measure({ plugins: [], enable_search: false, web_search_options: null }).unbounded).toBe(false);
  });
});

const refusal = (fields: JsonObject) => refusalOf(() => readEnvelope(fields, 1_000));

function refusalOf(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("It was taken.");
}
