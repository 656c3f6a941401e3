import { call, errorOf, type Reply } from "../support/clients.ts";
import type { Setup } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";

/** Shown in no log and no file, sealed or not. */
export const canary = "words-of-the-answer-canary";

let made = 0;
export const newKey = (): string => `idem-${++made}-${crypto.randomUUID()}`;

export interface ScriptedModel {
  readonly model: string;
  /** How many requests for it have reached the upstream. */
  readonly sent: () => number;
}
/** A model of its own, so that its requests can be counted. */
export function newModel({ upstream }: Setup, script: Script, provider = "mock"): ScriptedModel {
  const name = `m${++made}`;
  upstream.on(name, script);
  return { model: `${provider}/${name}`, sent: () => upstream.requestsFor(name).length };
}

export const send = (
  { gateway, key: own }: Setup,
  body: unknown,
  idempotencyKey: string,
  { key = own.key, signal }: { readonly key?: string; readonly signal?: AbortSignal } = {},
): Promise<Reply> =>
  call(gateway, key, body, { headers: { "idempotency-key": idempotencyKey }, ...(signal && { signal }) });

export const isReplay = ({ headers }: Reply): boolean => headers.get("idempotent-replayed") === "true";
export const codeOf = (reply: Reply): readonly [number, string | null] => [reply.status, errorOf(reply.text).code];
