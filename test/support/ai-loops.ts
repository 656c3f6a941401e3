import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, jsonSchema, type LanguageModel, streamText, tool, type ToolSet } from "ai";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { toolAnswer } from "./conversation.ts";
import { type Loop, type LoopResult, tools } from "./loops.ts";

/** The `ai` package with each of its providers: one application, all four dialects. */
type At = Parameters<Loop["run"]>[0];

const providers: readonly (readonly [name: string, dialect: DialectName, model: (at: At) => LanguageModel])[] = [
  [
    "@ai-sdk/openai chat",
    "openai-chat",
    ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
  ],
  [
    "@ai-sdk/openai responses",
    "openai-responses",
    ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model),
  ],
  [
    "@ai-sdk/openai-compatible",
    "openai-chat",
    ({ url, key, model }) =>
      createOpenAICompatible({ name: "proxy", baseURL: `${url}/v1`, apiKey: key, includeUsage: true })(model),
  ],
  [
    "@ai-sdk/anthropic",
    "anthropic-messages",
    ({ url, key, model }) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  ],
  ["@ai-sdk/google", "gemini", ({ url, key, model }) => createGoogle({ baseURL: `${url}/v1beta`, apiKey: key })(model)],
];

const toolSet = (called: { readonly name: string; readonly args: unknown }[]): ToolSet =>
  Object.fromEntries(
    tools.map(({ name, schema, description }) => [
      name,
      tool({
        description,
        inputSchema: jsonSchema(schema),
        execute: (args: unknown) => {
          called.push({ name, args });
          return toolAnswer(name, args);
        },
      }),
    ]),
  );

const run = async (model: LanguageModel, isStream: boolean): Promise<LoopResult> => {
  const called: { readonly name: string; readonly args: unknown }[] = [];
  const options = {
    model,
    prompt: "What is the weather in Rome, and when?",
    tools: toolSet(called),
    stopWhen: isStepCount(5),
    maxRetries: 0,
    // Else it sends ids of items that OpenAI has stored, and no other provider knows.
    providerOptions: { openai: { store: false } },
  };
  if (!isStream) return { text: (await generateText(options)).text, called };
  const failures: unknown[] = [];
  const result = streamText({ ...options, onError: ({ error }) => void failures.push(error) });
  await result.consumeStream();
  if (failures.length > 0) throw new Error("the stream failed", { cause: failures[0] });
  return { text: await result.text, called };
};

export const aiLoops: readonly Loop[] = providers.flatMap(([name, dialect, modelOf]) =>
  [false, true].map((isStream) => ({
    name: `ai ${isStream ? "streamText" : "generateText"}, ${name}`,
    dialect,
    run: (at: At) => run(modelOf(at), isStream),
  })),
);
