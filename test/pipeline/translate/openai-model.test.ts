import { describe, expect, test } from "bun:test";
import { bareRequest, type ChatRequest } from "../../../core/chat/request.ts";
import type { DialectName } from "../../../core/dialects/dialect.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { asModelTakes, spokenFor } from "../../../core/pipeline/translate/openai-model.ts";

/** Of a request what a model of OpenAI's takes. */

const effort = (word: string) => ({ effort: word, budgetTokens: null, show: null });
const taken = (model: string, asked: Partial<ChatRequest>, dialect = openaiChat) => {
  const { request, warnings } = asModelTakes({ ...bareRequest, ...asked }, model, dialect);
  return { request, warnings, body: dialect.encodeRequest(request, model).body };
};

describe("the effort", () => {
  test.each([
    // Model, asked for, written.
    ["gpt-5", "none", "minimal"],
    ["gpt-5-mini-2025-08-07", "xhigh", "high"],
    ["openai/gpt-5-nano", "minimal", "minimal"],
    ["gpt-5-codex", "minimal", "low"],
    ["gpt-5-pro", "low", "high"],
    ["gpt-5.1", "none", "none"],
    ["gpt-5.1", "minimal", "low"],
    ["gpt-5.1", "xhigh", "high"],
    ["gpt-5.1-codex-max", "max", "xhigh"],
    ["gpt-5.1-codex", "none", "low"],
    ["gpt-5.1-chat-latest", "high", "medium"],
    ["gpt-5-1-chat", "none", "medium"],
    ["gpt-5.2", "xhigh", "xhigh"],
    ["gpt-5.2", "max", "xhigh"],
    ["gpt-5.2-pro", "low", "medium"],
    ["gpt-5.4-mini", "max", "xhigh"],
    ["gpt-5.6", "max", "max"],
    ["gpt-6-sol", "none", "none"],
    ["gpt-6", "none", "low"],
    ["o1", "none", "low"],
    ["o3", "xhigh", "high"],
    ["openai/o4-mini", "minimal", "low"],
    ["o1-mini", "high", undefined],
    ["gpt-4o", "high", undefined],
    ["gpt-4o", "none", undefined],
    ["gpt-4.1-mini", "low", undefined],
    ["ft:gpt-4o-mini:acme::1", "low", undefined],
    ["gpt-35-turbo", "low", undefined],
    ["chatgpt-4o-latest", "low", undefined],
    ["gpt-5-chat-latest", "medium", undefined],
    // Not OpenAI's to say.
    ["openai/gpt-oss-120b", "max", "max"],
    ["deepseek-r1", "none", "none"],
    ["o3de", "max", "max"],
    // A word that nobody knows yet.
    ["gpt-5", "ultra", "ultra"],
  ])("of %s for %s", (model, asked, written) => {
    const { warnings, body } = taken(model, { reasoning: effort(asked) });
    expect(body["reasoning_effort"]).toBe(written);
    // A model that never reasons does what is asked of it.
    const isTold = written !== asked && !(asked === "none" && written === undefined);
    expect(warnings).toHaveLength(isTold ? 1 : 0);
    const responses = taken(model, { reasoning: effort(asked) }, openaiResponses).body["reasoning"];
    if (written === undefined) expect(responses).toBeUndefined();
    else expect(responses).toMatchObject({ effort: written });
  });

  test("says which, and why", () => {
    expect(taken("gpt-5", { reasoning: effort("none") }).warnings).toEqual([
      "the effort is minimal, because gpt-5 does not take none",
    ]);
    expect(taken("o1-mini", { reasoning: effort("high") }).warnings).toEqual([
      "the effort high is left out, because o1-mini takes none",
    ]);
    expect(taken("gpt-4o", { reasoning: effort("high") }).warnings).toEqual([
      "reasoning is left out, because gpt-4o does not take it",
    ]);
  });

  test("of a budget is fitted too", () => {
    const budget = (tokens: number) => ({ effort: null, budgetTokens: tokens, show: true });
    expect(taken("gpt-5.1", { reasoning: budget(0) }).body).toMatchObject({ reasoning_effort: "none" });
    expect(taken("o3", { reasoning: budget(0) }, openaiResponses).body["reasoning"]).toEqual({ effort: "low" });
    expect(taken("gpt-5-pro", { reasoning: budget(4_000) }).body).toMatchObject({ reasoning_effort: "high" });
    expect(taken("o1-mini", { reasoning: budget(4_000) }).body).not.toHaveProperty("reasoning_effort");
  });

  test("asks a model that does not reason for no thoughts at all", () => {
    const { body } = taken("gpt-4o", { reasoning: { ...effort("high"), show: true } }, openaiResponses);
    expect(body).not.toHaveProperty("reasoning");
    expect(body).not.toHaveProperty("include");
  });
});

describe("settings of the choice of words", () => {
  const all = { temperature: 0.2, topP: 0.5, logprobs: 2, frequencyPenalty: 1, presencePenalty: 1, stop: ["END"] };
  const names = (model: string, asked: Partial<ChatRequest>) => {
    const { body, warnings } = taken(model, asked);
    const fields = ["temperature", "top_p", "top_logprobs", "frequency_penalty", "presence_penalty", "stop"];
    expect(warnings).toHaveLength(fields.filter((field) => body[field] === undefined).length);
    return fields.filter((field) => body[field] !== undefined);
  };
  const sampling = ["temperature", "top_p", "top_logprobs"];
  const everything = [...sampling, "frequency_penalty", "presence_penalty", "stop"];

  test.each([
    ["gpt-4o", everything],
    ["gpt-5-chat-latest", everything],
    ["gpt-5", []],
    ["o3", []],
    ["o4-mini", []],
    ["o1", ["stop"]],
    ["o3-mini", ["stop"]],
    // Which do not reason unless they are asked to.
    ["gpt-5.1", sampling],
    ["gpt-5.4", sampling],
    ["gpt-5.5", []],
    ["gpt-5.1-codex", []],
    ["gpt-6-sol", []],
    ["qwen3", everything],
  ])("that %s takes", (model, expected) => {
    expect(names(model, all)).toEqual(expected);
  });

  test("go by whether it reasons", () => {
    expect(names("gpt-5.1", { ...all, reasoning: effort("none") })).toEqual(sampling);
    expect(names("gpt-5.5", { ...all, reasoning: effort("none") })).toEqual(sampling);
    expect(names("gpt-5.1", { ...all, reasoning: effort("low") })).toEqual([]);
    expect(names("gpt-6-sol", { ...all, reasoning: effort("none") })).toEqual([]);
  });

  test("are not missed where they say what holds anyway", () => {
    const asked = { temperature: 1, topP: 1, frequencyPenalty: 0, presencePenalty: 0 };
    const { body, warnings } = taken("gpt-5", asked);
    expect(body).toEqual({ model: "gpt-5", messages: [{ role: "user", content: "." }] });
    expect(warnings).toEqual([]);
  });
});

test("a protocol of another vendor is not held to OpenAI's models", () => {
  const asked = { temperature: 0.2, reasoning: effort("max") };
  expect(taken("gpt-5", asked, gemini)).toMatchObject({ request: asked, warnings: [] });
});

describe("the protocol of OpenAI's that is spoken", () => {
  const lookUp: ChatRequest["tools"] = [
    { type: "function", name: "look_up", description: null, parameters: { type: "object" }, strict: null },
  ];
  const audio: ChatRequest["messages"] = [
    {
      role: "user",
      parts: [{ type: "media", kind: "audio", mediaType: "audio/wav", source: { by: "data", base64: "UklGRg==" } }],
    },
  ];
  const spoken = (model: string, asked: Partial<ChatRequest>) =>
    spokenFor({ ...bareRequest, ...asked }, model, [openaiChat, openaiResponses]).name;

  test.each<[model: string, asked: Partial<ChatRequest>, expected: DialectName]>([
    // Without functions nothing is forgotten.
    ["gpt-5", {}, "openai-chat"],
    ["gpt-5", { tools: lookUp }, "openai-responses"],
    ["o3", { tools: lookUp }, "openai-responses"],
    ["gpt-4o", { tools: lookUp }, "openai-chat"],
    ["qwen3", { tools: lookUp }, "openai-chat"],
    // What only the one has a word for.
    ["gpt-5", { tools: lookUp, candidates: 2 }, "openai-chat"],
    ["gpt-5", { tools: lookUp, seed: 1 }, "openai-chat"],
    ["o1", { tools: lookUp, stop: ["END"] }, "openai-chat"],
    ["gpt-5", { tools: lookUp, messages: audio }, "openai-chat"],
    // Fewer than the other one takes.
    ["gpt-5", { tools: lookUp, maxOutputTokens: 8 }, "openai-chat"],
    ["gpt-5", { tools: lookUp, maxOutputTokens: 16 }, "openai-responses"],
    // Whose own words are those of who made it.
    ["ft:gpt-4.1-2025-04-14:o1-labs:o3-pro:x", { tools: lookUp }, "openai-chat"],
    ["ft:o4-mini-2025-04-16:acme::x", { tools: lookUp }, "openai-responses"],
    // Which does not reason of itself.
    ["gpt-5.1", { tools: lookUp }, "openai-chat"],
    ["gpt-5.1", { tools: lookUp, reasoning: effort("low") }, "openai-responses"],
    // Which refuses functions in chat unless it is kept from reasoning.
    ["gpt-5.4", {}, "openai-chat"],
    ["gpt-5.4", { tools: lookUp }, "openai-responses"],
    ["gpt-5.4", { tools: lookUp, seed: 1 }, "openai-chat"],
    ["gpt-5.4", { tools: lookUp, seed: 1, reasoning: effort("low") }, "openai-responses"],
    ["gpt-5.6", { tools: lookUp, seed: 1 }, "openai-responses"],
    ["gpt-5.6", { tools: lookUp, reasoning: effort("none") }, "openai-chat"],
    // Which are in Responses alone.
    ["gpt-5-pro", {}, "openai-responses"],
    ["gpt-5.1-codex", {}, "openai-responses"],
    ["o3-pro", {}, "openai-responses"],
  ])("to %s", (model, asked, expected) => {
    expect(spoken(model, asked)).toBe(expected);
  });

  test("is the one that the upstream has, or has first", () => {
    const asked = { ...bareRequest, tools: lookUp };
    expect(spokenFor(asked, "gpt-5.4", [openaiChat]).name).toBe("openai-chat");
    expect(spokenFor(asked, "gpt-5.4", [openaiResponses, openaiChat]).name).toBe("openai-responses");
    expect(spokenFor(asked, "gpt-5.4", [gemini, openaiResponses]).name).toBe("gemini");
  });
});
