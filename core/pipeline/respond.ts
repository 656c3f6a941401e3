import { toldBelow } from "../chat/above.ts";
import type { GatewayError } from "../chat/error.ts";
import type { LimitScope } from "../chat/limit.ts";
import type { Framing } from "../dialects/framing.ts";
import type { Admitted } from "./admit.ts";
import type { Call } from "./call.ts";
import type { Dispatched } from "./dispatch.ts";
import { answerHeaders } from "./answer-headers.ts";
import { bodyOf } from "./error-body.ts";
import { addLimitHeaders } from "./limit-headers.ts";
import type { Services } from "./services.ts";
import { settle } from "./settle.ts";
import { drain, streamOf } from "./streaming.ts";
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
