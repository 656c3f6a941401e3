import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import type { ChatRequest } from "../chat/request.ts";
import { mayLose, parseBody } from "../dialects/exact-json.ts";
import type { ModelProvider } from "../plugin/plugin.ts";
import type { AttemptRow } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import type { Answer, BegunAnswer } from "./answer.ts";
import { askUpstream } from "./ask-upstream.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { fromEvents, modelFault } from "./events.ts";
import { leaveUnsent } from "./disconnect.ts";
import type { RouteTarget } from "./models.ts";
import type { Order } from "./order.ts";
import type { Services } from "./services.ts";
import { isNotCarried, refuseNativeOnly } from "./translate/native-only.ts";
import { countIsEstimated, offers, unasked } from "./translate/operation.ts";
import { mayFallBack } from "./upstream-error.ts";
import { addWarnings } from "./warnings.ts";

/** An answer has begun, its first bytes in hand, from the target that is to be billed. */
export interface Dispatched {
  readonly target: RouteTarget;
  readonly answer: BegunAnswer;
  /** The first bytes of a streamed answer; `null` when it was empty. */
  readonly first: Uint8Array | null;
}

/**
 * Tries the route's targets in order until one answers. It falls back only before the first byte, and only where the
 * provider, not the request, was at fault. Throws the last target's error.
 */
export async function dispatch(call: Call, asked: Asked, admitted: Admitted, services: Services): Promise<Dispatched> {
  const { targets } = admitted.route;
  let decoded: ChatRequest | null = null;
  const request = () => (decoded ??= call.endpoint.dialect.decodeRequest(exactBody(asked), call.endpoint.inPath));
  let last: unknown;
  for (const [at, target] of targets.entries()) {
    // The client may have left while the call was admitted: what was never sent costs nothing.
    if (call.client?.aborted === true) leaveUnsent(call);
    if (call.stopped) throw call.stopped;
    if (call.abort.signal.aborted) call.abort = new AbortController();
    call.spoilt = null;
    const attempt = new Attempt(target, at === targets.length - 1);
    try {
      const { answer, first } = await withFirstByteTimeout(call, services, () =>
        begin({ call, asked, admitted, target, services, request }, attempt),
      );
      addWarnings(call.warnings, attempt.warnings);
      return { target, answer, first };
    } catch (error) {
      const reason: unknown = call.abort.signal.aborted ? call.abort.signal.reason : error;
      // Why a target was passed over matters less than what one said that was asked.
      if (last === undefined || !isNotCarried(reason)) last = reason;
      // What the attempt left open is closed, whether or not there is another one.
      call.abort.abort(reason);
      if (call.stopped || call.clientGone || !(mayFallBack(reason) || isNotCarried(reason))) throw last;
    } finally {
      if (attempt.isSent) call.attempts.push(attempt.row);
    }
  }
  throw last;
}

/** The body was parsed to be read; what a translation passes on must not lose a digit. */
function exactBody({ text, body }: Asked): JsonObject {
  const exact = mayLose(text) ? parseBody(text) : body;
  return isJsonObject(exact) ? exact : body;
}

class Attempt {
  row: AttemptRow;
  /** No other target is left: an error inside a 200 answer is the client's to see. */
  readonly isLast: boolean;
  isSent = false;
  warnings: readonly string[] = [];

  constructor({ provider, model }: RouteTarget, isLast: boolean) {
    this.row = { provider, upstreamModel: model, upstreamId: null, status: null, billed: false };
    this.isLast = isLast;
  }

  sent(): void {
    this.isSent = true;
  }
  status(status: number): void {
    this.row = { ...this.row, status };
  }
  warn(warnings: readonly string[]): void {
    this.warnings = warnings;
  }
  answered(upstreamId: string | null): void {
    this.row = { ...this.row, upstreamId };
  }
}

async function begin(order: Order, attempt: Attempt): Promise<Pick<Dispatched, "answer" | "first">> {
  const { call, target } = order;
  const { slot } = target;
  if (!offers(slot, call.endpoint.operation)) {
    attempt.warn([countIsEstimated]);
    return { answer: unasked(order), first: null };
  }
  const answer = "chat" in slot ? await askModel(order, slot, attempt) : await askUpstream(order, slot, attempt);
  if (answer.kind === "stream") return beginStream(call, answer, attempt);
  attempt.answered(answer.metered.upstreamId);
  if (answer.kind === "whole") return { answer, first: null };
  call.spoilt = answer.metered;
  throw answer.error;
}

async function beginStream(call: Call, answer: BegunAnswer & { kind: "stream" }, attempt: Attempt) {
  const { source } = answer;
  try {
    const first = await firstBytes(() => source.next());
    const { fault, contentBytes, complete } = source.metered();
    if (first === null && !complete)
      throw new GatewayError("upstream-invalid", "the provider's answer broke off", { code: "provider_broke_off" });
    if (fault && contentBytes === 0 && !attempt.isLast)
      throw new GatewayError("upstream-invalid", "the provider failed", { code: "provider_error" });
    return { answer, first };
  } catch (error) {
    call.spoilt = source.metered();
    throw error;
  } finally {
    attempt.answered(source.metered().upstreamId);
  }
}

async function askModel(
  { call, asked, admitted, target, request }: Order,
  slot: ModelProvider,
  attempt: Attempt,
): Promise<Answer> {
  const original = request();
  refuseNativeOnly(original, call.endpoint.dialect.name);
  const { maxOutputTokens } = admitted;
  attempt.sent();
  try {
    const events = slot.chat(maxOutputTokens === null ? original : { ...original, maxOutputTokens }, {
      callId: call.id,
      model: target.model,
      signal: call.abort.signal,
    });
    return await fromEvents(events, {
      dialect: call.endpoint.dialect,
      framing: call.endpoint.framing ?? "sse",
      asked: original,
      envelope: asked.envelope,
      signal: call.abort.signal,
      provider: target.provider,
    });
  } catch (error) {
    throw modelFault(error);
  }
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
