import { anthropicMessages } from "./anthropic-messages/index.ts";
import type { Dialect, DialectName } from "./dialect.ts";
import { gemini } from "./gemini/index.ts";
import { openaiChat } from "./openai-chat/index.ts";
import { openaiResponses } from "./openai-responses/index.ts";

/** The dialects that are spoken, by name. */
export const dialects: ReadonlyMap<DialectName, Dialect> = new Map(
  [openaiChat, openaiResponses, anthropicMessages, gemini].map((dialect) => [dialect.name, dialect]),
);
