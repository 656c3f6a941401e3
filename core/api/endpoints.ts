import { anthropicMessages } from "../dialects/anthropic-messages/index.ts";
import type { Operation } from "../dialects/dialect.ts";
import { gemini } from "../dialects/gemini/index.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { openaiResponses } from "../dialects/openai-responses/index.ts";
import type { Endpoint } from "../pipeline/services.ts";

/** Where calls come in whose body says all, and what each path stands for. */
export const callPaths: readonly (readonly [path: string, endpoint: Endpoint])[] = [
  ["/v1/chat/completions", { dialect: openaiChat, operation: "chat" }],
  ["/v1/embeddings", { dialect: openaiChat, operation: "embeddings" }],
  ["/v1/responses", { dialect: openaiResponses, operation: "chat" }],
  ["/v1/messages", { dialect: anthropicMessages, operation: "chat" }],
  ["/v1/messages/count_tokens", { dialect: anthropicMessages, operation: "count-tokens" }],
];

/** https://ai.google.dev/api/all-methods#service:-generativelanguage.googleapis.com */
const methods: Readonly<Record<string, { readonly operation: Operation; readonly stream: boolean }>> = {
  generateContent: { operation: "chat", stream: false },
  streamGenerateContent: { operation: "chat", stream: true },
  countTokens: { operation: "count-tokens", stream: false },
  embedContent: { operation: "embeddings", stream: false },
  batchEmbedContents: { operation: "embeddings", stream: false },
};

/** `path`: what comes behind `/models/`, `MODEL:METHOD` as Gemini's clients write it. `null`: there is no such method. */
export function geminiEndpoint(path: string, url: string): Endpoint | null {
  const colon = path.lastIndexOf(":");
  const name = path.slice(colon + 1);
  const method = colon > 0 && Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (!method) return null;
  const { operation, stream } = method;
  const framing = stream && new URL(url).searchParams.get("alt") !== "sse" ? "json-array" : "sse";
  return { dialect: gemini, operation, framing, inPath: { model: decoded(path.slice(0, colon)), stream } };
}

/** Names of models come in paths raw or percent-encoded. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
