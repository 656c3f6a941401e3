import { GatewayError } from "../chat/error.ts";
import type { UpstreamProvider } from "../plugin/plugin.ts";
import { ConnectTimeoutError } from "../runtime/connect.ts";
import { EgressError } from "../runtime/egress.ts";
import { answers } from "../runtime/turn.ts";
import type { UpstreamResponse } from "../runtime/upstream-response.ts";
import type { Answer } from "./answer.ts";
import { KeyedRequest } from "./credentials.ts";
import { messageFor } from "./message.ts";
import type { Order } from "./order.ts";
import { overloaded } from "./overload.ts";
import { secretsIn } from "./redact.ts";
import { AmbiguousError, OtherKeyError, RepeatableError } from "./repeatable.ts";
import { callersOwn } from "./timeouts.ts";
import { isAnswer, upstreamBody } from "./upstream-body.ts";
import { brokenOff, retryAfterMs, upstreamError } from "./upstream-error.ts";
import { isOfKey, requestOf } from "./upstream-request.ts";

/** Told as an attempt goes on. */
interface Progress {
  /** It has been handed to the provider, with a stored key of it or with the file's: from here on it is an attempt. */
  sent(key: KeyedRequest | null): void;
  status(status: number): void;
  warn(warnings: readonly string[]): void;
}

/** Asks a provider of the upstream form. Throws what the client is to be told, or the reason why another may be asked. */
export async function askUpstream(order: Order, slot: UpstreamProvider, progress: Progress): Promise<Answer> {
  const { call, asked, target, services } = order;
  const { abort, ownTimeouts } = call;
  const ownConnectMs = ownTimeouts?.connectMs ?? Infinity;
  const connectMs = Math.min(order.limits.connectMs, ownConnectMs);
  // Most know at once: an `await` for what is there takes a turn of its own.
  const making = messageFor(order, slot);
  const message = making instanceof Promise ? await making : making;
  progress.warn(message.warnings);
  const attempt = {
    callId: call.id,
    operation: call.endpoint.operation,
    dialect: message.dialect.name,
    model: target.model,
    body: message.body,
    stream: asked.envelope.stream,
    framing: message.framing,
    clientHeaders: message.clientHeaders,
  };
  const filling = requestOf({ slot, provider: target.provider }, attempt, call, services);
  const request = filling instanceof Promise ? await filling : filling;
  const keyed = request instanceof KeyedRequest ? request : null;
  progress.sent(keyed);
  let response: UpstreamResponse;
  try {
    response = await services.transport(request, abort, connectMs);
  } catch (cause) {
    if (abort.aborted) throw abort.reason;
    services.logger.warn({ callId: call.id, provider: target.provider, error: cause }, "a provider was not reached");
    throw unreached(cause, ownConnectMs < order.limits.connectMs);
  }
  await answers();
  progress.status(response.status);
  const secrets = secretsIn(request.headers);
  if (!isAnswer(response.status)) {
    const nowMs = services.now();
    const error = await upstreamError(response, message.dialect, secrets, nowMs);
    const isKeys = keyed && isOfKey(call.endpoint.operation, response.status);
    throw isKeys ? byAnotherKey(keyed, response, error, nowMs) : error;
  }
  try {
    // Nothing else is ever streamed, whatever a request for it says.
    const reading = upstreamBody(response, asked.envelope.stream && call.endpoint.operation === "chat");
    const received = reading instanceof Promise ? await reading : reading;
    const answer = message.read(received, secrets);
    return answer instanceof Promise ? await answer : answer;
  } catch (error) {
    if (abort.aborted) throw abort.reason;
    if (error instanceof GatewayError) throw error;
    services.logger.warn({ callId: call.id, provider: target.provider, error }, "a provider's answer broke off");
    throw brokenOff(error);
  }
}

/** What a stored key was refused for may be done at once with another one. */
function byAnotherKey(
  request: KeyedRequest,
  { status, headers }: UpstreamResponse,
  error: GatewayError,
  nowMs: number,
): GatewayError {
  const mayGoOn = request.refused(status, retryAfterMs(headers, nowMs));
  return mayGoOn ? new OtherKeyError(error.kind, error.message, error.details) : error;
}

/** `isHurried`: the caller allows less for a connection than the operator. */
function unreached(cause: unknown, isHurried: boolean): GatewayError {
  const details = { code: "provider_unreachable" };
  if (cause instanceof ConnectTimeoutError)
    return new RepeatableError(
      "upstream-timeout",
      "no connection to the provider",
      isHurried ? { code: callersOwn } : details,
    );
  if (cause instanceof EgressError)
    return new GatewayError("upstream-invalid", "the provider's address is not one that requests may go to", {
      code: "egress_refused",
      cause,
    });
  if (isOutOfDescriptors(cause)) return overloaded(cause);
  // Its message may hold the URL, and with it a key: it stays in the log, masked there.
  const told = ["upstream-invalid", "the provider could not be reached", { ...details, cause }] as const;
  return neverConnected.has(codeOf(cause)) ? new RepeatableError(...told) : new AmbiguousError(...told);
}

/** What Bun and Deno say when there was no connection, so that nothing was sent. */
const neverConnected: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  // Ours, over sockets: it ended before the request was sent.
  "ENOTCONN",
]);

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";

const isOutOfDescriptors = (cause: unknown): boolean => ["EMFILE", "ENFILE"].includes(codeOf(cause));
