import { anthropicMessages } from "../dialects/anthropic-messages/index.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { gemini } from "../dialects/gemini/index.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";

/** The dialect in which the caller understands an answer that no route gives, or that several dialects share a path for. */
export function dialectOf({ method, url, headers }: Request): Dialect {
  const path = pathOf(url);
  if (/^\/v1beta(?:\/|$)/.test(path)) return gemini;
  // The stable version of Gemini's API; nobody else posts to a model.
  if (method === "POST" && path.startsWith("/v1/models/")) return gemini;
  // Anthropic requires the header of every request, and no other SDK sends it.
  if (/^\/v1\/messages(?:\/|$)/.test(path) || headers.has("anthropic-version")) return anthropicMessages;
  // Google's SDK lists models under `/v1` too, as OpenAI's does.
  if (headers.has("x-goog-api-client") || headers.has("x-goog-api-key")) return gemini;
  return openaiChat;
}

const pathOf = (url: string): string => /^https?:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? "";
