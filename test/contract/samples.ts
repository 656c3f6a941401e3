import { noUsage } from "llm-proxy/plugin";
import type { Attempt, CallRecord, ChatRequest, Claim, Message, Principal } from "llm-proxy/plugin";
import { bareRequest } from "../../core/chat/request.ts";

export const aPrincipal = (changed: Partial<Principal> = {}): Principal => ({
  name: "test",
  keyId: "key-1",
  accountId: "default",
  models: "all",
  limits: {},
  ...changed,
});

export const aClaim = (changed: Partial<Claim> = {}): Claim => ({
  callId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
  principal: aPrincipal(),
  model: "echo",
  expectedTokens: 0,
  expectedInputTokens: 0,
  expectedOutputTokens: 0,
  expectedChargeNano: 0,
  ...changed,
});

export const aMessage = (role: Message["role"], text: string): Message => ({ role, parts: [{ type: "text", text }] });

export const aChatRequest = (changed: Partial<ChatRequest> = {}): ChatRequest => ({
  ...bareRequest,
  model: "echo",
  messages: [aMessage("user", "Hello there, world")],
  stream: true,
  ...changed,
});

export const anAttempt = (changed: Partial<Attempt> = {}): Attempt => {
  const model = changed.model ?? "upstream-model";
  return {
    callId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    operation: "chat",
    dialect: "openai-chat",
    model,
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
    stream: false,
    framing: "sse",
    clientHeaders: {},
    ...changed,
  };
};

export const aCallRecord = (changed: Partial<CallRecord> = {}): CallRecord => ({
  callId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
  principal: "test",
  labels: null,
  keyId: "key-1",
  accountId: "default",
  dialect: "openai-chat",
  operation: "chat",
  model: "echo",
  provider: "echo",
  upstreamModel: "echo",
  status: "ok",
  httpStatus: 200,
  errorKind: null,
  usage: { ...noUsage, inputTokens: 3, outputTokens: 2 },
  source: "provider",
  costNano: 0,
  chargeNano: 0,
  attempts: 1,
  tries: [{ provider: "echo", status: null }],
  stream: true,
  startedMs: 1_800_000_000_000,
  firstByteMs: 5,
  durationMs: 12,
  warnings: [],
  timings: { "auth/api-key": 0.1 },
  ...changed,
});
