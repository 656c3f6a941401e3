import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest } from "../../../core/chat/request.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";

export const oldModel = "claude-sonnet-4-5-20250929";
export const newModel = "claude-opus-4-8";
export const messages = [{ role: "user", content: "Hi" }];

/** An OpenAI client's request, for a model of Anthropic's. */
export const fromOpenai = (body: JsonObject, model = oldModel) =>
  anthropicMessages.encodeRequest(openaiChat.decodeRequest({ model: "m", messages, ...body }), model);

/** The same of a request that OpenAI's protocol has no words for. */
export const asked = (over: Partial<ChatRequest>, model = oldModel) =>
  anthropicMessages.encodeRequest({ ...openaiChat.decodeRequest({ model: "m", messages }), ...over }, model);

export const cannot = (what: string, instead = "left out") => `anthropic-messages cannot say ${what}; ${instead}`;
