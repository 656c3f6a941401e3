import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import type { ChatRequest } from "../chat/request.ts";
import { mayLose, parseBody } from "../dialects/exact-json.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import { Abort } from "../runtime/abort.ts";
import { nextOf } from "../runtime/upstream-response.ts";
import type { Admitted } from "./admit.ts";
import type { Answer, BegunAnswer, FailedAnswer, StreamedAnswer, WholeAnswer } from "./answer.ts";
import { askModel } from "./ask-model.ts";
import { askUpstream } from "./ask-upstream.ts";
import { Attempt } from "./attempt.ts";
import { isPassedOver, verdictOf } from "./breaker.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { modelFault } from "./events.ts";
import { endLoad, leaveUnsent } from "./disconnect.ts";
import type { Loads } from "./loads.ts";
import type { RouteTarget } from "./models.ts";
import type { Order } from "./order.ts";
import type { Services } from "./services.ts";
import { countIsEstimated, offers, unasked } from "./translate/operation.ts";
import { cutLater, cutOfAttempt } from "./timeouts.ts";
import { Tries } from "./tries.ts";
import { brokenOff, faultBefore } from "./upstream-error.ts";
import { addWarnings } from "./warnings.ts";

/** An answer has begun, its first bytes in hand, from the target that is to be billed. */
export interface Dispatched {
  readonly target: RouteTarget;
  readonly answer: BegunAnswer;
  /** The first bytes of a streamed answer; `null` when it was empty. */
  readonly first: Uint8Array | null;
}

/**
 * Asks the route's targets until one answers: one after the other, then again those that may be, as `Tries` says, and
 * never after the first byte. Throws what the last one that was asked said.
 */
export async function dispatch(call: Call, asked: Asked, admitted: Admitted, services: Services): Promise<Dispatched> {
  const { targets } = admitted.route;
  const tries = new Tries(call, admitted.route, services);
  services.retries.called();
  let request = decodedOnce(call, asked);
  const { totalMs } = services.settings.attempts;
  let hasWaited = false;
  let last: unknown;
  for (;;) {
    // The client may have left while the call was admitted: what was never sent costs nothing.
    if (call.client?.signal.aborted === true) leaveUnsent(call);
    if (call.stopped) throw call.stopped;
    if (call.abort.aborted) call.abort = new Abort();
    call.spoilt = null;
    const target = targets[tries.at] ?? targets[0];
    const attempt = new Attempt(target, call, tries, services.now);
    const limits = services.settings.timeouts(asked.envelope.model, target);
    let waitMs = 0;
    let isProbe = false;
    let hasPlace = false;
    let timer: NodeJS.Timeout | undefined;
    try {
      isProbe = services.breakers.enter(target);
      const place = services.bulkheads.enter(target.provider, call.abort);
      if (place) {
        hasWaited = true;
        // Nobody waits for it where the time is over already.
        place.catch(() => {});
        // How long it is waited for is the bulkhead's; the provider has not been asked yet.
        const untilPlace = { ...limits, firstByteMs: Infinity };
        timer = cutLater(call, cutOfAttempt(call, untilPlace, totalMs, services.watch.now(), hasWaited));
        await waiting(call, place);
        clearTimeout(timer);
      }
      hasPlace = true;
      if (services.loads) beginLoad(call, target, services.loads);
      const beganMs = services.loads ? services.watch.now() : 0;
      timer = cutLater(call, cutOfAttempt(call, limits, totalMs, services.watch.now(), hasWaited));
      const order = { call, asked, admitted, target, limits, services, request };
      const answer = await ask(order, attempt);
      const begun: Dispatched =
        answer.kind === "stream"
          ? { target, answer, first: await firstOf(answer, order, attempt) }
          : { target, answer: wholeOf(answer, call, attempt), first: null };
      attempt.began();
      addWarnings(call.warnings, attempt.warnings);
      services.breakers.ended(target, isProbe, "ok");
      attempt.key?.ended("ok");
      services.loads?.answered(target, services.watch.now() - beganMs, false);
      return begun;
    } catch (error) {
      const reason: unknown = call.abort.aborted ? call.abort.reason : error;
      // Why a target was passed over matters less than what one said that was asked.
      if (last === undefined || !isPassedOver(reason)) last = reason;
      if (!call.stopped) call.isSent = false;
      attempt.failed(reason);
      const verdict = call.stopped ? "unknown" : verdictOf(reason);
      services.breakers.ended(target, isProbe, verdict, wordsOf(reason));
      attempt.key?.ended(verdict);
      if (call.busyTarget && verdict === "failed") services.loads?.answered(target, 0, true);
      endLoad(call, services.loads);
      // A plugin has had it, and may have written into it.
      if ("chat" in target.slot) request = decodedOnce(call, asked);
      // What the attempt left open is closed, whether or not there is another one.
      call.abort.abort(reason);
      const step = call.stopped || call.clientGone ? null : tries.after(reason);
      if (step === null) throw last;
      tries.take(step);
      waitMs = step.waitMs;
    } finally {
      clearTimeout(timer);
      if (hasPlace) services.bulkheads.leave(target.provider);
    }
    if (waitMs > 0) {
      // Nothing is upstream meanwhile: a client that leaves, or the end of the process, ends it at once.
      call.abort = new Abort();
      await waiting(call, services.pause(waitMs, call.abort.signal));
    }
  }
}

function beginLoad(call: Call, target: RouteTarget, loads: Loads): void {
  loads.began(target);
  call.busyTarget = target;
}

/** Whoever leaves meanwhile has sent nothing that is still on its way. */
async function waiting(call: Call, until: Promise<void>): Promise<void> {
  call.waits = true;
  try {
    await until;
  } finally {
    call.waits = false;
  }
}

const wordsOf = (reason: unknown): string => (reason instanceof GatewayError ? reason.message : "");

/** The chat request in canonical form, when it is asked for. Apart: what it closes over is kept as long as the call. */
function decodedOnce(call: Call, asked: Asked): () => ChatRequest {
  let decoded: ChatRequest | null = null;
  return () => (decoded ??= call.endpoint.dialect.decodeRequest(exactBody(asked), call.endpoint.inPath));
}

/** The body was parsed to be read; what a translation passes on must not lose a digit. */
function exactBody({ text, body }: Asked): JsonObject {
  const exact = mayLose(text) ? parseBody(text) : body;
  return isJsonObject(exact) ? exact : body;
}

function ask(order: Order, attempt: Attempt): Awaitable<Answer> {
  const { slot } = order.target;
  if (offers(slot, order.call.endpoint.operation))
    return "chat" in slot ? askModel(order, slot, attempt) : askUpstream(order, slot, attempt);
  attempt.warn([countIsEstimated]);
  return unasked(order);
}

/** Throws where it holds an error instead, and another target may be asked, or where it is no answer at all. */
function wholeOf(answer: WholeAnswer | FailedAnswer, call: Call, attempt: Attempt): WholeAnswer {
  const { fault, usage, upstreamId } = answer.metered;
  attempt.answered(upstreamId);
  const failed = fault && usage === null ? faultBefore(fault) : null;
  if (failed && attempt.tries.after(failed)) {
    call.spoilt = answer.metered;
    throw failed;
  }
  if (answer.kind === "whole") return answer;
  call.spoilt = answer.metered;
  throw answer.error;
}

/** The first bytes; `null`: there is none. */
async function firstOf({ source }: StreamedAnswer, order: Order, attempt: Attempt): Promise<Uint8Array | null> {
  try {
    let first = await nextOf(source);
    // What is hidden or empty is skipped: the first byte is one that the client will see.
    while (first !== null && first.byteLength === 0) first = await nextOf(source);
    const { fault, contentBytes, complete } = source.metered();
    if (first === null && !complete) throw brokenOff();
    const failed = fault && contentBytes === 0 ? faultBefore(fault) : null;
    if (failed && attempt.tries.after(failed)) throw failed;
    return first;
  } catch (error) {
    order.call.spoilt = source.metered();
    throw modelFault(error, order);
  } finally {
    attempt.answered(source.metered().upstreamId);
  }
}
