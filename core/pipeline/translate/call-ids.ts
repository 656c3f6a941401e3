import type { ChatRequest, Part } from "../../chat/request.ts";
import { shortName } from "./short-name.ts";

/**
 * Ids of calls as the target allows them, in calls and results alike. They need no way back: an answer makes calls of its
 * own, whose ids go to the client as they are. Calls without an id (`function_call`) get one by their order.
 */
export function withFittingIds(request: ChatRequest, pattern: RegExp): ChatRequest {
  const fits = (part: Part): boolean => !isCallOrResult(part) || (part.id !== "" && pattern.test(part.id));
  if (request.messages.every(({ parts }) => parts.every(fits))) return request;
  const nextUnnamed = { call: 0, result: 0 };
  const idOf = (part: Part & { type: "tool-call" | "tool-result" }): string => {
    if (part.id !== "") return pattern.test(part.id) ? part.id : shortName(part.id, pattern, maxIdLength);
    return part.type === "tool-call" ? `call_${nextUnnamed.call++}` : `call_${nextUnnamed.result++}`;
  };
  return {
    ...request,
    messages: request.messages.map((message) => ({
      ...message,
      parts: message.parts.map((part) => (isCallOrResult(part) ? { ...part, id: idOf(part) } : part)),
    })),
  };
}

/** The least that any vendor allows. */
const maxIdLength = 40;

const isCallOrResult = (part: Part): part is Part & { type: "tool-call" | "tool-result" } =>
  part.type === "tool-call" || part.type === "tool-result";
