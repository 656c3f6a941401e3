import { type ErrorDetails, type ErrorKind, GatewayError } from "../chat/error.ts";
import { isJsonObject, type Json } from "../chat/json.ts";
import { maskSecrets, printable } from "../chat/mask.ts";
import type { Dialect, VendorError } from "../dialects/dialect.ts";
import { nextOf, type ResponseHeaders, type UpstreamResponse } from "../runtime/upstream-response.ts";
import type { Needles } from "./redact.ts";
import { ElsewhereError, RepeatableError } from "./repeatable.ts";

/** Longest error body that is read; more says nothing more. */
const maxErrorBytes = 64 * 1_024;
/** How long its body is waited for: what the status says is known, and another target may be asked. */
const maxErrorMs = 5_000;
const maxMessageLength = 2_000;
/** A vendor may ask for any wait; nobody is told to wait longer than this. */
const maxRetryAfterSeconds = 3_600;

/** The request itself was at fault: these keep the vendor's own status and words. */
const refusals = new Set([400, 404, 409, 413, 422, 429]);

/** What a status that no answer comes under means for our client. `secrets` never appear in it, even if the provider echoes them. */
export async function upstreamError(
  response: UpstreamResponse,
  dialect: Dialect,
  secrets: Needles,
  nowMs: number,
): Promise<GatewayError> {
  const { status } = response;
  const afterMs = retryAfterMs(response.headers, nowMs);
  const wait = afterMs === null ? {} : { retryAfterSeconds: clientSeconds(afterMs) };
  const isFinal = response.headers.get("x-should-retry") === "false";
  const body = await jsonBody(response);
  const vendor = clean(vendorError(body, status, dialect), secrets);
  if (refusals.has(status)) {
    const own = ownDetails(body, dialect, secrets);
    const details = { status, ...refusal(vendor), ...wait, ...own };
    const why = status === 429 ? null : whyElsewhere(vendor);
    if (why !== null) return new ElsewhereError(why, vendor.message, details);
    return status === 429 && !isFinal && !isLasting(vendor)
      ? new RepeatableError("upstream-refused", vendor.message, details, afterMs)
      : new GatewayError("upstream-refused", vendor.message, details);
  }
  if (status === 401 || status === 403)
    return new GatewayError("upstream-invalid", "the provider refused the proxy's own credential", {
      code: "provider_credential",
    });
  const [kind, message, details] = failure(status, wait);
  return (status >= 500 && status <= 599 && status !== 501) || status === 408
    ? isFinal
      ? new GatewayError(kind, message, details)
      : new RepeatableError(kind, message, details, afterMs)
    : new GatewayError(kind, message, details);
}

/** Another provider may take the request, and this one may take others. */
export const providerRefused = "provider_refused";

function failure(status: number, wait: ErrorDetails): readonly [ErrorKind, string, ErrorDetails] {
  if (status === 408 || status === 504) return ["upstream-timeout", "the provider timed out", {}];
  if (status === 503 || status === 529)
    return [
      "unavailable",
      "the provider is overloaded",
      { retryAfterSeconds: 1, code: "provider_overloaded", ...wait },
    ];
  // Of the other statuses of the kind that say that the request is at fault: a bad path, say, or headers too long. 402 is no such.
  const isRefusal = status >= 400 && status < 500 && status !== 402;
  const code = isRefusal ? providerRefused : "provider_error";
  return ["upstream-invalid", `the provider answered with status ${status}`, { code }];
}

/** Whether another target may do better: the fault is this provider's, not the request's. */
export const mayFallBack = (error: unknown): boolean =>
  error instanceof GatewayError &&
  (error.kind === "upstream-invalid" ||
    error.kind === "upstream-timeout" ||
    error.kind === "unavailable" ||
    (error.kind === "upstream-refused" && error.details.status === 429));

/** A 200 answer that stopped in the middle. */
export const brokenOff = (cause?: unknown): GatewayError =>
  new GatewayError("upstream-invalid", "the provider's answer broke off", { code: "provider_broke_off", cause });

/** An error inside a 200 answer, in the words of the vendor. */
export const faultOf = (vendor: VendorError, secrets: Needles = []): GatewayError =>
  new GatewayError("upstream-invalid", clean(vendor, secrets).message, { code: "provider_error" });

/** The same before any of the answer: said at once, so nothing was worked on. For us only, in no words of the vendor. */
export function faultBefore(vendor: VendorError): GatewayError {
  const details = { code: "provider_error" };
  return isLasting(vendor) || /invalid_request|authentication|permission|not_found/i.test(vendor.type ?? "")
    ? new GatewayError("upstream-invalid", "the provider failed", details)
    : new RepeatableError("upstream-invalid", "the provider failed", details);
}

/** Every vendor says it in its own words: OpenAI has codes, Anthropic, Google and Mistral only sentences. */
function whyElsewhere({ message, type, code }: VendorError): ElsewhereError["why"] | null {
  const words = `${type} ${code}`;
  if (/context_length_exceeded|context_window|string_above_max_length/i.test(words)) return "context-window";
  if (/content_filter|content_policy|responsible_ai/i.test(words)) return "content-filter";
  return tooLong.test(message.slice(0, 500)) ? "context-window" : null;
}
const tooLong =
  /prompt is too long|exceeds? (the )?(model's )?(maximum|max) (context|number of tokens)|maximum context length|exceed(s|ed)? (the )?context|input token count .{0,40}exceeds|too many (input )?tokens/i;

/** A quota that is used up does not come back while a call waits. */
const isLasting = ({ type, code }: VendorError): boolean =>
  [type, code].some((word) => word !== null && /insufficient_quota|billing/i.test(word));

/** `undefined`: it is not JSON. */
async function jsonBody(response: UpstreamResponse): Promise<Json | undefined> {
  const text = await readText(response);
  try {
    // JSON.parse returns JSON.
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const vendorError = (body: Json | undefined, status: number, dialect: Dialect): VendorError =>
  body === undefined
    ? { message: `the provider answered with status ${status}`, type: null, code: null, param: null }
    : dialect.decodeError(body);

const maxDetailsLength = 8_192;

/** `error.details`, where Anthropic and Google put what their SDKs act on. What the masks leave no JSON is dropped. */
function ownDetails(body: Json | undefined, { name }: Dialect, secrets: Needles): ErrorDetails {
  const error = isJsonObject(body) ? body["error"] : null;
  const details = isJsonObject(error) ? error["details"] : null;
  if (typeof details !== "object" || details === null) return {};
  const text = masked(JSON.stringify(details), secrets);
  if (text.length > maxDetailsLength) return {};
  try {
    return { vendor: { dialect: name, details: JSON.parse(text) as Json } };
  } catch {
    return {};
  }
}

async function readText(response: UpstreamResponse): Promise<string> {
  const body = response.body();
  if (!body) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // A read that waits ends with it.
  const timer = setTimeout(() => void body.cancel().catch(() => {}), maxErrorMs);
  try {
    for (let piece = await nextOf(body); piece !== null; piece = await nextOf(body)) {
      bytes += piece.byteLength;
      text += decoder.decode(piece, { stream: true });
      if (bytes > maxErrorBytes) break;
    }
  } catch {
    // What came before the connection broke is all there is.
  } finally {
    clearTimeout(timer);
    void body.cancel().catch(() => {});
  }
  return text;
}

const masked = (text: string, secrets: Needles): string =>
  maskSecrets(secrets.reduce((left, secret) => left.replaceAll(secret.toString(), "***"), text));

function clean(vendor: VendorError, secrets: Needles): VendorError {
  const scrub = (text: string, maxLength: number) => printable(masked(text, secrets), maxLength);
  const short = (text: string | null) => (text === null ? null : scrub(text, 200));
  return {
    message: scrub(vendor.message, maxMessageLength) || "the provider refused the request",
    type: short(vendor.type),
    code: short(vendor.code),
    param: short(vendor.param),
  };
}

const refusal = ({ type, code, param }: VendorError): ErrorDetails => ({
  ...(type === null ? {} : { type }),
  ...(code === null ? {} : { code }),
  ...(param === null ? {} : { param }),
});

/**
 * RFC 9110 §10.2.3: seconds, or a date; and OpenAI's `retry-after-ms`. `null`: another form is no advice, nor is a time
 * in the past.
 */
export function retryAfterMs(headers: ResponseHeaders, nowMs: number): number | null {
  const exact = headers.get("retry-after-ms")?.trim() ?? "";
  if (/^\d{1,9}(\.\d{1,9})?$/.test(exact)) return Number(exact);
  const header = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000;
  const ms = /^[A-Za-z]{3,9},/.test(header) ? Date.parse(header) - nowMs : Number.NaN;
  return ms >= 0 ? ms : null;
}

const clientSeconds = (ms: number): number => Math.min(Math.max(Math.ceil(ms / 1_000), 1), maxRetryAfterSeconds);
