import { codecOf } from "../dialects/codec.ts";
import type { DialectName, Operation } from "../dialects/dialect.ts";
import { dialects } from "../dialects/index.ts";
import type { Endpoint } from "../pipeline/services.ts";

/** A path at which calls come in, and what it stands for. */
export interface CallPath {
  readonly path: string;
  readonly endpoint: Endpoint;
}

export const callPaths: readonly CallPath[] = [
  ...spoken("/v1/chat/completions", "openai-chat", "chat"),
  ...spoken("/v1/embeddings", "openai-chat", "embeddings"),
  ...spoken("/v1/responses", "openai-responses", "chat"),
  ...spoken("/v1/messages", "anthropic-messages", "chat"),
  ...spoken("/v1/messages/count_tokens", "anthropic-messages", "count-tokens"),
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
  const dialect = dialects.get("gemini");
  if (!method || !dialect || !codecOf(dialect, method.operation)) return null;
  const { operation, stream } = method;
  const framing = stream && new URL(url).searchParams.get("alt") !== "sse" ? "json-array" : "sse";
  return { dialect, operation, framing, inPath: { model: decoded(path.slice(0, colon)), stream } };
}

/** Names of models come in paths raw or percent-encoded. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function spoken(path: string, name: DialectName, operation: Operation): readonly CallPath[] {
  const dialect = dialects.get(name);
  return dialect && codecOf(dialect, operation) ? [{ path, endpoint: { dialect, operation } }] : [];
}
