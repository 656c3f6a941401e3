import { noUsage } from "llm-proxy/plugin";
import type { NewBudget } from "../../core/storage/budget.ts";
import type { NewPerson, NewSession, PeopleRepository } from "../../core/storage/people.ts";
import type { Admission, Final, Refusal } from "../../core/storage/database.ts";
import type { NewKey } from "../../core/storage/key.ts";

let made = 0;
/** Unlike every other of this run; sorts by the order of making. */
export const anId = (): string => `0190a1b2-c3d4-7e5f-8a9b-${String((made += 1)).padStart(12, "0")}`;

export const startMs = 1_800_000_000_000;

export function aKey(changed: Partial<NewKey> = {}): NewKey {
  const id = anId();
  return {
    id,
    accountId: "default",
    name: "test",
    prefix: `sk-llmp-${id.slice(-12)}`,
    last4: "abcd",
    imported: false,
    models: "all",
    operations: "all",
    routes: "all",
    limits: {},
    cidrs: [],
    metadata: {},
    expiresMs: null,
    declaredAs: null,
    createdMs: startMs,
    digest: `digest-of-${id}`,
    ...changed,
  };
}

export const aSession = (changed: Partial<NewSession> = {}): NewSession => ({
  id: anId(),
  personId: null,
  role: "owner",
  createdMs: startMs,
  expiresMs: startMs + 1_000,
  address: "203.0.113.5",
  agent: "a browser",
  ...changed,
});

export function aPerson(changed: Partial<NewPerson> = {}): NewPerson {
  const id = anId();
  return {
    id,
    kind: "person",
    email: `${id.slice(-4)}@example.com`,
    name: "Somebody",
    role: "viewer",
    accountId: null,
    createdMs: startMs,
    ...changed,
  };
}

type NewToken = Parameters<PeopleRepository["addToken"]>[1];
export function aToken(changed: Partial<NewToken> = {}): NewToken {
  const id = anId();
  return { id, name: "ci", last4: "wxyz", createdMs: startMs, expiresMs: null, digest: `digest-of-${id}`, ...changed };
}

export const aBudget = (changed: Partial<NewBudget> = {}): NewBudget => ({
  id: anId(),
  scope: { kind: "global", id: "global" },
  window: "lifetime",
  limitNano: 1_000,
  createdMs: startMs,
  ...changed,
});

/** A call of the account `default` that needs 60 nano-USD for its input and 40 for 40 tokens of output. */
export const anAdmission = (changed: Partial<Admission> = {}): Admission => ({
  callId: anId(),
  startedMs: startMs,
  accountId: "default",
  keyId: null,
  principal: "somebody",
  labels: null,
  dialect: "openai-chat",
  operation: "chat",
  model: "fast",
  stream: true,
  provider: "echo",
  upstreamModel: "echo-1",
  scopes: [
    { kind: "account", id: "default" },
    { kind: "model", id: "fast" },
    { kind: "provider", id: "echo" },
    { kind: "global", id: "global" },
  ],
  need: { inputNano: 60, outputNano: 40, outputTokens: 40, leastOutputTokens: 40 },
  budgeted: true,
  ifInterrupted: { inputTokens: 7, costNano: 20, chargeNano: 30, priceVersion: "book 1" },
  ...changed,
});

/** The good end of a call that cost 50 nano-USD. */
export const aFinal = (callId: string, changed: Partial<Final> = {}): Final => ({
  callId,
  status: "ok",
  source: "provider",
  provider: "echo",
  upstreamModel: "echo-1",
  usage: { ...noUsage, inputTokens: 10, outputTokens: 20, cacheReadTokens: 4, cacheWriteTokens: 2, reasoningTokens: 5 },
  costNano: 45,
  chargeNano: 50,
  priceVersion: "book 1",
  finishReason: "stop",
  httpStatus: 200,
  errorKind: null,
  attempts: [{ provider: "echo", upstreamModel: "echo-1", upstreamId: "chatcmpl-1", status: 200, billed: true }],
  firstByteMs: 12,
  finishedMs: startMs + 100,
  notes: null,
  ...changed,
});

export const aRefusal = (changed: Partial<Refusal> = {}): Refusal => ({
  callId: anId(),
  startedMs: startMs,
  accountId: "default",
  keyId: null,
  principal: "somebody",
  labels: null,
  dialect: "openai-chat",
  operation: "chat",
  model: "fast",
  stream: false,
  provider: null,
  upstreamModel: null,
  httpStatus: 429,
  errorKind: "rate-limited",
  finishedMs: startMs + 1,
  notes: { error: "too many" },
  ...changed,
});
