import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { Message } from "../../../core/chat/request.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { asked, cannot, fromOpenai, messages, newModel, oldModel } from "./from-openai.ts";

describe("the conversation", () => {
  test("system and developer messages are the system prompt; one that came later loses its place", () => {
    const conversation = [
      { role: "system", content: "A" },
      { role: "developer", content: "B" },
      { role: "user", content: "Hi" },
      { role: "system", content: "C" },
    ];
    const { body, warnings } = fromOpenai({ messages: conversation, max_tokens: 9 });
    expect(body["system"]).toEqual(["A", "B", "C"].map((text) => ({ type: "text", text })));
    expect(body["messages"]).toEqual([{ role: "user", content: "Hi" }]);
    expect(warnings).toEqual([cannot("where a later system message stands", "put in front")]);
  });

  test("of system messages alone a turn of the user is made", () => {
    const { body, warnings } = fromOpenai({ messages: [{ role: "system", content: "A" }], max_tokens: 9 });
    expect(body).toEqual({ model: oldModel, max_tokens: 9, messages: [{ role: "user", content: "A" }] });
    expect(warnings).toEqual([cannot("a system prompt without a message", "sent as the user's")]);
  });

  test("an answer to go on with does not end in white space, which is refused", () => {
    const told = (content: string) =>
      fromOpenai({
        messages: [
          { role: "user", content: "Go " },
          { role: "assistant", content },
        ],
        max_tokens: 9,
      }).body["messages"];
    const user = { role: "user", content: "Go " };
    expect(told("It is \n")).toEqual([user, { role: "assistant", content: "It is" }]);
    expect(told(" \n")).toEqual([user]);
  });

  test("results of one turn stand in one message, ahead of what the user says", () => {
    const call = (id: string) => ({ id, type: "function", function: { name: "f", arguments: '{"a":1}' } });
    const { body } = fromOpenai({
      messages: [
        { role: "user", content: "Go" },
        { role: "assistant", content: "", tool_calls: [call("c1"), call("c2")] },
        { role: "user", content: "Wait" },
        { role: "tool", tool_call_id: "c1", content: "1" },
        { role: "tool", tool_call_id: "c2", content: "" },
      ],
      tools: [{ type: "function", function: { name: "f" } }],
      max_tokens: 9,
    });
    const use = (id: string) => ({ type: "tool_use", id, name: "f", input: { a: 1 } });
    expect(body["messages"]).toEqual([
      { role: "user", content: "Go" },
      { role: "assistant", content: [use("c1"), use("c2")] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "c1", content: "1" },
          { type: "tool_result", tool_use_id: "c2" },
          { type: "text", text: "Wait" },
        ],
      },
    ]);
    expect(body["tools"]).toEqual([{ name: "f", input_schema: { type: "object", properties: {} } }]);
  });

  test("a document of texts and images is written back as the one block that it was", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "aW1n" } };
    const documentOf = (...content: readonly JsonObject[]) => ({
      type: "document",
      source: { type: "content", content },
      cache_control: { type: "ephemeral" },
    });
    const text = { type: "text", text: "A" };
    const content = [documentOf(text, image, text), documentOf(image, text), documentOf(image), text];
    const documents = [{ role: "user", content }];
    const decoded = anthropicMessages.decodeRequest({ model: newModel, max_tokens: 9, messages: documents });
    const types = ["text", "media", "text", "media", "text", "media", "text"];
    expect(decoded.messages[0]?.parts).toMatchObject(types.map((type) => ({ type })));
    const { body, warnings } = anthropicMessages.encodeRequest(decoded, newModel);
    expect(body["messages"]).toEqual(documents);
    expect(warnings).toEqual([]);
  });

  test("a format is written back under the name that it came by", () => {
    const format = { type: "json_schema", schema: { type: "object" } };
    for (const said of [{ output_format: format }, { output_config: { format, effort: "low" } }]) {
      const asking = { model: newModel, max_tokens: 9, messages, ...said };
      const decoded = anthropicMessages.decodeRequest(asking);
      expect(decoded.format).toMatchObject({ type: "json-schema" });
      expect(anthropicMessages.encodeRequest(decoded, newModel).body).toEqual(asking);
    }
  });

  test("empty text, and messages of nothing else, are left out", () => {
    const conversation = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: " " },
      {
        role: "user",
        content: [
          { type: "text", text: "" },
          { type: "text", text: "Ho" },
        ],
      },
    ];
    const { body } = fromOpenai({ messages: conversation, max_tokens: 9 });
    expect(body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "Hi" },
          { type: "text", text: "Ho" },
        ],
      },
    ]);
  });

  test("only what Anthropic signed goes back to it as reasoning", () => {
    const parts: Message["parts"] = [
      { type: "reasoning", text: "unsigned" },
      { type: "reasoning", text: "signed", signature: "s" },
      { type: "reasoning", text: "", encrypted: "e" },
      { type: "text", text: "Hi" },
    ];
    const { body, warnings } = asked({ messages: [{ role: "assistant", parts }], maxOutputTokens: 9 });
    expect(body["messages"]).toEqual([
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "signed", signature: "s" },
          { type: "redacted_thinking", data: "e" },
          { type: "text", text: "Hi" },
        ],
      },
    ]);
    expect(warnings).toEqual([cannot("reasoning without a signature of its own")]);
  });

  test("reasoning with text and encrypted state takes two blocks, which are one part again", () => {
    const response = anthropicMessages.encodeResponse({
      id: "m",
      model: "m",
      createdMs: 0,
      candidates: [
        {
          parts: [{ type: "reasoning", text: "Hm", encrypted: "e" }],
          finish: { reason: "stop", raw: null },
        },
      ],
      usage: null,
      extensions: {},
    });
    const { content } = response;
    const body = { model: "m", max_tokens: 1, messages: [{ role: "assistant", content: content ?? null }] };
    expect(anthropicMessages.decodeRequest(body).messages[0]?.parts).toMatchObject([
      { type: "reasoning", text: "Hm", encrypted: "e" },
    ]);
  });

  test("files are documents, text is text, and audio cannot be said", () => {
    const parts: Message["parts"] = [
      { type: "media", kind: "file", mediaType: "text/csv", source: { by: "data", base64: "YSxi" }, name: "a.csv" },
      { type: "media", kind: "file", mediaType: "application/pdf", source: { by: "data", base64: "JVBERi0=" } },
      { type: "media", kind: "image", mediaType: null, source: { by: "data", base64: "/9j/4AA=" } },
      { type: "media", kind: "file", mediaType: "application/zip", source: { by: "data", base64: "UEs=" } },
      { type: "media", kind: "audio", mediaType: "audio/wav", source: { by: "data", base64: "UklG" } },
    ];
    const { body, warnings } = asked({ messages: [{ role: "user", parts }], maxOutputTokens: 9 });
    expect(body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "document", source: { type: "text", media_type: "text/plain", data: "a,b" }, title: "a.csv" },
          { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
          { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "/9j/4AA=" } },
        ],
      },
    ]);
    expect(warnings).toEqual([cannot("a file of type application/zip"), cannot("audio")]);
  });

  test("the billing pseudo-header reaches Anthropic alone", () => {
    const system = [
      { type: "text", text: "x-anthropic-billing-header: v=1" },
      { type: "text", text: "Rules." },
    ];
    const request = anthropicMessages.decodeRequest({ model: "m", max_tokens: 1, system, messages });
    expect(anthropicMessages.encodeRequest(request, "m").body["system"]).toEqual(system);
    const { body, warnings } = openaiChat.encodeRequest(request, "m");
    expect(body["messages"]).toEqual([{ role: "system", content: "Rules." }, ...messages]);
    expect(warnings).toEqual([]);
  });
});

describe("settings that the target's model does not take", () => {
  test("sampling", () => {
    const hot = fromOpenai({ temperature: 1.5, top_p: 0.5, max_tokens: 9 });
    expect(hot.body["temperature"]).toBe(1);
    expect(hot.body["top_p"]).toBeUndefined();
    expect(hot.warnings).toEqual([cannot("a temperature of 1.5", "asked for 1"), cannot("top_p beside a temperature")]);
    const old = fromOpenai({ temperature: 0.5, top_p: 0.5, max_tokens: 9 }, "claude-sonnet-4-20250514");
    expect(old.body).toMatchObject({ temperature: 0.5, top_p: 0.5 });
    const fresh = fromOpenai({ temperature: 0.5, top_p: 0.5, max_tokens: 9 }, newModel);
    expect(Object.keys(fresh.body)).toEqual(["model", "max_tokens", "messages"]);
    expect(fresh.warnings).toEqual([cannot("a temperature with this model"), cannot("top_p with this model")]);
  });

  test("what the protocol has no word for", () => {
    const { body, warnings } = fromOpenai({
      n: 2,
      seed: 1,
      frequency_penalty: 1,
      presence_penalty: 1,
      logprobs: true,
      metadata: { a: "b" },
      service_tier: "flex",
      logit_bias: { 1: 2 },
      max_tokens: 9,
      stop: ["\n", "END"],
      user: "u",
    });
    expect(body).toEqual({
      model: oldModel,
      max_tokens: 9,
      messages,
      stop_sequences: ["END"],
      metadata: { user_id: "u" },
    });
    expect(warnings).toEqual(
      [
        "'logit_bias'",
        "several answers",
        "a frequency penalty",
        "a presence penalty",
        "a seed",
        "log probabilities",
        "metadata",
        "a stop sequence of white space",
        "the service tier 'flex'",
      ].map((what) => cannot(what)),
    );
  });
});

describe("tools", () => {
  const tool = (name: string, more = {}) => ({ type: "function", function: { name, ...more } });

  test("a choice among some is a list of those; of one it is forced", () => {
    const allowed = (mode: string, names: readonly string[]) => ({
      type: "allowed_tools",
      allowed_tools: { mode, tools: names.map((name) => ({ type: "function", function: { name } })) },
    });
    const tools = [tool("a"), tool("b"), tool("c")];
    const two = fromOpenai({ tools, tool_choice: allowed("required", ["a", "c"]), max_tokens: 9 });
    expect(two.body).toMatchObject({ tools: [{ name: "a" }, { name: "c" }], tool_choice: { type: "any" } });
    const one = fromOpenai({ tools, tool_choice: allowed("required", ["b"]), max_tokens: 9 });
    expect(one.body).toMatchObject({ tools: [{ name: "b" }], tool_choice: { type: "tool", name: "b" } });
    expect([...two.warnings, ...one.warnings]).toEqual([]);
  });

  test("no parallel calls is a word of the choice, and a choice without tools is none", () => {
    expect(fromOpenai({ tools: [tool("a")], parallel_tool_calls: false, max_tokens: 9 }).body["tool_choice"]).toEqual({
      type: "auto",
      disable_parallel_tool_use: true,
    });
    expect(fromOpenai({ tool_choice: "auto", max_tokens: 9 }).body["tool_choice"]).toBeUndefined();
  });

  test("strict goes where the model and the schema allow it", () => {
    const closed = { type: "object", properties: { a: { type: "string" } }, additionalProperties: false };
    const tools = [tool("a", { strict: true, parameters: closed })];
    expect(fromOpenai({ tools, max_tokens: 9 }).body["tools"]).toMatchObject([{ strict: true }]);
    const old = fromOpenai({ tools, max_tokens: 9 }, "claude-sonnet-4-0");
    expect(old.body["tools"]).toEqual([{ name: "a", input_schema: closed }]);
    expect(old.warnings).toEqual([cannot("that a tool is strict")]);
    const open = [tool("a", { strict: true, parameters: { ...closed, additionalProperties: true } })];
    expect(fromOpenai({ tools: open, max_tokens: 9 }).warnings).toEqual([cannot("that a tool is strict")]);
  });

  test("a strict tool or format with optional properties is strict for Anthropic alone", () => {
    const schema = (required: readonly string[]) => ({
      type: "object",
      properties: { a: { type: "string" }, b: { type: "array", items: { type: "number" } } },
      required,
      additionalProperties: false,
    });
    const decoded = (required: readonly string[]) =>
      anthropicMessages.decodeRequest({
        model: "m",
        max_tokens: 1,
        messages,
        tools: [{ name: "f", input_schema: schema(required), strict: true }],
        output_config: { format: { type: "json_schema", schema: schema(required) } },
      });
    expect(decoded(["a", "b"])).toMatchObject({ tools: [{ strict: true }], format: { strict: true, name: "answer" } });
    expect(decoded(["a"])).toMatchObject({ tools: [{ strict: null }], format: { strict: null } });
    expect(anthropicMessages.encodeRequest(decoded(["a"]), "m").body).toMatchObject({ tools: [{ strict: true }] });
  });

  test("input that is no object is kept under a name", () => {
    const call = { id: "c", type: "function", function: { name: "f", arguments: "[1]" } };
    const { body, warnings } = fromOpenai({ messages: [{ role: "assistant", tool_calls: [call] }], max_tokens: 9 });
    expect(body["messages"]).toMatchObject([{ content: [{ input: { input: "[1]" } }] }]);
    expect(warnings).toEqual([cannot("tool input that is no JSON object", "put into one")]);
  });

  test("what only Anthropic can run is named", () => {
    const { nativeOnly } = anthropicMessages.decodeRequest({
      model: "m",
      max_tokens: 1,
      messages,
      tools: [
        { type: "custom", name: "f" },
        { type: "web_search_20250305", name: "web_search" },
      ],
      container: "c",
      mcp_servers: [],
    });
    expect(nativeOnly.map(({ param }) => param)).toEqual(["tools[1]", "container"]);
  });
});

describe("structured output", () => {
  const format = (schema: JsonObject) => ({
    response_format: { type: "json_schema", json_schema: { name: "n", schema } },
    max_tokens: 9,
  });

  test("a schema is closed, and rules beyond a grammar are told in words", () => {
    const { body, warnings } = fromOpenai(
      format({ type: "object", properties: { a: { type: "integer", minimum: 3, description: "A" } }, required: ["a"] }),
    );
    expect(body["output_config"]).toEqual({
      format: {
        type: "json_schema",
        schema: {
          type: "object",
          properties: { a: { type: "integer", description: "A (minimum: 3)" } },
          required: ["a"],
          additionalProperties: false,
        },
      },
    });
    expect(warnings).toEqual([
      "anthropic-messages cannot enforce every rule of the JSON schema; told to the model instead",
    ]);
  });

  test("where model or schema do not allow it, it is asked for in the system prompt", () => {
    const closed = { type: "object", properties: {}, additionalProperties: false };
    const open = { type: "object", additionalProperties: { type: "string" } };
    for (const { body, warnings } of [fromOpenai(format(closed), "claude-sonnet-4-0"), fromOpenai(format(open))]) {
      expect(body["output_config"]).toBeUndefined();
      expect(body["system"]).toContain("JSON schema: {");
      expect(warnings).toHaveLength(1);
    }
    const { body, warnings } = fromOpenai({ response_format: { type: "json_object" }, max_tokens: 9 });
    expect(body["system"]).toContain("one JSON object");
    expect(warnings).toEqual(["anthropic-messages has no JSON mode; asked for in the system prompt"]);
  });
});
