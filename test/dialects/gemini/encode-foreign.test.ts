import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest, Message, Part, Tool } from "../../../core/chat/request.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { foreignRequest as request } from "./foreign.ts";
import { object } from "./oracle.ts";

/** Requests of other dialects, on their way to a model of Google's. */

const text = (words: string): Part => ({ type: "text", text: words });
const says = (role: Message["role"], ...parts: readonly Part[]): Message => ({ role, parts });
const call = (id: string, name = "f", more: object = {}): Part => ({
  type: "tool-call",
  id,
  name,
  input: '{"a":1}',
  ...more,
});
const result = (id: string, words: string, more: object = {}): Part => ({
  type: "tool-result",
  id,
  parts: [{ type: "text", text: words }],
  isError: false,
  ...more,
});
const tool = (more: object = {}): Tool => ({
  type: "function",
  name: "f",
  description: "Does f.",
  parameters: { type: "object", properties: {} },
  strict: null,
  ...more,
});
const newest = "gemini-3-pro-preview";
function encode(changed: Partial<ChatRequest>, model = newest): JsonObject {
  const { body, warnings } = gemini.encodeRequest(request(changed), model);
  expect(warnings).toEqual([]);
  return body;
}
/** Without what they all begin with. */
const warningsOf = (changed: Partial<ChatRequest>, model = newest): readonly string[] =>
  gemini.encodeRequest(request(changed), model).warnings.map((warning) => warning.replace("gemini cannot say ", ""));
const contentsOf = (messages: readonly Message[], model = newest) => encode({ messages }, model)["contents"];
const user = { role: "user", parts: [{ text: "hi" }] };

describe("messages", () => {
  test("system messages at the start are the instruction, one in the middle stays there as the user's", () => {
    const messages = [says("system", text("a")), says("developer", text("b")), says("user", text("hi"))];
    expect(encode({ messages })).toEqual({
      contents: [user],
      systemInstruction: { parts: [{ text: "a" }, { text: "b" }] },
    });
    const late = [says("user", text("hi")), says("system", text("now in French"))];
    const { body, warnings } = gemini.encodeRequest(request({ messages: late }), newest);
    expect(body["contents"]).toEqual([user, { role: "user", parts: [{ text: "now in French" }] }]);
    expect(warnings).toEqual([
      "gemini cannot say a system message in the middle of a conversation; sent as the user's",
    ]);
  });

  test("an instruction alone is what is asked", () => {
    const { body } = gemini.encodeRequest(request({ messages: [says("system", text("hi"))] }), newest);
    expect(body).toEqual({ contents: [user] });
  });

  test("a call without an id has none, and who says nothing hears of it from Google", () => {
    const legacy = [says("user", text("hi")), says("assistant", call("", "f", { signature: "c2ln" }))];
    expect((contentsOf(legacy) as readonly JsonObject[])[1]?.["parts"]).toEqual([
      { functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "c2ln" },
    ]);
    expect(contentsOf([says("user", text(""))])).toEqual([{ role: "user", parts: [{ text: "" }] }]);
  });

  test("what one turn called, and all its results, are one turn each", () => {
    const contents = contentsOf([
      says("user", text("hi")),
      says("assistant", text("I look."), call("1", "f", { signature: "c2ln" })),
      says("assistant", call("2", "g")),
      says("tool", result("1", "plain")),
      { ...says("tool", result("2", '{"x":1}')), name: "ignored" },
      says("user", text("and?")),
    ]);
    expect(contents).toEqual([
      user,
      {
        role: "model",
        parts: [
          { text: "I look." },
          { functionCall: { id: "1", name: "f", args: { a: 1 } }, thoughtSignature: "c2ln" },
          { functionCall: { id: "2", name: "g", args: { a: 1 } } },
        ],
      },
      {
        role: "user",
        parts: [
          { functionResponse: { id: "1", name: "f", response: { output: "plain" } } },
          { functionResponse: { id: "2", name: "g", response: { x: 1 } } },
        ],
      },
      { role: "user", parts: [{ text: "and?" }] },
    ]);
  });

  test("a call without a signature says so to models that demand one", () => {
    const messages = [says("user", text("hi")), says("assistant", call("1"), call("2")), says("tool", result("1", ""))];
    const partsOf = (model: string) => object((contentsOf(messages, model) as readonly JsonObject[])[1])["parts"];
    expect(partsOf(newest)).toMatchObject([{ thoughtSignature: "skip_thought_signature_validator" }, {}]);
    expect(JSON.stringify(partsOf(newest)).match(/skip_thought/g)).toHaveLength(1);
    expect(JSON.stringify(partsOf("gemini-2.5-pro"))).not.toContain("skip_thought");
  });

  test("results: errors, images, none, and one that nobody called for", () => {
    const png = {
      type: "media",
      kind: "image",
      mediaType: "image/png",
      source: { by: "data", base64: "aGk=" },
    } as const;
    const messages = [
      says("user", text("hi")),
      says("assistant", call("1", "f", { signature: "c2ln" }), call("2", "g"), call("3", "h")),
      says(
        "tool",
        result("1", "it broke", { isError: true }),
        { type: "tool-result", id: "2", parts: [{ type: "text", text: "see" }, png], isError: false },
        result("3", '{"error":"own words"}', { isError: true }),
      ),
    ];
    const inline = { inlineData: { mimeType: "image/png", data: "aGk=" } };
    const broke = { functionResponse: { id: "1", name: "f", response: { error: "it broke" } } };
    const own = { functionResponse: { id: "3", name: "h", response: { error: "own words" } } };
    const seen = { id: "2", name: "g", response: { output: "see" } };
    expect((contentsOf(messages) as readonly JsonObject[])[2]?.["parts"]).toEqual([
      broke,
      { functionResponse: { ...seen, parts: [inline] } },
      own,
    ]);
    // Before generation 3 a result has no place for an image: it follows all results.
    expect((contentsOf(messages, "gemini-2.5-pro") as readonly JsonObject[])[2]?.["parts"]).toEqual([
      broke,
      { functionResponse: seen },
      own,
      inline,
    ]);
    expect(warningsOf({ messages: [says("tool", result("9", "x"))] })).toEqual([
      "a result of a call that is not there; called unknown",
    ]);
  });

  test("thoughts, refusals, empty texts and what is encrypted", () => {
    const contents = contentsOf([
      says("user", text("hi")),
      says(
        "assistant",
        { type: "reasoning", text: "hm", signature: "c2ln" },
        { type: "reasoning", text: "", encrypted: "c2VjcmV0" },
        { type: "reasoning", text: "both", signature: "c2ln", encrypted: "c2VjcmV0" },
        { type: "reasoning", text: "" },
        text(""),
        { type: "text", text: "", signature: "ZW5k" },
        { type: "refusal", text: "No." },
      ),
    ]);
    const thought = { thought: true };
    expect((contents as readonly JsonObject[])[1]?.["parts"]).toEqual([
      { text: "hm", ...thought, thoughtSignature: "c2ln" },
      { text: "", ...thought, thoughtSignature: "encrypted000c2VjcmV0" },
      { text: "both", ...thought, thoughtSignature: "c2ln" },
      { text: "", ...thought, thoughtSignature: "encrypted000c2VjcmV0" },
      { text: "", thoughtSignature: "ZW5k" },
      { text: "No." },
    ]);
    const again = gemini.decodeRequest({ contents: contents ?? [] }, { model: "m", stream: false });
    expect(again.messages[1]?.parts.slice(0, 4)).toMatchObject([
      { text: "hm", signature: "c2ln" },
      { text: "", encrypted: "c2VjcmV0" },
      { text: "both", signature: "c2ln" },
      { text: "", encrypted: "c2VjcmV0" },
    ]);
  });

  test("arguments are an object, whatever the model wrote", () => {
    const messages = [
      says("user", text("hi")),
      says("assistant", call("1", "f", { input: "[1" }), call("2", "f", { input: "" })),
    ];
    const { body, warnings } = gemini.encodeRequest(request({ messages }), "gemini-2.5-pro");
    expect((body["contents"] as readonly JsonObject[])[1]?.["parts"]).toMatchObject([
      { functionCall: { args: { input: "[1" } } },
      { functionCall: { args: {} } },
    ]);
    expect(warnings).toEqual(["gemini cannot say the input of a call that is no JSON object; put into one"]);
  });

  test("media: inline, by address, as a data URL; an id means nothing here", () => {
    const media = (kind: "image" | "audio" | "file", source: object, more: object = {}): Part =>
      ({ type: "media", kind, mediaType: null, source, ...more }) as Part;
    const messages = [
      says(
        "user",
        media("image", { by: "data", base64: "aGk=" }),
        media("image", { by: "url", url: "https://example.com/a.JPG?x=1" }),
        media("file", { by: "url", url: "https://example.com/a" }),
        media("file", { by: "url", url: "data:application/pdf;base64,cGRm" }),
      ),
    ];
    expect((contentsOf(messages) as readonly JsonObject[])[0]?.["parts"]).toEqual([
      { inlineData: { mimeType: "image/png", data: "aGk=" } },
      { fileData: { fileUri: "https://example.com/a.JPG?x=1", mimeType: "image/jpeg" } },
      { fileData: { fileUri: "https://example.com/a" } },
      { inlineData: { mimeType: "application/pdf", data: "cGRm" } },
    ]);
    expect(
      warningsOf({
        messages: [
          says("user", text("hi"), media("file", { by: "id", id: "file-1" })),
          says(
            "user",
            media("image", { by: "url", url: "https://example.com/a.png" }, { detail: "high", name: "a.png" }),
          ),
          { ...says("user", { type: "text", text: "x", cache: { ttl: "5m" } }), name: "Ann" },
          says("assistant", { type: "other", extensions: { "openai-chat": { type: "odd" } } }),
        ],
      }),
    ).toEqual([
      "file by id; left out",
      "how closely to look at an image; left out",
      "names of files; left out",
      "names of speakers; left out",
      "cache marks; left out",
      "a content part of another protocol; left out",
    ]);
  });
});

describe("settings", () => {
  test("all that have a name here", async () => {
    const body = encode({
      maxOutputTokens: 9,
      candidates: 2,
      temperature: 0,
      topP: 0.5,
      topK: 3,
      frequencyPenalty: 1,
      presencePenalty: -1,
      seed: -5,
      stop: ["a"],
      logprobs: 4,
      serviceTier: "priority",
    });
    expect(body).toEqual({
      contents: [user],
      generationConfig: {
        candidateCount: 2,
        maxOutputTokens: 9,
        temperature: 0,
        topP: 0.5,
        topK: 3,
        frequencyPenalty: 1,
        presencePenalty: -1,
        seed: -5,
        stopSequences: ["a"],
        responseLogprobs: true,
        logprobs: 4,
      },
      serviceTier: "priority",
    });
    expect(await wireFaults("gemini/request", body)).toEqual([]);
  });

  test("what has none is told", () => {
    expect(
      warningsOf({
        user: "u",
        metadata: { a: "b" },
        parallelToolCalls: false,
        seed: 2 ** 40,
        stop: ["1", "2", "3", "4", "5", "6"],
        serviceTier: "scale",
        extensions: { "openai-chat": { logit_bias: {} } },
        tools: [{ type: "server", dialect: "openai-responses", definition: {} }],
      }),
    ).toEqual([
      "'logit_bias'; left out",
      "'user'; left out",
      "'metadata'; left out",
      "that calls must come one by one; left out",
      "a tool that another provider runs; left out",
      "a seed of more than 32 bits; left out",
      "more than 5 stop sequences; left out",
      "the service tier 'scale'; left out",
    ]);
  });

  test("formats are plain JSON Schema", () => {
    const schema = { type: "object", properties: { n: { type: ["integer", "null"] } }, additionalProperties: false };
    const format = { type: "json-schema", name: "x", description: "A number.", schema, strict: true } as const;
    expect(encode({ format })["generationConfig"]).toEqual({
      responseMimeType: "application/json",
      responseJsonSchema: { ...schema, description: "A number." },
    });
    expect(encode({ format: { type: "json" } })["generationConfig"]).toEqual({ responseMimeType: "application/json" });
  });

  test("beside functions a format is told to models that refuse both", () => {
    const asked = { tools: [tool()], format: { type: "json" } } as const;
    expect(encode(asked)["generationConfig"]).toEqual({ responseMimeType: "application/json" });
    const { body, warnings } = gemini.encodeRequest(request(asked), "gemini-2.5-flash");
    expect(body["generationConfig"]).toBeUndefined();
    expect(JSON.stringify(body["systemInstruction"])).toContain("one JSON object and nothing else");
    expect(warnings).toEqual([
      "gemini cannot say with this model that an answer be JSON, beside functions; asked for in the system instruction",
    ]);
  });

  test("tools and the choice among them", async () => {
    const tools = [
      tool(),
      tool({ name: "g", description: null, parameters: null }),
      tool({ name: "h", parameters: {} }),
    ];
    const chosen = (toolChoice: ChatRequest["toolChoice"], more: Partial<ChatRequest> = {}) =>
      encode({ tools, toolChoice, ...more })["toolConfig"];
    const body = encode({ tools });
    expect(body["tools"]).toEqual([
      {
        functionDeclarations: [
          { name: "f", description: "Does f.", parametersJsonSchema: { type: "object", properties: {} } },
          { name: "g" },
          { name: "h", description: "Does f.", parametersJsonSchema: { type: "object" } },
        ],
      },
    ]);
    expect(body["toolConfig"]).toBeUndefined();
    const calling = (config: JsonObject) => ({ functionCallingConfig: config });
    expect(chosen({ type: "auto" })).toEqual(calling({ mode: "AUTO" }));
    expect(chosen({ type: "none" })).toEqual(calling({ mode: "NONE" }));
    expect(chosen({ type: "required" })).toEqual(calling({ mode: "ANY" }));
    expect(chosen({ type: "tool", name: "g" })).toEqual(calling({ mode: "ANY", allowedFunctionNames: ["g"] }));
    expect(chosen({ type: "auto", allowed: ["f", "g"] })).toEqual(
      calling({ mode: "VALIDATED", allowedFunctionNames: ["f", "g"] }),
    );
    expect(encode({ toolChoice: { type: "auto" } })["toolConfig"]).toBeUndefined();
    const strict = { tools: [tool({ strict: true })] };
    expect(chosen(null, strict)).toEqual(calling({ mode: "VALIDATED" }));
    expect(chosen({ type: "required" }, strict)).toEqual(calling({ mode: "ANY" }));
    expect(warningsOf(strict, "gemma-3")).toEqual(["strict tools; left out"]);
  });
});
