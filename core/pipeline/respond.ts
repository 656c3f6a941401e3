import { toldBelow } from "../chat/above.ts";
import { type ErrorDetails, GatewayError } from "../chat/error.ts";
import type { LimitScope } from "../chat/limit.ts";
import type { ErrorBody } from "../dialects/dialect.ts";
import type { Framing } from "../dialects/framing.ts";
import type { Admitted } from "./admit.ts";
import type { Source, StreamedAnswer } from "./answer.ts";
import type { Call } from "./call.ts";
import { startDrain } from "./disconnect.ts";
import type { Dispatched } from "./dispatch.ts";
import { answerHeaders } from "./answer-headers.ts";
import { addLimitHeaders } from "./limit-headers.ts";
import type { RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";
import { type Outcome, settle } from "./settle.ts";
import { cutsOfStream, stoppedStatus } from "./timeouts.ts";
import { faultOf } from "./upstream-error.ts";
import { shortForm } from "./why.ts";

/** The only stage that makes a `Response` of an answer. A whole one is settled first; a stream settles as it closes. */
export async function respond(call: Call, dispatched: Dispatched, services: Services): Promise<Response> {
  const { answer, target } = dispatched;
  call.firstByteMs = Math.max(services.now() - call.startedMs, 0);
  const headers = headersOf(call, dispatched, services.now());
  if (answer.kind === "stream") {
    const fields = streamed(headers, answer.framing);
    const passed = call.keeping?.recorded(fields, dispatched.first, answer) ?? answer;
    if (!call.clientGone) return new Response(streamOf(call, dispatched, passed, services), { headers: fields });
    await drain(call, { target, isEmpty: dispatched.first === null, hasAll: false }, passed.source, services);
    return new Response(null, { headers });
  }
  const fault = answer.metered.fault ? faultOf(answer.metered.fault) : null;
  headers["content-type"] = answer.contentType;
  call.keeping?.whole(headers, answer.body);
  const { chargeNano } = await settle(
    call,
    {
      status: call.clientGone ? "client_aborted" : fault ? "upstream_error" : "ok",
      httpStatus: 200,
      target,
      metered: answer.metered,
      drained: call.clientGone,
      ...(fault && { error: fault }),
    },
    services,
  );
  // What it costs the caller: what the provider bills is the operator's to see.
  if (chargeNano !== null) headers["x-llm-proxy-cost-usd"] = usd(chargeNano);
  if (!call.clientGone) call.content?.whole(answer.body);
  call.content?.finish();
  // The two types of a body that `Response` takes as they are.
  return new Response(answer.body as string | Uint8Array<ArrayBuffer>, { headers });
}

/** An error that became an answer, in the caller's dialect. */
export function respondError(call: Call, error: GatewayError, nowMs: number): Response {
  const { details } = error;
  const headers = headersOf(call, null, nowMs);
  if (details.use) addLimitHeaders(headers, details.use, call.endpoint.dialect.name, nowMs);
  headers["content-type"] = "application/json";
  if (details.retryAfterSeconds !== undefined) headers["retry-after"] = String(details.retryAfterSeconds);
  if (details.shouldRetry === false) headers["x-should-retry"] = "false";
  const told = bodyOf(call, toldBelow(error, isCallers(call)));
  const explain = shortForm(call, error);
  const body = JSON.stringify(
    call.endpoint.dialect.encodeError(explain ? { ...told, details: { ...told.details, explain } } : told),
  );
  if (!call.clientGone) call.content?.whole(body);
  call.content?.finish();
  return new Response(body, { status: error.status, headers });
}

/** What is on the key, and on the account that it is of; what is on all others is of those above. */
const isCallers =
  ({ principal }: Call) =>
  ({ kind, id }: LimitScope): boolean =>
    kind === "key" || kind === "ip" || (kind === "account" && id === principal?.accountId);

/** A plain object: `Response` copies it once, a `Headers` twice. */
type HeaderFields = Record<string, string>;

function headersOf(call: Call, dispatched: Dispatched | null, nowMs: number): HeaderFields {
  const headers: HeaderFields = {
    "x-request-id": call.id,
    ...answerHeaders,
  };
  const { requestIdHeader } = call.endpoint.dialect.traits;
  if (requestIdHeader !== undefined) headers[requestIdHeader] = call.id;
  if (call.admitted && call.admitted.holds.length > 0) addHoldHeaders(headers, call, call.admitted.holds, nowMs);
  if (call.attempts.length > 0) headers["x-llm-proxy-attempts"] = String(call.attempts.length);
  if (dispatched) {
    headers["x-llm-proxy-provider"] = dispatched.target.provider;
    headers["x-llm-proxy-model"] = headerText(dispatched.target.model);
  }
  if (call.warnings.length > 0) headers["x-llm-proxy-warnings"] = headerText(call.warnings.join("; "));
  return headers;
}

function addHoldHeaders(headers: HeaderFields, call: Call, holds: Admitted["holds"], nowMs: number) {
  const use = holds.flatMap(({ hold }) => hold.use ?? []);
  addLimitHeaders(headers, use, call.endpoint.dialect.name, nowMs);
  for (const { hold } of holds) Object.assign(headers, hold.headers);
}

const streamed = (headers: HeaderFields, framing: Framing = "sse"): HeaderFields => ({
  ...headers,
  "content-type": framing === "sse" ? "text/event-stream; charset=utf-8" : "application/json; charset=UTF-8",
  // Proxies in front must not hold events back.
  "x-accel-buffering": "no",
});

// ── the stream ────────────────────────────────────────────────────────────────────────────────────────────────────────

const ping = new TextEncoder().encode(": ping\n\n");

/**
 * Pull-based, so that a slow client slows the upstream instead of filling memory. However it ends, the call is settled
 * before the stream closes: whoever saw the end finds an exact row.
 */
function streamOf(
  call: Call,
  dispatched: Dispatched,
  { source, framing = "sse" }: StreamedAnswer,
  services: Services,
): ReadableStream<Uint8Array> {
  // Not `dispatched` itself: it holds the first bytes, which must not live as long as the stream.
  const { target } = dispatched;
  const isEmpty = dispatched.first === null;
  let pending = dispatched.first;
  let waiting: ReadableStreamDefaultController<Uint8Array> | null = null;
  let body: ReadableStreamDefaultController<Uint8Array> | null = null;
  const cuts = cutsOfStream(call, services.settings.timeouts(call.envelope?.model ?? "", target));
  const watched = {
    lastMs: services.now(),
    idleTimeoutMs: cuts.idleMs,
    endMs: cuts.endMs,
    stallTimeoutMs: services.settings.stallTimeoutMs,
    get isHeld() {
      return waiting === null;
    },
    onIdle: cuts.onIdle,
    onEnd: cuts.onEnd,
    onStalled,
    onSilence() {
      // An array has no place for a comment.
      if (framing === "sse") waiting?.enqueue(ping);
    },
  };
  const unwatch = services.watch.add(watched);
  const next = () => (isEmpty ? Promise.resolve(null) : source.next());

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (pending) {
          controller.enqueue(pending);
          call.content?.delivered(pending);
          pending = null;
          return;
        }
        waiting = controller;
        try {
          for (;;) {
            const bytes = await next();
            watched.lastMs = services.now();
            if (call.clientGone) return;
            if (bytes === null) break;
            if (bytes.byteLength === 0) continue;
            controller.enqueue(bytes);
            call.content?.delivered(bytes);
            return;
          }
        } catch (error) {
          if (call.clientGone) return;
          const { complete, usage } = source.metered();
          if (complete && usage) await endWhole(controller);
          else await endBroken(error, controller);
          return;
        } finally {
          waiting = null;
        }
        await endWhole(controller);
      },
      start: (controller) => void (body = controller),
      cancel: () => leave(isWhole()),
    },
    { highWaterMark: 0 },
  );

  /** The client has everything: agents hang up at the terminal event, before the record lets the stream close. */
  function isWhole(): boolean {
    const { complete, usage, fault } = source.metered();
    return pending === null && complete && usage !== null && fault === null;
  }

  async function leave(hasAll: boolean) {
    unwatch();
    call.clientGone = true;
    await drain(call, { target, isEmpty, hasAll }, source, services);
  }

  /** Nothing came because the client takes nothing: it counts as one that has left, or it would hold its money for ever. */
  function onStalled() {
    body?.error(new Error("the client reads nothing"));
    void leave(false);
  }

  async function endWhole(controller: ReadableStreamDefaultController<Uint8Array>) {
    unwatch();
    const metered = source.metered();
    if (!metered.complete && !metered.fault) {
      await endBroken(
        new GatewayError("upstream-invalid", "the provider's answer broke off", { code: "provider_broke_off" }),
        controller,
      );
      return;
    }
    const fault = metered.fault ? faultOf(metered.fault) : null;
    await settle(call, outcome(fault ? "upstream_error" : "ok", fault), services);
    call.content?.finish();
    close(controller);
  }

  async function endBroken(thrown: unknown, controller: ReadableStreamDefaultController<Uint8Array>) {
    unwatch();
    const error = reasonOf(call, thrown);
    // Whoever broke it off, nothing more is read: the upstream's connection must not stay open for it.
    call.abort.abort(error);
    if (!call.stopped) services.breakers.ended(target, false, "failed", error.message);
    // A fault that the provider has told in its own words needs no second one of ours.
    const isTold = source.fail === undefined && source.metered().fault !== null;
    await settle(call, outcome(call.stopped ? stoppedStatus(call.stopped) : "upstream_error", error), services);
    if (!isTold) {
      try {
        const told = bodyOf(call, error);
        const text = source.fail?.(told) ?? call.endpoint.dialect.encodeStreamError(told);
        const bytes = new TextEncoder().encode(text);
        controller.enqueue(bytes);
        call.content?.delivered(bytes);
      } catch {
        // The client left while the record was written.
      }
    }
    call.content?.finish();
    close(controller);
  }

  function outcome(status: Outcome["status"], error: GatewayError | null): Outcome {
    return { status, httpStatus: 200, target, metered: source.metered(), ...(error && { error }) };
  }
}

/** The client has left. What still comes is read for its real usage, as long as `startDrain` lets it. */
async function drain(
  call: Call,
  { target, isEmpty, hasAll }: { readonly target: RouteTarget; readonly isEmpty: boolean; readonly hasAll: boolean },
  source: Source,
  services: Services,
): Promise<void> {
  const before = source.metered();
  startDrain(call, services);
  try {
    if (!isEmpty) while ((await source.next()) !== null);
  } catch {
    // Cut by the end of the drain, or by the upstream: what was metered until then counts.
  }
  const metered = source.metered();
  const drained = before.usage === null && metered.usage !== null;
  // Delivered bytes only: what was drained without usage never reached the client.
  const counted = metered.usage ? metered : { ...metered, contentBytes: before.contentBytes };
  const status = hasAll ? "ok" : "client_aborted";
  await settle(call, { status, httpStatus: 200, target, metered: counted, drained }, services);
  call.content?.finish();
}

const reasonOf = (call: Call, thrown: unknown): GatewayError => {
  const reason: unknown = call.abort.signal.aborted ? call.abort.signal.reason : thrown;
  if (reason instanceof GatewayError) return reason;
  return new GatewayError("upstream-invalid", "the provider's answer broke off", {
    code: "provider_broke_off",
    cause: thrown,
  });
};

function close(controller: ReadableStreamDefaultController<Uint8Array>) {
  try {
    controller.close();
  } catch {
    // Cancelled meanwhile.
  }
}

const bodyOf = (call: Call, error: GatewayError): ErrorBody => ({
  kind: error.kind,
  status: error.status,
  message: error.message,
  requestId: call.id,
  details: publicDetails(error.details),
});

const publicDetails = ({ cause: _, use: __, ...details }: ErrorDetails): ErrorDetails => details;

/** Exact decimal: nano-USD are nine places. */
const usd = (nano: number): string => {
  const digits = String(nano).padStart(10, "0");
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
};

/** Header values are latin-1 without control characters; anything else is percent-encoded. */
const headerText = (text: string): string =>
  text
    .slice(0, 1_000)
    .replace(/[^\x20-\x7e]/gu, (character) =>
      character.length === 1 && character >= "\ud800" && character <= "\udfff" ? "?" : encodeURIComponent(character),
    );
