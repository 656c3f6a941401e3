import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest, Part } from "../../../core/chat/request.ts";
import { decodeRequest, encodeRequest } from "../../../core/dialects/openai-chat/request.ts";

const decode = (fields: JsonObject) =>
  decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }], ...fields });
const plain = decode({});
const encode = (request: Partial<ChatRequest>) => encodeRequest({ ...plain, ...request }, "target");

test("a plain request is plain", () => {
  expect(plain).toMatchObject({
    model: "m",
    tools: [],
    toolChoice: null,
    maxOutputTokens: null,
    candidates: 1,
    stream: false,
    stop: [],
    format: { type: "text" },
    reasoning: null,
    metadata: {},
    extensions: {},
  });
  expect(encode({})).toEqual({ body: { model: "target", messages: [{ role: "user", content: "hi" }] }, warnings: [] });
});

describe("the client's own spelling goes back", () => {
  test("of the cap, with the value of now", () => {
    const { extensions } = decode({ max_tokens: 5 });
    expect(encode({ extensions, maxOutputTokens: 9 }).body).toMatchObject({ max_tokens: 9 });
    expect(encode({ maxOutputTokens: 9 }).body).toMatchObject({ max_completion_tokens: 9 });
    expect(encode({ extensions }).body).not.toHaveProperty("max_tokens");
    const both = decode({ max_tokens: 5, max_completion_tokens: 7 });
    expect(both.maxOutputTokens).toBe(7);
    expect(encode(both).body).toMatchObject({ max_tokens: 7, max_completion_tokens: 7 });
  });
  test("of functions, unless a plugin took them out", () => {
    const { extensions, tools, toolChoice } = decode({ functions: [{ name: "f" }], function_call: { name: "f" } });
    expect(toolChoice).toEqual({ type: "tool", name: "f" });
    expect(encode({ extensions, tools, toolChoice }).body).toMatchObject({
      functions: [{ name: "f" }],
      function_call: { name: "f" },
    });
    expect(encode({ extensions }).body).not.toHaveProperty("functions");
  });
  test("of reasoning, with the effort of now", () => {
    const { extensions, reasoning } = decode({ reasoning: { effort: "high", max_tokens: 900, exclude: true } });
    expect(reasoning).toEqual({ effort: "high", budgetTokens: 900, show: false });
    const { body } = encode({ extensions, reasoning: { effort: "low", budgetTokens: null, show: null } });
    expect(body["reasoning"]).toEqual({ effort: "low", exclude: true });
    expect(encode({ reasoning: { effort: "low", budgetTokens: null, show: null } }).body).toMatchObject({
      reasoning_effort: "low",
    });
  });
});

test("best_of bounds the output and stays what it is", () => {
  const request = decode({ n: 2, best_of: 4 });
  expect(request.candidates).toBe(2);
  expect(encode(request).body).toMatchObject({ n: 2, best_of: 4 });
});

describe("what another protocol said and this one cannot", () => {
  test("fields, budgets and cache marks become warnings, once each", () => {
    const cached: Part = { type: "text", text: "a", cache: { ttl: "5m" } };
    const { body, warnings } = encode({
      extensions: { "anthropic-messages": { context_management: {} }, "anthropic-messages/spelling": ["system"] },
      reasoning: { effort: null, budgetTokens: 20_000, show: null },
      messages: [
        { role: "user", parts: [cached, cached, { type: "other", extensions: { gemini: { executableCode: {} } } }] },
      ],
    });
    expect(body).toEqual({
      model: "target",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "a" },
          ],
        },
      ],
      reasoning_effort: "high",
    });
    expect(warnings).toEqual([
      "openai-chat cannot say 'context_management'; left out",
      "openai-chat cannot say cache marks; left out",
      "openai-chat cannot say a content part of another protocol; left out",
      "openai-chat cannot say a budget of reasoning tokens; left out",
    ]);
  });

  test("tool results beside text become messages of their own, and come first", () => {
    const result: Part = { type: "tool-result", id: "t1", parts: [{ type: "text", text: "18" }], isError: true };
    const other: Part = {
      ...result,
      id: "t2",
      isError: false,
      parts: [{ type: "media", kind: "image", mediaType: "image/png", source: { by: "data", base64: "AA==" } }],
    };
    const { body, warnings } = encode({
      messages: [{ role: "user", parts: [result, other, { type: "text", text: "and now?" }] }],
    });
    expect(body["messages"]).toEqual([
      { role: "tool", tool_call_id: "t1", content: "18" },
      { role: "tool", tool_call_id: "t2", content: "See the next message." },
      {
        role: "user",
        content: [
          { type: "text", text: "Result of the tool call t2:" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
        ],
      },
      { role: "user", content: "and now?" },
    ]);
    expect(warnings).toEqual(["openai-chat cannot say the mark of a failed tool; left out"]);
  });

  test("images of parallel results follow the last of them, and stay where a client of this protocol put them", () => {
    const url = "data:image/png;base64,AA==";
    const content = [{ type: "image_url", image_url: { url } }];
    const own = ["a", "b"].map((id) => ({ role: "tool", tool_call_id: id, content }));
    const { messages } = decode({ messages: own });
    expect(encode({ messages }).body["messages"]).toEqual(own);
    const foreign = messages.map(({ role, parts }) => ({ role, parts }));
    expect(encode({ messages: foreign }).body["messages"]).toMatchObject([
      { role: "tool", tool_call_id: "a", content: "See the next message." },
      { role: "tool", tool_call_id: "b", content: "See the next message." },
      { role: "user", content: [{ type: "text" }, ...content, { type: "text" }, ...content] },
    ]);
  });

  test("an assistant's turn with thinking, text and calls keeps all that can be kept", () => {
    const { body, warnings } = encode({
      messages: [
        {
          role: "assistant",
          parts: [
            { type: "reasoning", text: "hm", signature: "sig" },
            { type: "text", text: "a" },
            { type: "tool-call", id: "t", name: "f", input: "", signature: "s" },
            { type: "text", text: "b" },
          ],
        },
      ],
    });
    expect(body["messages"]).toEqual([
      {
        role: "assistant",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
        reasoning_content: "hm",
        reasoning_details: [{ text: "hm", signature: "sig", type: "reasoning.text", index: 0 }],
        tool_calls: [{ id: "t", type: "function", function: { name: "f", arguments: "{}" } }],
      },
    ]);
    expect(warnings).toEqual(["openai-chat cannot say thought signatures; left out"]);
  });
});

describe("what the protocol does not allow is refused by name", () => {
  const cases: [fields: JsonObject, param: string][] = [
    [{ messages: [{ role: "narrator", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [5] }] }, "messages[0].content[0]"],
    [{ messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
    [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages[0].content[0].image_url.url",
    ],
    [{ messages: [{ role: "assistant", tool_calls: [1] }] }, "messages[0].tool_calls[0]"],
    [{ tools: [{ type: "function", function: {} }] }, "tools[0].function.name"],
    [{ temperature: "warm" }, "temperature"],
    [{ metadata: { a: 1 } }, "metadata"],
    [{ stop: [1] }, "stop[0]"],
  ];
  for (const [fields, param] of cases) {
    test(param, () =>
      expect(() => decode(fields)).toThrow(expect.objectContaining({ kind: "invalid-request", details: { param } })),
    );
  }
});

test("__proto__ stays data wherever it comes from", () => {
  const hostile: JsonObject = JSON.parse(
    '{"model":"m","__proto__":{"polluted":1},"metadata":{"__proto__":"x"},"messages":[{"role":"user","content":[{"type":"odd","__proto__":{"polluted":1}}],"__proto__":{"polluted":1}}]}',
  );
  const request = decodeRequest(hostile);
  const { body } = encodeRequest(request, "m");
  expect(JSON.parse(JSON.stringify(body))).toEqual(hostile);
  expect(({} as JsonObject)["polluted"]).toBeUndefined();
  expect((request.extensions["openai-chat"] as JsonObject)["polluted"]).toBeUndefined();
});
