import type { ChatRequest, Message, Part } from "../../chat/request.ts";

/**
 * Claude Code opens its system prompt with a block that is no instruction but a header for Anthropic's accounting. It
 * changes with every call, which would keep another vendor's prompt cache from ever being hit.
 */
export function withoutBillingHeader(request: ChatRequest): ChatRequest {
  const [first, ...rest] = request.messages;
  const opening = first?.parts[0];
  if (first === undefined || first.role !== "system" || !isBillingHeader(opening)) return request;
  const left: Message = { ...first, parts: first.parts.slice(1) };
  return { ...request, messages: left.parts.length === 0 ? rest : [left, ...rest] };
}

const isBillingHeader = (part: Part | undefined): boolean =>
  part?.type === "text" && part.text.startsWith("x-anthropic-billing-header:");
