import { type ErrorDetails, GatewayError } from "../chat/error.ts";
import { isJsonObject, type Json } from "../chat/json.ts";
import { maskSecrets, printable } from "../chat/mask.ts";
import type { Dialect, VendorError } from "../dialects/dialect.ts";
import type { Needles } from "./redact.ts";

/** Longest error body that is read; more says nothing more. */
const maxErrorBytes = 64 * 1_024;
const maxMessageLength = 2_000;
/** A vendor may ask for any wait; nobody is told to wait longer than this. */
const maxRetryAfterSeconds = 3_600;

/** The request itself was at fault: these keep the vendor's own status and words. */
const refusals = new Set([400, 404, 409, 413, 422, 429]);

/** What a provider's non-200 answer means for our client. `secrets` never appear in it, even if the provider echoes them. */
export async function upstreamError(
  response: Response,
  dialect: Dialect,
  secrets: Needles,
  nowMs: number,
): Promise<GatewayError> {
  const { status } = response;
  const wait = retryAfterSeconds(response.headers.get("retry-after"), nowMs);
  const body = await jsonBody(response);
  const vendor = clean(vendorError(body, status, dialect), secrets);
  if (refusals.has(status)) {
    const own = ownDetails(body, dialect, secrets);
    return new GatewayError("upstream-refused", vendor.message, { status, ...refusal(vendor), ...wait, ...own });
  }
  if (status === 401 || status === 403)
    return new GatewayError("upstream-invalid", "the provider refused the proxy's own credential", {
      code: "provider_credential",
    });
  if (status === 408 || status === 504) return new GatewayError("upstream-timeout", "the provider timed out");
  if (status === 503 || status === 529)
    return new GatewayError("unavailable", "the provider is overloaded", {
      retryAfterSeconds: 1,
      code: "provider_overloaded",
      ...wait,
    });
  return new GatewayError("upstream-invalid", `the provider answered with status ${status}`, {
    code: "provider_error",
  });
}

/** Whether another target may do better: the fault is this provider's, not the request's. */
export const mayFallBack = (error: unknown): boolean =>
  error instanceof GatewayError &&
  (error.kind === "upstream-invalid" ||
    error.kind === "upstream-timeout" ||
    error.kind === "unavailable" ||
    (error.kind === "upstream-refused" && error.details.status === 429));

/** An error inside a 200 answer, in the words of the vendor. */
export const faultOf = (vendor: VendorError, secrets: Needles = []): GatewayError =>
  new GatewayError("upstream-invalid", clean(vendor, secrets).message, { code: "provider_error" });

/** `undefined`: it is not JSON. */
async function jsonBody(response: Response): Promise<Json | undefined> {
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

async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes += next.value.byteLength;
      text += decoder.decode(next.value, { stream: true });
      if (bytes > maxErrorBytes) break;
    }
  } catch {
    // What came before the connection broke is all there is.
  } finally {
    void reader.cancel().catch(() => {});
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

/** RFC 9110 §10.2.3: seconds, or a date. Anything else is no advice. */
function retryAfterSeconds(header: string | null, nowMs: number): { readonly retryAfterSeconds?: number } {
  if (header === null) return {};
  const seconds = /^\d{1,9}$/.test(header.trim()) ? Number(header) : (Date.parse(header) - nowMs) / 1_000;
  if (!Number.isFinite(seconds)) return {};
  return { retryAfterSeconds: Math.min(Math.max(Math.ceil(seconds), 1), maxRetryAfterSeconds) };
}
