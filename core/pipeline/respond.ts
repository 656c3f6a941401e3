import { toldBelow } from "../chat/above.ts";
import type { GatewayError } from "../chat/error.ts";
import type { LimitScope } from "../chat/limit.ts";
import type { Awaitable, LimitUse } from "../plugin/plugin.ts";
import type { Admitted } from "./admit.ts";
import type { StreamedAnswer } from "./answer.ts";
import type { Call } from "./call.ts";
import type { Dispatched } from "./dispatch.ts";
import { answerHeaders } from "./answer-headers.ts";
import { bodyOf } from "./error-body.ts";
import { addLimitHeaders } from "./limit-headers.ts";
import type { RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";
import { settle } from "./settle.ts";
import { drain, streamOf } from "./streaming.ts";
import { faultOf } from "./upstream-error.ts";
import { shortForm } from "./why.ts";

/** The only stage that makes a `Response` of an answer. A whole one is settled first; a stream settles as it closes. */
export async function respond(call: Call, dispatched: Dispatched, services: Services): Promise<Response> {
  const { answer, target } = dispatched;
  const nowMs = services.now();
  call.firstByteMs = Math.max(nowMs - call.startedMs, 0);
  if (answer.kind === "stream") return respondStream(call, dispatched, answer, services);
  const fault = answer.metered.fault ? faultOf(answer.metered.fault) : null;
  // The two types of a body that `Response` takes as they are.
  const response = new Response(answer.body as string | Uint8Array<ArrayBuffer>, usual.json);
  const { headers } = response;
  addHeaders(headers, call, target, nowMs);
  call.keeping?.whole(Object.fromEntries(headers), answer.body);
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
  if (chargeNano !== null) headers.set("x-llm-proxy-cost-usd", usd(chargeNano));
  if (!call.clientGone) call.content?.whole(answer.body);
  call.content?.finish();
  return response;
}

function respondStream(
  call: Call,
  dispatched: Dispatched,
  answer: StreamedAnswer,
  services: Services,
): Awaitable<Response> {
  const { target, first } = dispatched;
  const headers = new Headers(usual[answer.framing ?? "sse"].headers);
  addHeaders(headers, call, target, services.now());
  const passed = call.keeping?.recorded(Object.fromEntries(headers), first, answer) ?? answer;
  if (!call.clientGone) return new Response(streamOf(call, dispatched, passed, services), { headers });
  const left = { target, isEmpty: first === null, hasAll: false };
  return drain(call, left, passed.source, services).then(() => new Response(null, { headers }));
}

/** An error that became an answer, in the caller's dialect. */
export function respondError(call: Call, error: GatewayError, nowMs: number): Response {
  const { details } = error;
  const headers = new Headers(usual.json.headers);
  addHeaders(headers, call, null, nowMs);
  if (details.use) addLimits(headers, details.use, call, nowMs);
  if (details.retryAfterSeconds !== undefined) headers.set("retry-after", String(details.retryAfterSeconds));
  if (details.shouldRetry === false) headers.set("x-should-retry", "false");
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

/** What all answers have in common: the runtime copies it as it is, which costs half as much as to name each field. */
const usual = {
  json: answered({ "content-type": "application/json" }),
  // Proxies in front must not hold events back.
  sse: answered({ "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" }),
  "json-array": answered({ "content-type": "application/json; charset=UTF-8", "x-accel-buffering": "no" }),
} as const;

function answered(headers: Readonly<Record<string, string>>): Response {
  return new Response(null, { headers: { ...answerHeaders, ...headers } });
}

/** `target`: who has answered; `null`: nobody. */
function addHeaders(headers: Headers, call: Call, target: RouteTarget | null, nowMs: number): void {
  headers.set("x-request-id", call.id);
  const { requestIdHeader } = call.endpoint.dialect.traits;
  if (requestIdHeader !== undefined) headers.set(requestIdHeader, call.id);
  if (call.admitted && call.admitted.holds.length > 0) addHoldHeaders(headers, call, call.admitted.holds, nowMs);
  if (call.attempts.length > 0) headers.set("x-llm-proxy-attempts", String(call.attempts.length));
  if (target) {
    headers.set("x-llm-proxy-provider", target.provider);
    headers.set("x-llm-proxy-model", headerText(target.model));
  }
  if (call.warnings.length > 0) headers.set("x-llm-proxy-warnings", headerText(call.warnings.join("; ")));
}

function addHoldHeaders(headers: Headers, call: Call, holds: Admitted["holds"], nowMs: number): void {
  const use = holds.flatMap((hold) => hold.use ?? []);
  addLimits(headers, use, call, nowMs);
  for (const { headers: own } of holds) {
    for (const [name, value] of Object.entries(own ?? {})) {
      if (ofBody.has(name.toLowerCase())) continue;
      try {
        headers.set(name, value);
      } catch {
        // What no header can carry is left out: the answer is there, and must be settled and sent.
      }
    }
  }
}

/** They say what the body is, which no plugin knows. */
const ofBody: ReadonlySet<string> = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "transfer-encoding",
  "x-accel-buffering",
]);

function addLimits(headers: Headers, use: readonly LimitUse[], call: Call, nowMs: number): void {
  const fields: Record<string, string> = {};
  addLimitHeaders(fields, use, call.endpoint.dialect.name, nowMs);
  for (const [name, value] of Object.entries(fields)) headers.set(name, value);
}

/** Exact decimal: nano-USD are nine places. */
const usd = (nano: number): string => {
  const digits = String(nano).padStart(10, "0");
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
};

/** Header values are latin-1 without control characters; anything else is percent-encoded. */
function headerText(text: string): string {
  const cut = text.length > 1_000 ? text.slice(0, 1_000) : text;
  return sendable.test(cut) ? cut : cut.replace(unsendable, encoded);
}

const sendable = /^[\x20-\x7e]*$/;
const unsendable = /[^\x20-\x7e]/gu;
/** Half of a pair has no UTF-8. */
const encoded = (character: string): string =>
  character.length === 1 && character >= "\ud800" && character <= "\udfff" ? "?" : encodeURIComponent(character);
