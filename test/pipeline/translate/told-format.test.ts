import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { DialectName } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { translateRequest } from "../../../core/pipeline/translate/request.ts";
import { fakeVault } from "./parties.ts";

/** Formats and choices of tools that OpenAI refuses, asked for by clients whose own vendor takes them. */

const client = dialects.get("gemini");
if (client === undefined) throw new Error("a dialect is missing");
const list = { type: "ARRAY", items: { type: "STRING" } };
const json = { responseMimeType: "application/json" };

async function sent(target: DialectName, generationConfig: JsonObject, more: JsonObject = {}) {
  const dialect = dialects.get(target);
  if (client === undefined || dialect === undefined) throw new Error("a dialect is missing");
  const body = { contents: [{ role: "user", parts: [{ text: "Three colours" }] }], generationConfig, ...more };
  const parties = { client, target: dialect, accountId: "a", vault: fakeVault(), opening: { id: "c", createdMs: 1 } };
  const { request, warnings } = await translateRequest(
    client.decodeRequest(body, { model: "m", stream: false }),
    parties,
  );
  return { body: dialect.encodeRequest(request, "gpt-4o").body, warnings };
}

describe.each(["openai-chat", "openai-responses"] as const)("to %s", (target) => {
  const formatOf = (body: JsonObject) => body["response_format"] ?? body["text"];
  const conversationOf = (body: JsonObject) => JSON.stringify(body["messages"] ?? body["input"]);

  test("a schema of anything but an object is told in words", async () => {
    const { body, warnings } = await sent(target, { ...json, responseSchema: list });
    expect(formatOf(body)).toBeUndefined();
    expect(JSON.stringify(body)).toContain("Answer with one JSON value");
    expect(JSON.stringify(body)).toContain(String.raw`{\"type\":\"array\"`);
    expect(warnings).toEqual([
      `${target} cannot say a JSON schema of anything but an object; asked for in the system prompt`,
    ]);
  });

  test("a schema of an object is enforced", async () => {
    const schema = { type: "OBJECT", properties: { a: list } };
    const { body, warnings } = await sent(target, { ...json, responseSchema: schema });
    expect(JSON.stringify(formatOf(body))).toContain("json_schema");
    expect(JSON.stringify(body)).not.toContain("Answer with");
    expect(warnings).toEqual([]);
  });

  test("JSON mode brings the word that it is refused without", async () => {
    const { body } = await sent(target, json);
    expect(JSON.stringify(formatOf(body))).toContain("json_object");
    expect(conversationOf(body)).toContain("Answer with one JSON object");
  });

  test("the client's own word is enough, in the conversation", async () => {
    const { body } = await sent(target, json, { systemInstruction: { parts: [{ text: "Speak Json." }] } });
    expect(JSON.stringify(body)).not.toContain("Answer with");
    expect(conversationOf(body)).toContain("Speak Json.");
  });

  test("how to choose among tools is said only with tools", async () => {
    const toolConfig = { functionCallingConfig: { mode: "ANY" } };
    expect((await sent(target, {}, { toolConfig })).body).not.toHaveProperty("tool_choice");
    const tools = [{ functionDeclarations: [{ name: "f" }] }];
    expect((await sent(target, {}, { toolConfig, tools })).body).toMatchObject({ tool_choice: "required" });
  });
});

test("parallel calls are said only with tools", async () => {
  const anthropic = dialects.get("anthropic-messages");
  const chat = dialects.get("openai-chat");
  if (anthropic === undefined || chat === undefined) throw new Error("a dialect is missing");
  const asked = anthropic.decodeRequest({
    model: "m",
    max_tokens: 9,
    tools: [],
    tool_choice: { type: "auto", disable_parallel_tool_use: true },
    messages: [{ role: "user", content: "x" }],
  });
  const opening = { id: "c", createdMs: 1 };
  const parties = { client: anthropic, target: chat, accountId: "a", vault: fakeVault(), opening };
  const { body } = chat.encodeRequest((await translateRequest(asked, parties)).request, "m");
  expect(body).not.toHaveProperty("parallel_tool_calls");
  expect(body).not.toHaveProperty("tool_choice");
});
