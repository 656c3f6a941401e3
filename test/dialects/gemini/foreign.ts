import type { ChatRequest } from "../../../core/chat/request.ts";

/** A request of another dialect. */
export const foreignRequest = (changed: Partial<ChatRequest> = {}): ChatRequest => ({
  model: "asked",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  tools: [],
  toolChoice: null,
  parallelToolCalls: null,
  maxOutputTokens: null,
  candidates: 1,
  stream: false,
  temperature: null,
  topP: null,
  topK: null,
  frequencyPenalty: null,
  presencePenalty: null,
  seed: null,
  stop: [],
  format: { type: "text" },
  reasoning: null,
  logprobs: null,
  nativeOnly: [],
  user: null,
  metadata: {},
  serviceTier: null,
  extensions: {},
  ...changed,
});
