import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest, Part } from "../../../core/chat/request.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { wireFaults } from "../../support/wirecheck.ts";

const decode = (fields: JsonObject) => openaiResponses.decodeRequest({ model: "m", input: "hi", ...fields });
const encode = (request: ChatRequest) => openaiResponses.encodeRequest(request, "t");
const fromChat = (fields: JsonObject) =>
  openaiChat.decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }], ...fields });
const withParts = (role: "assistant" | "user" | "tool", parts: readonly Part[]): ChatRequest => ({
  ...fromChat({}),
  messages: [{ role, parts }],
});
const text = (value: string): Part => ({ type: "text", text: value });

describe("a request of another protocol", () => {
  test("leaves nothing with the provider", () => {
    expect(encode(fromChat({})).body).toEqual({
      model: "t",
      input: [{ type: "message", role: "user", content: "hi" }],
      store: false,
    });
    expect(encode(decode({})).body).not.toHaveProperty("store");
    expect(encode(decode({ store: true })).body["store"]).toBe(true);
  });

  test("a first system message of one text is its instructions; others stay where they are", () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "hi" },
      { role: "developer", content: "Mind the step." },
    ];
    const { body } = encode(fromChat({ messages }));
    expect(body["instructions"]).toBe("Be brief.");
    expect(body["input"]).toEqual([
      { type: "message", role: "user", content: "hi" },
      { type: "message", role: "developer", content: "Mind the step." },
    ]);
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    const several = encode(fromChat({ messages: [{ role: "system", content: parts }] })).body;
    expect(several).not.toHaveProperty("instructions");
    expect(several["input"]).toEqual([
      {
        type: "message",
        role: "system",
        content: [
          { type: "input_text", text: "a" },
          { type: "input_text", text: "b" },
        ],
      },
    ]);
  });

  test("instructions alone are no request, so they stand in the input", () => {
    const { body } = encode(fromChat({ messages: [{ role: "system", content: "Say hi." }] }));
    expect(body["input"]).toEqual([{ type: "message", role: "system", content: "Say hi." }]);
    expect(body).not.toHaveProperty("instructions");
  });

  test("that wants thoughts gets them in summary and encrypted, to be sent back", () => {
    const options = (fields: JsonObject) => {
      const { reasoning, include } = encode(fromChat(fields)).body;
      return { reasoning, include };
    };
    const include = ["reasoning.encrypted_content"];
    expect(options({ reasoning_effort: "high" })).toEqual({ reasoning: { effort: "high", summary: "auto" }, include });
    expect(options({ reasoning_effort: "none" })).toEqual({
      reasoning: { effort: "none" },
      include: undefined,
    });
    expect(options({ reasoning: { max_tokens: 1_000 } })).toEqual({
      reasoning: { effort: "low", summary: "auto" },
      include,
    });
    expect(options({ reasoning: { effort: "low", exclude: true } })).toEqual({
      reasoning: { effort: "low" },
      include,
    });
    expect(options({})).toEqual({ reasoning: undefined, include: undefined });
  });

  test("sends thoughts back only with their proof, wherever the client put it", () => {
    const { body, warnings } = encode(
      withParts("assistant", [
        { type: "reasoning", text: "Hm.", encrypted: "E" },
        { type: "reasoning", text: "", signature: "S" },
        { type: "reasoning", text: "unproven" },
        text("So."),
      ]),
    );
    expect(body["input"]).toEqual([
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm." }], encrypted_content: "E" },
      { type: "reasoning", summary: [], encrypted_content: "S" },
      { type: "message", role: "assistant", content: "So." },
    ]);
    expect(body["include"]).toEqual(["reasoning.encrypted_content"]);
    expect(warnings).toEqual(["openai-responses cannot say reasoning without its encrypted content; left out"]);
  });

  test("has functions that are not strict unless they say so, as they are elsewhere", () => {
    const tools = [
      { type: "function", function: { name: "a" } },
      { type: "function", function: { name: "b", parameters: { type: "object" }, strict: true } },
    ];
    expect(encode(fromChat({ tools })).body["tools"]).toEqual([
      { type: "function", name: "a", parameters: { type: "object", properties: {} }, strict: false },
      { type: "function", name: "b", parameters: { type: "object" }, strict: true },
    ]);
    const own = [{ type: "function", name: "a" }];
    expect(encode(decode({ tools: own })).body["tools"]).toEqual(own);
  });

  test("has grammars, choices, formats, cache keys and verbosity in the words of this one, and back", () => {
    const asked = {
      tools: [
        {
          type: "custom",
          custom: { name: "sh", format: { type: "grammar", grammar: { syntax: "regex", definition: ".*" } } },
        },
      ],
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "required", tools: [{ type: "custom", custom: { name: "sh" } }] },
      },
      response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } },
      logprobs: true,
      top_logprobs: 3,
      prompt_cache_key: "k",
      verbosity: "low",
      user: "u",
      service_tier: "flex",
      metadata: { a: "b" },
      parallel_tool_calls: false,
    };
    const { body, warnings } = encode(fromChat(asked));
    expect(warnings).toEqual([]);
    expect(body).toMatchObject({
      tools: [{ type: "custom", name: "sh", format: { type: "grammar", syntax: "regex", definition: ".*" } }],
      tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "custom", name: "sh" }] },
      text: { format: { type: "json_schema", name: "n", schema: { type: "object" } }, verbosity: "low" },
      include: ["message.output_text.logprobs"],
      top_logprobs: 3,
      prompt_cache_key: "k",
      user: "u",
      service_tier: "flex",
      metadata: { a: "b" },
      parallel_tool_calls: false,
    });
    const back = openaiChat.encodeRequest(openaiResponses.decodeRequest(body), "m").body;
    expect(back).toMatchObject(asked);
  });

  test("gives results of tools with images, and those of custom tools their own name", () => {
    const result = (id: string, parts: readonly Part[]) => ({ type: "tool-result", id, parts, isError: false }) as Part;
    const image: Part = {
      type: "media",
      kind: "image",
      mediaType: "image/png",
      source: { by: "data", base64: "aGk=" },
    };
    const request: ChatRequest = {
      ...fromChat({}),
      messages: [
        {
          role: "assistant",
          parts: [
            { type: "tool-call", id: "c1", name: "f", input: "" },
            { type: "tool-call", id: "c2", name: "sh", input: "ls", custom: true },
          ],
        },
        { role: "user", parts: [result("c1", [text("see"), image]), result("c2", [text("a")]), text("Go on.")] },
      ],
    };
    expect(encode(request).body["input"]).toEqual([
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "custom_tool_call", call_id: "c2", name: "sh", input: "ls" },
      {
        type: "function_call_output",
        call_id: "c1",
        output: [
          { type: "input_text", text: "see" },
          { type: "input_image", image_url: "data:image/png;base64,aGk=" },
        ],
      },
      { type: "custom_tool_call_output", call_id: "c2", output: "a" },
      { type: "message", role: "user", content: "Go on." },
    ]);
  });

  test("is told what cannot be said, once each", () => {
    const asked = {
      n: 2,
      stop: ["x"],
      seed: 1,
      frequency_penalty: 1,
      presence_penalty: 1,
      top_k: 3,
      logit_bias: { "1": 2 },
      stream: true,
      stream_options: { include_usage: true },
      messages: [
        { role: "user", name: "Ann", content: [{ type: "input_audio", input_audio: { data: "aGk=", format: "wav" } }] },
      ],
    };
    const { body, warnings } = encode(fromChat(asked));
    expect(warnings.map((warning) => warning.replace(/^openai-responses cannot say (.*); left out$/, "$1"))).toEqual([
      "'logit_bias'",
      "more than one candidate",
      "top_k",
      "a frequency penalty",
      "a presence penalty",
      "a seed",
      "stop sequences",
      "the name of a speaker",
      "audio by data",
    ]);
    expect(body["input"]).toEqual([{ type: "message", role: "user", content: "" }]);
  });

  test("keeps the schema", async () => {
    const tools = [{ type: "function", function: { name: "a", parameters: { type: "object" } } }];
    const messages = [
      { role: "system", content: "s" },
      {
        role: "user",
        content: [
          { type: "text", text: "t" },
          { type: "file", file: { file_id: "f" } },
        ],
      },
      {
        role: "assistant",
        content: "x",
        tool_calls: [{ id: "c", type: "function", function: { name: "a", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "r" },
    ];
    const { body } = encode(
      fromChat({ messages, tools, tool_choice: "required", reasoning_effort: "low", stream: true }),
    );
    expect(await wireFaults("openai-responses/request", body)).toEqual([]);
  });
});

describe("a request of this protocol", () => {
  test("what the model said in a row is one message, as other protocols have it", () => {
    const { messages } = decode({
      input: [
        { role: "user", content: "hi" },
        { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Hm." }], encrypted_content: "E" },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "One moment." }] },
        { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
        { type: "function_call", call_id: "c2", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "1" },
        { type: "function_call_output", call_id: "c2", output: "2" },
      ],
    });
    expect(messages.map(({ role, parts }) => [role, ...parts.map(({ type }) => type)])).toEqual([
      ["user", "text"],
      ["assistant", "reasoning", "text", "tool-call", "tool-call"],
      ["tool", "tool-result"],
      ["tool", "tool-result"],
    ]);
    expect(messages[1]?.parts[0]).toMatchObject({ text: "Hm.", encrypted: "E" });
  });

  test("what every other protocol does unasked is no warning there, and comes back here", () => {
    const fields = {
      store: false,
      background: false,
      truncation: "disabled",
      stream_options: { include_obfuscation: false },
      include: ["reasoning.encrypted_content"],
      reasoning: { effort: "low", summary: "detailed" },
    };
    expect(openaiChat.encodeRequest(decode(fields), "m").warnings).toEqual([]);
    expect(encode(decode(fields)).body).toMatchObject(fields);
    const more = { truncation: "auto", include: ["file_search_call.results"], reasoning: { context: "all_turns" } };
    expect(openaiChat.encodeRequest(decode(more), "m").warnings.length).toBe(3);
  });

  test("names what only its own protocol can give", () => {
    const params = (fields: JsonObject) => decode(fields).nativeOnly.map(({ param }) => param);
    expect(params({})).toEqual([]);
    expect(params({ store: false, background: false, previous_response_id: null })).toEqual([]);
    expect(params({ store: true })).toEqual(["store"]);
    expect(params({ previous_response_id: "r", conversation: "c", prompt: { id: "p" } })).toEqual([
      "previous_response_id",
      "conversation",
      "prompt",
    ]);
    const tools = [
      "web_search",
      "file_search",
      "mcp",
      "code_interpreter",
      "image_generation",
      "local_shell",
      "tool_search",
    ];
    expect(params({ tools: tools.map((type) => ({ type })) })).toEqual(tools.map((_, i) => `tools[${i}]`));
    const items = ["item_reference", "compaction", "local_shell_call_output", "mcp_approval_response"];
    expect(params({ input: items.map((type) => ({ type })) })).toEqual(items.map((_, i) => `input[${i}]`));
    expect(
      params({
        input: [
          { type: "web_search_call", id: "w" },
          { role: "user", content: "hi" },
        ],
      }),
    ).toEqual([]);
  });

  test("an index of the web that Codex offers unasked is no reason to refuse a call", () => {
    const request = decode({ tools: [{ type: "web_search", external_web_access: false }] });
    expect(request.nativeOnly).toEqual([]);
    expect(encode(request).body["tools"]).toEqual([{ type: "web_search", external_web_access: false }]);
    const elsewhere = openaiChat.encodeRequest(request, "m");
    expect(elsewhere.body).not.toHaveProperty("tools");
    expect(elsewhere.warnings).toEqual(["openai-chat cannot say a tool that another provider runs; left out"]);
  });

  test("tools of a namespace are functions elsewhere, and their calls come back with it", () => {
    const inner = [
      { type: "function", name: "spawn", parameters: { type: "object" }, strict: false },
      { type: "function", name: "close", parameters: { type: "object" }, strict: false },
    ];
    const tools = [{ type: "namespace", name: "agents", description: "d", tools: inner }, inner[0] ?? {}];
    const asked = decode({ tools });
    expect(asked.nativeOnly).toEqual([]);
    expect(encode(asked).body["tools"]).toEqual(tools);
    const elsewhere = openaiChat.encodeRequest(asked, "m").body["tools"] as readonly { function: { name: string } }[];
    expect(elsewhere.map((tool) => tool.function.name)).toEqual(["agents__spawn", "agents__close", "spawn"]);

    const call = (name: string) => ({ type: "tool-call" as const, id: "c", name, input: "{}" });
    const answer = {
      id: "r",
      model: "m",
      createdMs: 0,
      candidates: [
        { parts: [call("agents__close"), call("spawn")], finish: { reason: "tool-calls" as const, raw: null } },
      ],
      usage: null,
      extensions: {},
    };
    const items = openaiResponses.encodeResponse(answer, asked)["output"] as readonly JsonObject[];
    expect(items.map(({ name, namespace }) => [namespace, name])).toEqual([
      ["agents", "close"],
      [undefined, "spawn"],
    ]);
    const again = decode({ tools, input: items });
    expect(again.messages[0]?.parts.map((part) => part.type === "tool-call" && part.name)).toEqual([
      "agents__close",
      "spawn",
    ]);
  });

  test("refuses by name, and never says what the field holds", () => {
    const refused: readonly [JsonObject, string][] = [
      [{ input: [{ role: "robot", content: "secret" }] }, "input[0].role"],
      [{ input: [{ type: 5 }] }, "input[0].type"],
      [{ input: [{ role: "user", content: { secret: 1 } }] }, "input[0].content"],
      [{ input: [{ role: "user", content: [{ type: "input_text", text: 5 }] }] }, "input[0].content[0].text"],
      [{ input: [{ role: "user", content: [{ type: "input_image" }] }] }, "input[0].content[0]"],
      [{ tools: [{ type: "function" }] }, "tools[0].name"],
      [{ temperature: "secret" }, "temperature"],
      [{ text: "secret" }, "text"],
      [{ reasoning: [] }, "reasoning"],
      [{ metadata: { a: { secret: 1 } } }, "metadata"],
    ];
    for (const [fields, param] of refused) {
      try {
        decode(fields);
        throw new Error(`It took ${param}.`);
      } catch (error) {
        expect(error).toMatchObject({ kind: "invalid-request", details: { param } });
        expect(String(error)).not.toContain("secret");
      }
    }
  });

  test("a key named __proto__ stays a key", () => {
    const body: JsonObject = JSON.parse(
      '{"model":"m","input":"hi","x":{"__proto__":{"a":1}},"metadata":{"__proto__":"p"}}',
    );
    const again = encode(openaiResponses.decodeRequest(body)).body;
    expect(JSON.stringify([again["x"], again["metadata"]])).toBe('[{"__proto__":{"a":1}},{"__proto__":"p"}]');
  });
});
