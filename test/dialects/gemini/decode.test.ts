import { describe, expect, test } from "bun:test";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import type { ToolChoice } from "../../../core/chat/request.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";

/** What requests mean in canonical words; that they come back as they were is in the contract. */

const path = { model: "gemini-3-pro", stream: false };
const contents = [{ role: "user", parts: [{ text: "hi" }] }];
const decode = (more: JsonObject) => gemini.decodeRequest({ contents, ...more }, path);
const called = (name: string, more: JsonObject = {}) => ({ functionCall: { name, args: {}, ...more } });
const answered = (name: string, more: JsonObject = {}) => ({ functionResponse: { name, response: {}, ...more } });

describe("requests", () => {
  test("without the path there is none", () => {
    for (const read of [() => gemini.readEnvelope({ contents }, 1), () => gemini.decodeRequest({ contents })])
      expect(read).toThrow("without its path");
  });

  test("a result belongs to the call it names, or to the first of its function that waits", () => {
    const { messages } = decode({
      contents: [
        { role: "model", parts: [called("f"), called("g"), called("f", { id: "own" }), called("f")] },
        {
          role: "user",
          parts: [answered("f"), answered("g"), answered("f", { id: "own" }), answered("f", { id: "lost" })],
        },
        { role: "model", parts: [called("f")] },
        { role: "function", parts: [answered("f"), answered("never")] },
      ],
    });
    const ids = messages.map(({ parts }) => parts.map((part) => ("id" in part ? part.id : null)));
    expect(ids).toEqual([
      ["gemini_call_0", "gemini_call_1", "own", "gemini_call_3"],
      ["gemini_call_0", "gemini_call_1", "own", "gemini_call_3"],
      ["gemini_call_4"],
      ["gemini_call_4", "gemini_call_5"],
    ]);
    expect(messages.map(({ role }) => role)).toEqual(["assistant", "tool", "assistant", "tool"]);
    const again = gemini.encodeRequest({ ...decode({}), messages }, "m").body["contents"];
    expect(JSON.stringify(again)).not.toContain("gemini_call");
    expect(JSON.stringify(again)).toContain('"id":"lost"');
  });

  test("results are text", () => {
    const textOf = (response: JsonObject) => {
      const { messages } = decode({ contents: [{ parts: [answered("f", { response })] }] });
      const [part] = messages[0]?.parts ?? [];
      return part?.type === "tool-result" ? [part.parts, part.isError] : null;
    };
    expect(textOf({ output: "a" })).toEqual([[{ type: "text", text: "a" }], false]);
    expect(textOf({ result: "a" })).toEqual([[{ type: "text", text: "a" }], false]);
    expect(textOf({ error: "a" })).toEqual([[{ type: "text", text: "a" }], true]);
    expect(textOf({ error: { code: 1 } })).toEqual([[{ type: "text", text: '{"error":{"code":1}}' }], true]);
    expect(textOf({ output: 1 })).toEqual([[{ type: "text", text: '{"output":1}' }], false]);
    expect(textOf({ a: 1, error: "b" })).toEqual([[{ type: "text", text: '{"a":1,"error":"b"}' }], false]);
  });

  test("that the answer be text goes without saying elsewhere", () => {
    const keptOf = (...responseModalities: readonly string[]) =>
      Object.keys((decode({ generationConfig: { responseModalities } }).extensions["gemini"] ?? {}) as JsonObject);
    expect(keptOf("TEXT")).toEqual([]);
    expect(keptOf("TEXT", "IMAGE")).toEqual(["generationConfig.responseModalities"]);
  });

  test("the choice among tools", () => {
    const choice = (functionCallingConfig: JsonObject) => decode({ toolConfig: { functionCallingConfig } }).toolChoice;
    for (const [config, expected] of [
      [{ mode: "AUTO" }, { type: "auto" }],
      [{ mode: "none" }, { type: "none" }],
      [{ mode: 2 }, { type: "required" }],
      [
        { mode: "ANY", allowedFunctionNames: ["f"] },
        { type: "tool", name: "f" },
      ],
      [
        { mode: "any", allowed_function_names: ["f", "g"] },
        { type: "required", allowed: ["f", "g"] },
      ],
      [
        { mode: "VALIDATED", allowedFunctionNames: ["f"] },
        { type: "auto", allowed: ["f"] },
      ],
      [{ mode: "FUTURE" }, null],
    ] as const satisfies readonly (readonly [JsonObject, ToolChoice | null])[])
      expect(choice(config)).toEqual(expected);
  });

  test("what only Google can give is named", () => {
    const { nativeOnly, tools } = decode({
      cachedContent: "cachedContents/a",
      tools: [{ functionDeclarations: [{ name: "f" }], google_search: {} }, { codeExecution: {} }],
      contents: [{ parts: [{ fileData: { fileUri: "https://generativelanguage.googleapis.com/v1beta/files/a" } }] }],
    });
    expect(nativeOnly).toEqual([
      { param: "tools[0].googleSearch", what: "the tool googleSearch" },
      { param: "tools[1].codeExecution", what: "the tool codeExecution" },
      { param: "cachedContent", what: "a cached content" },
      { param: "contents", what: "a file that Google stores" },
    ]);
    expect(tools).toMatchObject([
      { type: "function", name: "f", parameters: null },
      { type: "server", dialect: "gemini", definition: { googleSearch: {} } },
      { type: "server", dialect: "gemini", definition: { codeExecution: {} } },
    ]);
    expect(decode({ contents: [{ parts: [{ fileData: { fileUri: "https://example.com/a" } }] }] }).nativeOnly).toEqual(
      [],
    );
  });

  test("Google's schemas are JSON Schema", () => {
    const parameters = {
      type: "OBJECT",
      properties: {
        type: { type: "STRING", nullable: true, min_length: "2", example: "a" },
        list: { type: "ARRAY", items: { type: 3 }, maxItems: 4 },
        either: { anyOf: [{ type: "STRING" }, { type: "TYPE_UNSPECIFIED", enum: ["x"] }], nullable: true },
      },
      required: ["type"],
      propertyOrdering: ["type"],
    };
    expect(decode({ tools: [{ functionDeclarations: [{ name: "f", parameters }] }] }).tools[0]).toMatchObject({
      parameters: {
        type: "object",
        properties: {
          type: { type: ["string", "null"], minLength: 2, examples: ["a"] },
          list: { type: "array", items: { type: "integer" }, maxItems: 4 },
          either: { anyOf: [{ type: "string" }, { enum: ["x"] }, { type: "null" }] },
        },
        required: ["type"],
      },
    });
    const config = { responseMimeType: "application/json", responseSchema: { type: "STRING" } };
    expect(decode({ generationConfig: config }).format).toMatchObject({
      type: "json-schema",
      schema: { type: "string" },
    });
    expect(decode({ generationConfig: { responseMimeType: "application/json" } }).format).toEqual({ type: "json" });
    expect(decode({ generationConfig: { responseMimeType: "text/x.enum", responseSchema: {} } }).format).toEqual({
      type: "text",
    });
  });

  const schema = {
    type: "object",
    properties: { a: { type: "string" } },
    required: ["a"],
    additionalProperties: false,
  };
  test.each<readonly [string, Json]>([
    ["the API", { text: { mimeType: "APPLICATION_JSON", schema } }],
    ["the API in snake case", { text: { mime_type: "APPLICATION_JSON", schema } }],
    ["the SDKs", [{ text: { mimeType: "application/json", schema } }]],
  ])("the newer word for the format of answers is one, as %s has it", (_, responseFormat) => {
    const request = decode({ generationConfig: { responseFormat } });
    const format = { type: "json_schema", schema };
    const chat = { type: "json_schema", json_schema: { name: "response", schema, strict: true } };
    expect(openaiChat.encodeRequest(request, "m")).toMatchObject({ body: { response_format: chat }, warnings: [] });
    expect(openaiResponses.encodeRequest(request, "m").body).toMatchObject({ text: { format } });
    expect(anthropicMessages.encodeRequest(request, "claude-opus-4-6").body).toMatchObject({
      output_config: { format },
    });
    expect(gemini.encodeRequest(request, "m").body["generationConfig"]).toEqual({ responseFormat });
  });

  test("the newer word for the format of answers may ask for JSON, for text, and for what others cannot give", () => {
    const formatOf = (responseFormat: Json) => decode({ generationConfig: { responseFormat } }).format.type;
    expect([{ text: { mimeType: "APPLICATION_JSON" } }, [{ text: { mimeType: 1 } }]].map(formatOf)).toEqual([
      "json",
      "json",
    ]);
    const plain = [{ text: { mimeType: "TEXT_PLAIN", schema } }, { image: {} }, [1, null, "x"], [], null, "x"];
    expect(plain.map(formatOf)).toEqual(plain.map(() => "text"));
    const responseFormat = [{ text: { mimeType: "application/json" } }, { image: { aspectRatio: "1:1" } }];
    const request = decode({ generationConfig: { responseFormat } });
    expect(openaiChat.encodeRequest(request, "m")).toMatchObject({
      body: { response_format: { type: "json_object" } },
      warnings: ["openai-chat cannot say 'generationConfig.responseFormat.image'; left out"],
    });
    expect(gemini.encodeRequest(request, "m").body["generationConfig"]).toEqual({ responseFormat });
  });

  test.each<readonly [string, JsonObject, JsonObject]>([
    ["in JSON Schema", { responseJsonSchema: schema }, schema],
    ["in Google's own form", { response: { type: "STRING", nullable: true } }, { type: ["string", "null"] }],
  ])("what a function returns, %s, is told where there is a word for it, and named elsewhere", (_, told, returns) => {
    const request = decode({ tools: [{ functionDeclarations: [{ name: "f", ...told }] }] });
    const { body, warnings } = openaiResponses.encodeRequest(request, "m");
    expect([body["tools"], warnings]).toMatchObject([[{ name: "f", output_schema: returns }], []]);
    expect(gemini.encodeRequest(request, "m").body["tools"]).toEqual([
      { functionDeclarations: [{ name: "f", ...told }] },
    ]);
    const again = openaiResponses.decodeRequest({ ...body, input: "hi" });
    expect(gemini.encodeRequest(again, "m").body).toMatchObject({
      tools: [{ functionDeclarations: [{ name: "f", responseJsonSchema: returns }] }],
    });
    for (const dialect of [openaiChat, anthropicMessages])
      expect(dialect.encodeRequest({ ...request, maxOutputTokens: 9 }, "m").warnings).toEqual([
        `${dialect.name} cannot say what a tool returns; left out`,
      ]);
  });

  test("the envelope bounds what bytes bound", () => {
    const inputOf = (more: JsonObject) => gemini.readEnvelope({ contents, ...more }, 10_000, path).input;
    const parts = (...list: readonly JsonObject[]) => ({ contents: [{ role: "user", parts: list }] });
    const blob = (mimeType: string) => ({ inlineData: { mimeType, data: "a".repeat(400) } });
    const bounded = { textBytes: 10_000, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
    expect(inputOf({})).toEqual(bounded);
    expect(inputOf(parts(blob("image/png"), blob("audio/wav"), blob("text/csv")))).toEqual({
      ...bounded,
      textBytes: 9_200,
      images: 1,
      audioBytes: 300,
    });
    expect(inputOf({ tools: { function_declarations: [{ name: "f" }, { name: "g" }] } })).toEqual({
      ...bounded,
      functionTools: 2,
    });
    expect(inputOf(parts(called("f"), answered("f", { parts: [blob("image/png")] })))).toMatchObject({ images: 1 });
    for (const more of [
      { tools: [{ googleSearch: {} }] },
      { cached_content: "a" },
      { system_instruction: { parts: [{ file_data: { file_uri: "gs://a/b" } }] } },
      parts(blob("application/pdf")),
      parts(blob("video/mp4")),
      parts({ fileData: { fileUri: "https://example.com/a.png", mimeType: "image/png" } }),
      parts({ futureField: "a" }),
      parts(answered("f", { parts: [blob("application/pdf")] })),
    ])
      expect(inputOf(more).unbounded).toBe(true);
  });

  test("of several caps the largest bounds the call", () => {
    const capOf = (more: JsonObject) => gemini.readEnvelope({ contents, ...more }, 1, path).maxOutputTokens;
    expect(capOf({})).toBeNull();
    expect(capOf({ generationConfig: { maxOutputTokens: 5, max_output_tokens: 9 } })).toBe(9);
    expect(capOf({ generationConfig: { maxOutputTokens: 5 }, generation_config: { max_output_tokens: 7 } })).toBe(7);
    expect(gemini.readEnvelope({ contents, generation_config: { candidate_count: 3 } }, 1, path).candidates).toBe(3);
  });

  test("a key that reaches into objects reaches nothing", () => {
    const body: JsonObject = JSON.parse(
      '{"__proto__":{"contents":1},"contents":[{"__proto__":{"role":"model"},"parts":[{"text":"a","__proto__":{"x":1}}]}],"generationConfig":{"__proto__":{"maxOutputTokens":9},"constructor":1}}',
    );
    const decoded = gemini.decodeRequest(body, path);
    expect(decoded).toMatchObject({ maxOutputTokens: null, messages: [{ role: "user" }] });
    expect(Object.keys({}).length).toBe(0);
    expect(gemini.encodeRequest(decoded, "m").warnings).toEqual([]);
  });
});
