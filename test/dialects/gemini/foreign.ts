import { bareRequest, type ChatRequest } from "../../../core/chat/request.ts";

/** A request of another dialect. */
export const foreignRequest = (changed: Partial<ChatRequest> = {}): ChatRequest => ({
  ...bareRequest,
  model: "asked",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  ...changed,
});
