import type { ChatRequest, MediaPart, Message, Part } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";

/**
 * The request with what models made in the user's messages: in front of what the user says next, or behind the results of
 * tools. In those of the assistant OpenAI and Anthropic refuse it, and Gemini 3 what it did not sign itself.
 */
export function withMadeMedia(
  request: ChatRequest,
  { name }: Dialect,
): { readonly request: ChatRequest; readonly warnings: readonly string[] } {
  if (!request.messages.some(hasMade)) return { request, warnings: [] };
  const messages: Message[] = [];
  let made: MediaPart[] = [];
  for (const message of request.messages) {
    if (hasMade(message)) {
      made.push(...message.parts.filter(isMedia));
      const others = message.parts.filter((part) => !isMedia(part));
      messages.push({ ...message, parts: others.length > 0 ? others : [elsewhere] });
    } else if (message.role === "user" && made.length > 0) {
      messages.push({ ...message, parts: [...shown(made), ...message.parts] });
      made = [];
    } else messages.push(message);
  }
  if (made.length === 0) return { request: { ...request, messages }, warnings: [] };
  if (messages.at(-1)?.role === "tool") {
    messages.push({ role: "user", parts: shown(made) });
    return { request: { ...request, messages }, warnings: [] };
  }
  const warnings = [`${name} cannot say what the assistant made in its last message; left out`];
  return { request: { ...request, messages }, warnings };
}

const shown = (made: readonly MediaPart[]): readonly Part[] => [{ type: "text", text: "You made this:" }, ...made];
const elsewhere: Part = { type: "text", text: "See the next message." };

const isMedia = (part: Part): part is MediaPart => part.type === "media";
const hasMade = ({ role, parts }: Message): boolean => role === "assistant" && parts.some(isMedia);
