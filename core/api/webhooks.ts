import { GatewayError } from "../chat/error.ts";
import { maskSecrets, printable } from "../chat/mask.ts";
import { reasonOf } from "../config/problem.ts";
import { answerHeaders } from "../pipeline/answer-headers.ts";
import { hookTimeoutMs } from "../pipeline/hook.ts";
import { holdBodyOf, releaseBodyOf } from "../pipeline/overload.ts";
import type { Services } from "../pipeline/services.ts";
import { blockedMs, hookBlocked, hookOpened } from "../pipeline/watchdog.ts";
import { wholeBody } from "../pipeline/whole-body.ts";
import { DeadlineError, within } from "../plugin/deadline.ts";
import { tallied } from "../plugin/hook-tally.ts";
import type { Webhook, Webhooks } from "../plugin/webhooks.ts";
import { readUpTo } from "../runtime/read-body.ts";
import { dialectOf } from "./caller.ts";
import { errorAnswer, notFound } from "./process.ts";

/** Of a request, and of the answer to it. */
const maxBodyBytes = 1024 * 1024;

export interface WebhookDependencies extends Pick<Services, "logger" | "newId" | "overload"> {
  readonly webhooks: Webhooks;
}

/** `POST /hooks/:instance`: what plugins are told by others. Whoever reaches the port may ask; the plugin looks who it is. */
export const webhookRoute = ({ webhooks, logger, newId, overload }: WebhookDependencies) => ({
  method: "POST" as const,
  path: "/hooks/:instance",
  access: "public" as const,
  async handle(request: Request, { instance = "" }: Readonly<Record<string, string>>): Promise<Response> {
    const webhook = webhooks.get(instance);
    const requestId = newId();
    if (!webhook) return notFound([], "/hooks", requestId, dialectOf(request));
    const held = { heldBodyBytes: 0 };
    try {
      const body = await wholeBody(request, maxBodyBytes, (bytes) => holdBodyOf(held, bytes, overload));
      return await asked(webhook, request, new Uint8Array(body), logger);
    } catch (error) {
      return errorAnswer(error, requestId, dialectOf(request));
    } finally {
      releaseBodyOf(held, overload);
    }
  },
});

/** Throws what the sender may know. */
async function asked(
  webhook: Webhook,
  { url, headers }: Request,
  body: Uint8Array<ArrayBuffer>,
  logger: Services["logger"],
): Promise<Response> {
  const { kind, name, mask } = webhook;
  const ended = hookOpened(kind, name);
  const late = new AbortController();
  const { signal } = late;
  try {
    return await tallied(kind, name, "webhook", () =>
      within(hookTimeoutMs, () =>
        answered(webhook, new Request(url, { method: "POST", headers, body, signal }), logger),
      ),
    );
  } catch (error) {
    const reason = printable(maskSecrets(mask(reasonOf(error))), 400);
    logger.error({ plugin: `${kind}/${name}`, reason }, "a webhook failed");
    if (error instanceof DeadlineError) throw new GatewayError("upstream-timeout", "no answer in time");
    throw new GatewayError("internal", "Internal error.");
  } finally {
    late.abort();
    ended();
  }
}

/** Whole: after this, nothing of the plugin's runs for the answer any more, nor after the request's signal. */
async function answered({ kind, name, answer }: Webhook, request: Request, logger: Services["logger"]) {
  const startedMs = performance.now();
  const answering = answer(request);
  const tookMs = performance.now() - startedMs;
  if (tookMs > blockedMs) hookBlocked(logger, kind, name, tookMs);
  const made = await answering;
  // A plugin in plain JavaScript may return anything.
  if (!(made instanceof Response)) throw new TypeError("webhook() returned no Response");
  const body = await bodyUntil(request.signal, made);
  if (body === null) throw new TypeError(`webhook() answered with more than ${maxBodyBytes} bytes`);
  const headers = headersOf(made.headers);
  // The runtime leaves out the type of a text, which the standard has it say.
  if (body.byteLength > 0 && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=utf-8");
  return new Response(body.byteLength === 0 ? null : new Uint8Array(body), { status: made.status, headers });
}

/** `signal` ends the reading, and whoever still writes. `null`: it is too large. */
function bodyUntil(signal: AbortSignal, { body }: Response): Promise<Uint8Array | null> {
  return readUpTo({ body: body && body.pipeThrough(new TransformStream(), { signal }) }, maxBodyBytes);
}

/** RFC 9110 §7.6.1: they are about a connection, and this one is ours; so is what says how long the body is. */
const hopByHop = [
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

function headersOf(told: Headers): Headers {
  const { "cache-control": cacheControl, ...always } = answerHeaders;
  const headers = new Headers(told);
  const named = (told.get("connection") ?? "").split(",").map((name) => name.trim());
  for (const name of [...hopByHop, ...named.filter(isToken)]) headers.delete(name);
  for (const [name, value] of Object.entries(always)) headers.set(name, value);
  if (!headers.has("cache-control")) headers.set("cache-control", cacheControl);
  return headers;
}

const isToken = (name: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(name);
