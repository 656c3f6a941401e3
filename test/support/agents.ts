import Anthropic from "@anthropic-ai/sdk";
import { type Content, type FunctionCall, GoogleGenAI, type Part } from "@google/genai";
import OpenAI from "openai";
import type { DialectName } from "../../core/dialects/dialect.ts";

/** An application that calls tools until the model is done, as the SDK of its dialect lets it. */
export type Agent = (options: AgentOptions) => Promise<Loop>;

export interface AgentOptions {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly stream: boolean;
}

/** What the application has seen when the model makes no more calls. */
export interface Loop {
  /** The last answer. */
  readonly text: string;
  readonly reasoning: readonly string[];
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
}

/** Every tool takes one string. */
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const toolNames = ["get_weather", "get_time"] as const;
const prompt = "How is it in Paris and Rome?";

/** What a tool answers. */
export const resultOf = (name: string, input: unknown): string => `${name} ${JSON.stringify(input)} is fine`;

/** More turns than any test has: a loop that does not end is a failure. */
const maxTurns = 8;

const openai: Agent = async ({ url, key, model, stream }) => {
  const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const messages: OpenAI.Chat.Completions.ChatCompletionMessageParam[] = [{ role: "user", content: prompt }];
  const tools = toolNames.map((name) => ({ type: "function" as const, function: { name, parameters } }));
  const seen = newLoop();
  for (let turn = 0; turn < maxTurns; turn++) {
    const asked = { model, messages, tools, reasoning_effort: "low" as const };
    let reasoning = "";
    const helper = stream ? sdk.chat.completions.stream(asked) : null;
    // Of a field that it does not know, the helper keeps the last piece only.
    if (helper) for await (const { choices } of helper) reasoning += reasoningOf(choices[0]?.delta);
    const answer = helper ? await helper.finalChatCompletion() : await sdk.chat.completions.create(asked);
    const message = answer.choices[0]?.message;
    if (!message) throw new Error("an answer without a message");
    seen.reasoning.push(helper ? reasoning : reasoningOf(message));
    // As most applications do: what their own protocol has no word for is not sent back.
    const { role, content, tool_calls: calls } = message;
    messages.push({ role, content, ...(calls?.length ? { tool_calls: calls } : {}) });
    if (!calls?.length) return { ...seen, text: content ?? "" };
    for (const call of calls) {
      if (call.type !== "function") throw new Error("a call of another kind");
      const input: unknown = JSON.parse(call.function.arguments);
      seen.calls.push({ name: call.function.name, input });
      messages.push({ role: "tool", tool_call_id: call.id, content: resultOf(call.function.name, input) });
    }
  }
  throw new Error("the loop does not end");
};

function reasoningOf(message: object | undefined): string {
  const value: unknown = message && Reflect.get(message, "reasoning_content");
  return typeof value === "string" ? value : "";
}

const responses: Agent = async ({ url, key, model, stream }) => {
  const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: prompt }];
  const tools = toolNames.map((name) => ({ type: "function" as const, name, parameters, strict: false }));
  const seen = newLoop();
  for (let turn = 0; turn < maxTurns; turn++) {
    const asked = {
      model,
      input,
      tools,
      store: false,
      include: ["reasoning.encrypted_content" as const],
      reasoning: { effort: "low" as const, summary: "auto" as const },
    };
    const { output } = stream ? await sdk.responses.stream(asked).finalResponse() : await sdk.responses.create(asked);
    // What they are made for; the types of all the kinds of items do not quite meet.
    input.push(...(output as OpenAI.Responses.ResponseInput));
    seen.reasoning.push(
      output.flatMap((item) => (item.type === "reasoning" ? item.summary.map(({ text }) => text) : [])).join(""),
    );
    const calls = output.flatMap((item) => (item.type === "function_call" ? [item] : []));
    if (calls.length === 0) {
      const content = output.flatMap((item) => (item.type === "message" ? item.content : []));
      return { ...seen, text: content.map((part) => (part.type === "output_text" ? part.text : "")).join("") };
    }
    for (const { name, arguments: text, call_id } of calls) {
      const given: unknown = JSON.parse(text);
      seen.calls.push({ name, input: given });
      input.push({ type: "function_call_output", call_id, output: resultOf(name, given) });
    }
  }
  throw new Error("the loop does not end");
};

const anthropic: Agent = async ({ url, key, model, stream }) => {
  const sdk = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: prompt }];
  const tools = toolNames.map((name) => ({ name, input_schema: { ...parameters, type: "object" as const } }));
  const seen = newLoop();
  for (let turn = 0; turn < maxTurns; turn++) {
    const thinking = { type: "enabled" as const, budget_tokens: 1_024 };
    const asked = { model, messages, tools, max_tokens: 4_096, thinking };
    const { content } = stream ? await sdk.messages.stream(asked).finalMessage() : await sdk.messages.create(asked);
    messages.push({ role: "assistant", content });
    seen.reasoning.push(content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""));
    const calls = content.filter((block) => block.type === "tool_use");
    if (calls.length === 0)
      return { ...seen, text: content.map((block) => (block.type === "text" ? block.text : "")).join("") };
    for (const { name, input } of calls) seen.calls.push({ name, input });
    messages.push({
      role: "user",
      content: calls.map(({ id, name, input }) => ({
        type: "tool_result",
        tool_use_id: id,
        content: resultOf(name, input),
      })),
    });
  }
  throw new Error("the loop does not end");
};

const gemini: Agent = async ({ url, key, model, stream }) => {
  const { models } = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const contents: Content[] = [{ role: "user", parts: [{ text: prompt }] }];
  const functionDeclarations = toolNames.map((name) => ({ name, parametersJsonSchema: parameters }));
  const config = {
    tools: [{ functionDeclarations }],
    thinkingConfig: { includeThoughts: true, thinkingBudget: 1_024 },
  };
  const seen = newLoop();
  for (let turn = 0; turn < maxTurns; turn++) {
    const parts: Part[] = [];
    if (stream)
      for await (const chunk of await models.generateContentStream({ model, contents, config }))
        parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
    else
      parts.push(
        ...((await models.generateContent({ model, contents, config })).candidates?.[0]?.content?.parts ?? []),
      );
    contents.push({ role: "model", parts });
    seen.reasoning.push(parts.map(({ thought, text }) => (thought ? (text ?? "") : "")).join(""));
    const calls = parts.flatMap(({ functionCall }): FunctionCall[] => (functionCall ? [functionCall] : []));
    if (calls.length === 0)
      return { ...seen, text: parts.map(({ thought, text }) => (thought ? "" : (text ?? ""))).join("") };
    for (const { name = "", args } of calls) seen.calls.push({ name, input: args });
    contents.push({
      role: "user",
      parts: calls.map(({ id, name = "", args }) => ({
        functionResponse: { name, response: { output: resultOf(name, args) }, ...(id === undefined ? {} : { id }) },
      })),
    });
  }
  throw new Error("the loop does not end");
};

const newLoop = () => ({
  reasoning: [] as string[],
  calls: [] as { name: string; input: unknown }[],
});

export const agents: Readonly<Record<DialectName, Agent>> = {
  "openai-chat": openai,
  "openai-responses": responses,
  "anthropic-messages": anthropic,
  gemini,
};
