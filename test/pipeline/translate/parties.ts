import { Collector } from "../../../core/chat/collect.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest, Message, Part } from "../../../core/chat/request.ts";
import type { Dialect, DialectName, Traits } from "../../../core/dialects/dialect.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { eventsOf } from "../../../core/pipeline/translate/replay.ts";
import { translateRequest } from "../../../core/pipeline/translate/request.ts";
import type { Vault } from "../../../core/pipeline/vault.ts";

/** Clients and targets that differ in their traits alone, and what the translation makes of requests between them. */

export const dialectOf = (name: DialectName, traits: Partial<Traits> = {}): Dialect => ({
  ...openaiChat,
  name,
  traits: { ...openaiChat.traits, ...traits },
});
export const anthropic = dialectOf("anthropic-messages", {
  customTools: false,
  keepsSignatures: true,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  toolCallId: /^[a-zA-Z0-9_-]{1,64}$/,
});
export const gemini = dialectOf("gemini", {
  customTools: false,
  keepsSignatures: true,
  signsCalls: true,
  toolName: /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/,
});
export const chat = dialectOf("openai-chat");

export const requestOf = (more: JsonObject = {}): ChatRequest =>
  chat.decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }], ...more });
export const withMessages = (...messages: Message[]): ChatRequest => ({ ...requestOf(), messages });
export const assistant = (...parts: Part[]): Message => ({ role: "assistant", parts });
export const call = (id: string, more: object = {}): Part => ({
  type: "tool-call",
  id,
  name: "f",
  input: "{}",
  ...more,
});
export const result = (id: string): Message => ({
  role: "tool",
  parts: [{ type: "tool-result", id, parts: [{ type: "text", text: "ok" }], isError: false }],
});

export function fakeVault(): Vault & { readonly kept: Map<string, JsonObject> } {
  const kept = new Map<string, JsonObject>();
  return {
    kept,
    keep: (account, id, secret) => void kept.set(`${account}/${id}`, secret),
    find: (account, id) => kept.get(`${account}/${id}`) ?? null,
  };
}

const opening = { id: "call-1", createdMs: 1_000 };
export const translate = (
  request: ChatRequest,
  client: Dialect,
  target: Dialect,
  vault: Vault = fakeVault(),
  accountId = "a",
) => translateRequest(request, { client, target, accountId, vault, opening });

/** The parts of an answer as the client gets them. */
export async function restored(
  request: ChatRequest,
  parts: readonly Part[],
  client: Dialect,
  target: Dialect,
  vault?: Vault,
) {
  const { restore } = await translate(request, client, target, vault);
  const collector = new Collector();
  const emit = restore((event) => collector.add(event));
  const candidate = { parts, finish: { reason: "stop", raw: null } } as const;
  const answer = { id: "", model: "m", createdMs: 0, candidates: [candidate], usage: null, extensions: {} };
  for (const event of eventsOf(answer)) emit(event);
  return collector.response();
}
