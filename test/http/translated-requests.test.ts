import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** What of a client's request a provider of another dialect gets, under the provider's own words. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const answer = { text: "hello", usage: { input: 3, output: 2 } };
let asked = 0;

/** The body that reached a target of the dialect `to`, and the warnings of the call. */
async function sent(from: DialectName, to: DialectName, more: Readonly<Record<string, unknown>>) {
  const model = `asked-${asked++}`;
  upstream.on(model, json(200, spokenWhole(to, answer)));
  const reply = await ask(gateway, key.key, from, { model: `mock-${to}/${model}`, more });
  expect(reply.status).toBe(200);
  const [exchange] = upstream.requestsFor(model);
  return { body: exchange?.json ?? {}, warnings: reply.headers.get("x-llm-proxy-warnings") ?? "" };
}

describe("the tier that a call is to be served by", () => {
  test.each([
    ["openai-chat", { service_tier: "default" }],
    ["openai-responses", { service_tier: "default" }],
    ["gemini", { serviceTier: "standard" }],
    ["anthropic-messages", { service_tier: "standard_only" }],
  ] as const)(
    "is the standard one in the words of %s too, where Anthropic's client wants no other",
    async (to, words) => {
      const { body, warnings } = await sent("anthropic-messages", to, { service_tier: "standard_only" });
      expect(body).toMatchObject(words);
      expect(warnings).not.toContain("tier");
    },
  );
});

describe("the client's id of its end user", () => {
  test.each([
    ["openai-responses", { user: "user-1" }],
    ["anthropic-messages", { metadata: { user_id: "user-1" } }],
  ] as const)("reaches %s where a chat client says it as OpenAI wants it now", async (to, words) => {
    const { body, warnings } = await sent("openai-chat", to, { safety_identifier: "user-1" });
    expect(body).toMatchObject(words);
    expect(warnings).not.toContain("safety_identifier");
  });

  test("is the older word's where a chat client says both", async () => {
    const { body, warnings } = await sent("openai-chat", "anthropic-messages", {
      user: "user-1",
      safety_identifier: "x",
    });
    expect(body).toMatchObject({ metadata: { user_id: "user-1" } });
    expect(warnings).toContain("safety_identifier");
  });
});

describe("what the two protocols of OpenAI have in common", () => {
  const settings = {
    prompt_cache_retention: "24h",
    prompt_cache_options: { mode: "explicit", ttl: "30m" },
    user: "user-1",
    safety_identifier: "x",
  };
  const prompt_cache_breakpoint = { mode: "explicit" };
  const messages = [
    { role: "system", content: [{ type: "text", text: "Be brief.", prompt_cache_breakpoint }] },
    { role: "user", content: [{ type: "text", text: "Hello.", prompt_cache_breakpoint }] },
  ];

  test("reaches a target of the newer one from a client of the older one", async () => {
    const { body, warnings } = await sent("openai-chat", "openai-responses", { ...settings, messages });
    expect(body).toMatchObject({
      ...settings,
      input: [
        { role: "system", content: [{ type: "input_text", text: "Be brief.", prompt_cache_breakpoint }] },
        { role: "user", content: [{ type: "input_text", text: "Hello.", prompt_cache_breakpoint }] },
      ],
    });
    expect(warnings).toBe("");
  });

  test("marks the prompt for Anthropic too, which is told of nothing that it has no word for", async () => {
    const { body, warnings } = await sent("openai-chat", "anthropic-messages", { ...settings, messages });
    const cache_control = { type: "ephemeral" };
    expect(body).toMatchObject({
      system: [{ type: "text", text: "Be brief.", cache_control }],
      messages: [{ role: "user", content: [{ type: "text", text: "Hello.", cache_control }] }],
    });
    expect(body).not.toHaveProperty("prompt_cache_options");
    expect(warnings).toContain("prompt_cache_options");
  });
});

describe("a document of Anthropic that is texts and images", () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "aW1n" } };
  const text = (said: string) => ({ type: "text", text: said });
  const document = {
    type: "document",
    title: "Plan",
    source: { type: "content", content: [text("Before."), text("Above."), image, text("Below.")] },
  };
  const url = "data:image/png;base64,aW1n";

  test.each([
    [
      "openai-chat",
      { messages: [{ content: [text("Plan\nBefore.\nAbove."), { image_url: { url } }, text("Below."), text("So?")] }] },
    ],
    [
      "openai-responses",
      {
        input: [
          { content: [{ text: "Plan\nBefore.\nAbove." }, { image_url: url }, { text: "Below." }, { text: "So?" }] },
        ],
      },
    ],
    [
      "gemini",
      {
        contents: [
          {
            parts: [
              { text: "Plan\nBefore.\nAbove." },
              { inlineData: { mimeType: "image/png", data: "aW1n" } },
              { text: "Below." },
              { text: "So?" },
            ],
          },
        ],
      },
    ],
    ["anthropic-messages", { messages: [{ role: "user", content: [document, text("So?")] }] }],
  ] as const)("reaches %s whole", async (to, words) => {
    const messages = [{ role: "user", content: [document, text("So?")] }];
    const { body, warnings } = await sent("anthropic-messages", to, { messages });
    expect(body).toMatchObject(words);
    expect(warnings).toBe("");
  });

  test("reaches a chat target in the result of a tool, whole", async () => {
    const messages = [
      { role: "user", content: "Look." },
      { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "look", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [document] }] },
    ];
    const tools = [{ name: "look", input_schema: { type: "object" } }];
    const { body } = await sent("anthropic-messages", "openai-chat", { messages, tools });
    expect(JSON.stringify(body)).toContain(url);
    for (const said of ["Plan", "Above.", "Below."]) expect(JSON.stringify(body)).toContain(said);
  });

  test("is told as far as others have words for what is in it", async () => {
    const source = { type: "content", content: [text("Above."), { type: "hologram" }] };
    const messages = [{ role: "user", content: [{ type: "document", source }] }];
    const { body, warnings } = await sent("anthropic-messages", "openai-chat", { messages });
    expect(body).toMatchObject({ messages: [{ content: [text("Above.")] }] });
    expect(warnings).toContain("a content part of another protocol");
  });
});

describe("the cache marks of a chat client", () => {
  const cache_control = { type: "ephemeral" };
  const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
  const asking = {
    messages: [
      { role: "system", content: "Be brief.", cache_control },
      { role: "user", content: [{ type: "text", text: "Go." }], cache_control },
      { role: "assistant", content: "I do.", tool_calls: [{ ...call, cache_control }] },
      { role: "tool", tool_call_id: "c1", content: "Done.", cache_control: { ...cache_control, ttl: "1h" } },
    ],
    tools: [
      { type: "function", function: { name: "f", parameters: { type: "object" } }, cache_control },
      { type: "function", function: { name: "g", parameters: { type: "object" }, cache_control } },
    ],
  };

  test("reach Anthropic from messages, calls and tools too, where @ai-sdk/openai-compatible has them", async () => {
    const { body, warnings } = await sent("openai-chat", "anthropic-messages", asking);
    expect(body).toMatchObject({
      system: [{ type: "text", text: "Be brief.", cache_control }],
      messages: [
        { role: "user", content: [{ type: "text", text: "Go.", cache_control }] },
        { role: "assistant", content: [{ type: "text" }, { type: "tool_use", cache_control }] },
        { role: "user", content: [{ type: "tool_result", cache_control: { ...cache_control, ttl: "1h" } }] },
      ],
      tools: [
        { name: "f", cache_control },
        { name: "g", cache_control },
      ],
    });
    expect(warnings).not.toContain("cache");
  });

  test("are named where there is no word for them", async () => {
    for (const to of ["openai-responses", "gemini"] as const)
      expect((await sent("openai-chat", to, asking)).warnings).toContain("cache marks");
  });

  test("stay where they are before a target of their own protocol", async () => {
    const { body, warnings } = await sent("openai-chat", "openai-chat", asking);
    expect(body).toMatchObject(asking);
    expect(warnings).toBe("");
  });
});

describe("a JSON schema of a Messages client", () => {
  const schema = {
    type: "object",
    properties: { n: { type: "number" } },
    required: ["n"],
    additionalProperties: false,
  };
  const format = { type: "json_schema", schema };

  test.each([
    ["openai-chat", { response_format: { type: "json_schema", json_schema: { schema } } }],
    ["openai-responses", { text: { format: { type: "json_schema", schema } } }],
    ["gemini", { generationConfig: { responseMimeType: "application/json", responseJsonSchema: schema } }],
    ["anthropic-messages", { output_format: format }],
  ] as const)("reaches %s under the name that it had in beta too", async (to, words) => {
    const { body, warnings } = await sent("anthropic-messages", to, { output_format: format });
    expect(body).toMatchObject(words);
    expect(warnings).toBe("");
  });
});

test("a chat client that asks for the usage of its call gets it everywhere, and no warning that it could not", async () => {
  const more = { stream_options: { include_usage: true }, usage: { include: true }, max_tokens: 9 };
  for (const to of ["openai-responses", "anthropic-messages", "gemini"] as const)
    expect((await sent("openai-chat", to, more)).warnings).not.toMatch(/stream_options|usage/);
});

describe("a cache mark of a Messages client", () => {
  const marked = { cache_control: { type: "ephemeral" } };
  const tool = { name: "f", input_schema: { type: "object" } };
  const use = { type: "tool_use", id: "t1", name: "f", input: {} };
  const result = { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "Done." }] };
  const turns = (called: object, answered: object) => ({
    messages: [
      { role: "user", content: "Go." },
      { role: "assistant", content: [called] },
      { role: "user", content: [answered] },
    ],
    tools: [tool],
  });

  test.each([
    ["on a tool", { tools: [{ ...tool, ...marked }] }],
    ["on a call", turns({ ...use, ...marked }, result)],
    ["on a result", turns(use, { ...result, ...marked })],
    ["in a result", turns(use, { ...result, content: [{ type: "text", text: "Done.", ...marked }] })],
  ] as const)("%s is named where there is no word for it", async (_, more) => {
    for (const to of ["openai-chat", "openai-responses", "gemini"] as const)
      expect((await sent("anthropic-messages", to, more)).warnings).toBe(`${to} cannot say cache marks; left out`);
  });
});

describe("citations that a Messages client asks for", () => {
  const citations = { enabled: true };
  const pdf = { type: "base64", media_type: "application/pdf", data: "JVBERi0=" };
  const text = { type: "text", media_type: "text/plain", data: "The sky is blue." };
  const found = {
    type: "search_result",
    source: "https://a.example",
    title: "A",
    content: [{ type: "text", text: "x" }],
  };
  const said = (...content: readonly object[]) => ({ messages: [{ role: "user", content }] });
  const ofTool = {
    messages: [
      { role: "user", content: "Search." },
      { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "search", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [{ ...found, citations }] }] },
    ],
    tools: [{ name: "search", input_schema: { type: "object" } }],
  };

  test.each([
    ["a PDF", said({ type: "document", source: pdf, citations })],
    ["a text", said({ type: "document", source: text, citations })],
    ["a result of a search", ofTool],
  ] as const)("of %s are named where there is no word for them", async (_, more) => {
    for (const to of ["openai-chat", "openai-responses", "gemini"] as const)
      expect((await sent("anthropic-messages", to, more)).warnings).toContain(
        `${to} cannot say citations of documents`,
      );
  });

  test("are not named where it asks for none", async () => {
    const more = said({ type: "document", source: text, citations: { enabled: false } });
    for (const to of ["openai-chat", "openai-responses", "gemini"] as const)
      expect((await sent("anthropic-messages", to, more)).warnings).toBe("");
  });
});

describe("how much the model is to say", () => {
  test.each([
    ["openai-chat", { verbosity: "low" }],
    ["openai-responses", { text: { verbosity: "low" } }],
  ] as const)("of a client of %s is named where there is no word for it", async (from, more) => {
    for (const to of ["anthropic-messages", "gemini"] as const)
      expect((await sent(from, to, more)).warnings).toContain(`${to} cannot say 'verbosity'; left out`);
  });
});

describe("a file by its address", () => {
  const fileOf = (mimeType: string) => ({
    contents: [
      { role: "user", parts: [{ text: "What is this?" }, { fileData: { fileUri: "https://a.example/x", mimeType } }] },
    ],
  });

  test("is a document for Anthropic where it is a PDF, which is all that it fetches", async () => {
    const { body, warnings } = await sent("gemini", "anthropic-messages", fileOf("application/pdf"));
    expect(JSON.stringify(body["messages"])).toContain('{"type":"url","url":"https://a.example/x"}');
    expect(warnings).not.toContain("by url");
  });

  test.each(["video/mp4", "text/plain"])("is left out for Anthropic where it is %s, and named", async (mimeType) => {
    const { body, warnings } = await sent("gemini", "anthropic-messages", fileOf(mimeType));
    expect(body["messages"]).toEqual([{ role: "user", content: "What is this?" }]);
    expect(warnings).toContain("file by url; left out");
  });
});

describe("a field that the target has no word for", () => {
  test("is named, of a tool, of a part or of a result", async () => {
    const tool = { name: "f", input_schema: { type: "object" }, defer_loading: true, eager_input_streaming: false };
    const messages = await sent("anthropic-messages", "openai-chat", { tools: [tool] });
    expect(messages.warnings).toBe("openai-chat cannot say 'defer_loading'; left out");

    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}", id: "fc_1", status: "completed" };
    const output = { type: "function_call_output", call_id: "c", output: "r", id: "x", status: "completed" };
    const plain = { type: "function", name: "f", parameters: { type: "object" }, strict: false };
    const tools = [{ ...plain, allowed_callers: ["direct"], output_schema: { type: "string" } }];
    const responses = await sent("openai-responses", "openai-chat", { input: [call, output], tools });
    expect(responses.warnings).toBe("openai-chat cannot say what a tool returns; left out");

    const clip = { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" }, videoMetadata: { fps: 1 } };
    const result = { functionResponse: { name: "f", response: { output: "r" }, scheduling: "SILENT" } };
    const contents = [
      { role: "user", parts: [{ text: "u" }, clip] },
      { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [result] },
    ];
    expect((await sent("gemini", "openai-chat", { contents })).warnings).toBe(
      "openai-chat cannot say 'videoMetadata'; left out; openai-chat cannot say 'functionResponse.scheduling'; left out",
    );
  });

  test("is not what a client sends back of an answer", async () => {
    const said = { type: "tool_use", id: "c", name: "f", input: {}, caller: { type: "direct" }, toolset_name: "t" };
    const messages = [
      { role: "user", content: "u" },
      { role: "assistant", content: [said] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c", content: "r" }] },
    ];
    expect((await sent("anthropic-messages", "openai-chat", { messages })).warnings).toBe("");
  });
});

test("the name that a Gemini client gives a file is the file's", async () => {
  const inlineData = { mimeType: "application/pdf", data: "JVBERi0=", displayName: "plan.pdf" };
  const contents = [{ role: "user", parts: [{ inlineData }] }];
  const { body, warnings } = await sent("gemini", "openai-chat", { contents });
  expect(body).toMatchObject({ messages: [{ content: [{ type: "file", file: { filename: "plan.pdf" } }] }] });
  expect(warnings).toBe("");
  expect((await sent("gemini", "gemini", { contents })).body).toMatchObject({ contents });
});

test("of an object that is carried in part only the rest is named", async () => {
  const format = { type: "json_schema", schema: { type: "object", properties: {}, additionalProperties: false } };
  const thinking = { type: "disabled" };
  const { body, warnings } = await sent("anthropic-messages", "openai-chat", {
    thinking,
    output_config: { format, effort: "high" },
  });
  expect(body).toMatchObject({ response_format: { type: "json_schema", json_schema: { schema: format.schema } } });
  expect(warnings).toBe("openai-chat cannot say 'output_config.effort'; left out");
  const context = { effort: "low", context: "all_turns" };
  const reasoning = await sent("openai-responses", "openai-chat", { reasoning: context });
  expect(reasoning.warnings).toBe("openai-chat cannot say 'reasoning.context'; left out");
});
