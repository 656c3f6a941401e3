import { GatewayError } from "../chat/error.ts";
import { codecOf } from "../dialects/codec.ts";
import type { ModelProvider, UpstreamProvider } from "../plugin/plugin.ts";
import { ConnectTimeoutError } from "../runtime/connect.ts";
import type { AttemptRow } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { fromEvents, modelFault } from "./events.ts";
import { leaveUnsent } from "./disconnect.ts";
import { closedHook } from "./hook.ts";
import type { RouteTarget } from "./models.ts";
import { secretsIn } from "./redact.ts";
import { relay } from "./relay.ts";
import type { Services } from "./services.ts";
import { mayFallBack, upstreamError } from "./upstream-error.ts";

/** An answer has begun, its first bytes in hand, from the target that is to be billed. */
export interface Dispatched {
  readonly target: RouteTarget;
  readonly answer: Answer;
  /** The first bytes of a streamed answer; `null` when it was empty. */
  readonly first: Uint8Array | null;
}

/**
 * Tries the route's targets in order until one answers. It falls back only before the first byte, and only where the
 * provider, not the request, was at fault. Throws the last target's error.
 */
export async function dispatch(call: Call, asked: Asked, admitted: Admitted, services: Services): Promise<Dispatched> {
  const { targets } = admitted.route;
  let last: unknown;
  for (const [at, target] of targets.entries()) {
    // The client may have left while the call was admitted: what was never sent costs nothing.
    if (call.client?.aborted === true) leaveUnsent(call);
    if (call.stopped) throw call.stopped;
    if (call.abort.signal.aborted) call.abort = new AbortController();
    const row = {
      provider: target.provider,
      upstreamModel: target.model,
      upstreamId: null,
      status: null,
      billed: false,
    };
    const attempt: Attempt = { row, last: at === targets.length - 1 };
    try {
      const { answer, first } = await withFirstByteTimeout(call, services, () =>
        begin(call, asked, admitted, target, attempt, services),
      );
      return { target, answer, first };
    } catch (error) {
      last = call.abort.signal.aborted ? call.abort.signal.reason : error;
      // What the attempt left open is closed, whether or not there is another one.
      call.abort.abort(last);
      if (call.stopped || call.clientGone || !mayFallBack(last)) throw last;
    } finally {
      if (attempt.sent) call.attempts.push(attempt.row);
    }
  }
  throw last;
}

interface Attempt {
  row: AttemptRow;
  /** No other target is left: an error inside a 200 answer is the client's to see. */
  readonly last: boolean;
  sent?: boolean;
}

async function begin(
  call: Call,
  asked: Asked,
  admitted: Admitted,
  target: RouteTarget,
  attempt: Attempt,
  services: Services,
): Promise<{ readonly answer: Answer; readonly first: Uint8Array | null }> {
  const { slot } = target;
  const answer =
    "chat" in slot
      ? await askModel(call, asked, admitted, target, slot, attempt)
      : await askUpstream(call, asked, admitted, target, slot, attempt, services);
  if (answer.kind === "whole") {
    attempt.row = { ...attempt.row, upstreamId: answer.metered.upstreamId };
    return { answer, first: null };
  }
  const first = await firstBytes(answer.source.next);
  const { fault, upstreamId, contentBytes } = answer.source.metered();
  attempt.row = { ...attempt.row, upstreamId };
  if (fault && contentBytes === 0 && !attempt.last)
    throw new GatewayError("upstream-invalid", "the provider failed", { code: "provider_error" });
  return { answer, first };
}

async function askModel(
  call: Call,
  asked: Asked,
  admitted: Admitted,
  target: RouteTarget,
  slot: ModelProvider,
  attempt: Attempt,
) {
  const { dialect } = call.endpoint;
  const decoded = dialect.decodeRequest(asked.body);
  const request =
    admitted.maxOutputTokens === null ? decoded : { ...decoded, maxOutputTokens: admitted.maxOutputTokens };
  attempt.sent = true;
  try {
    const events = slot.chat(request, { callId: call.id, model: target.model, signal: call.abort.signal });
    return await fromEvents(events, dialect, asked.envelope, call.abort.signal, target.provider);
  } catch (error) {
    throw modelFault(error);
  }
}

async function askUpstream(
  call: Call,
  asked: Asked,
  admitted: Admitted,
  target: RouteTarget,
  slot: UpstreamProvider,
  attempt: Attempt,
  services: Services,
): Promise<Answer> {
  const { dialect, operation } = call.endpoint;
  const { envelope } = asked;
  const addUsage = envelope.stream && !envelope.includeUsage && slot.refusesStreamOptions !== true;
  const codec = codecOf(dialect, operation);
  if (codec === null) throw new GatewayError("internal", "a route of an operation that its dialect does not have");
  const body = codec.editRequest(asked.text, {
    model: target.model,
    includeUsage: addUsage,
    maxOutputTokens: admitted.maxOutputTokens,
    maxOutputTokensField: slot.maxOutputTokensField ?? "max_completion_tokens",
  });
  const context = { logger: services.logger, timings: call.timings };
  const request = await closedHook(context, "provider", target.provider, () =>
    slot.request({
      callId: call.id,
      operation,
      dialect: dialect.name,
      model: target.model,
      body,
      stream: envelope.stream,
      framing: call.endpoint.framing ?? "sse",
      clientHeaders: protocolHeaders(call),
    }),
  );
  attempt.sent = true;
  let response: Response;
  try {
    response = await services.transport(request, call.abort.signal);
  } catch (cause) {
    if (call.abort.signal.aborted) throw call.abort.signal.reason;
    if (cause instanceof ConnectTimeoutError)
      throw new GatewayError("upstream-timeout", "no connection to the provider", { code: "provider_unreachable" });
    // Its message may hold the URL, and with it a key: it stays in the log, masked there.
    throw new GatewayError("upstream-invalid", "the provider could not be reached", {
      code: "provider_unreachable",
      cause,
    });
  }
  attempt.row = { ...attempt.row, status: response.status };
  const secrets = secretsIn(request.headers);
  if (response.status !== 200) throw await upstreamError(response, dialect, secrets, services.now());
  try {
    return await relay(response, dialect, { codec, stream: envelope.stream, hideUsage: addUsage, secrets });
  } catch (error) {
    if (call.abort.signal.aborted) throw call.abort.signal.reason;
    throw error instanceof GatewayError
      ? error
      : new GatewayError("upstream-invalid", "the provider's answer broke off", {
          code: "provider_broke_off",
          cause: error,
        });
  }
}

function protocolHeaders({ request, endpoint }: Call): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of endpoint.dialect.traits.requestHeaders) {
    const value = request?.headers.get(name) ?? null;
    if (value !== null) found[name] = value;
  }
  return found;
}

/** Skips what is hidden or empty: the first byte is one that the client will see. */
async function firstBytes(next: () => Promise<Uint8Array | null>): Promise<Uint8Array | null> {
  try {
    for (;;) {
      const bytes = await next();
      if (bytes === null || bytes.byteLength > 0) return bytes;
    }
  } catch (error) {
    throw error instanceof GatewayError ? error : modelFault(error);
  }
}

async function withFirstByteTimeout<T>(call: Call, services: Services, run: () => Promise<T>): Promise<T> {
  const { firstByteTimeoutMs } = services.settings;
  const timer = setTimeout(() => {
    call.abort.abort(new GatewayError("upstream-timeout", `the provider sent nothing for ${firstByteTimeoutMs} ms`));
  }, firstByteTimeoutMs);
  try {
    return await run();
  } finally {
    clearTimeout(timer);
  }
}
