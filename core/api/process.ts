import { GatewayError } from "../chat/error.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { answerHeaders } from "../pipeline/answer-headers.ts";

/** Routes about the process itself, and the errors of paths that belong to no dialect. */

/** Browsers go on to the dashboard; probes and agents only ask whether somebody is there. */
export function home(request: Request): Response {
  const wantsPage = request.headers.get("accept")?.includes("text/html") ?? false;
  if (wantsPage) return new Response(null, { status: 303, headers: { location: "/dashboard" } });
  return new Response("LLM Proxy\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
}

export const health = (): Response => Response.json({ status: "ok" }, { headers: answerHeaders });

export const readiness = (troubles: readonly string[]): Response =>
  troubles.length === 0
    ? Response.json({ status: "ready" }, { headers: answerHeaders })
    : Response.json(
        { status: "unready", reasons: troubles },
        { status: 503, headers: { ...answerHeaders, "retry-after": "5" } },
      );

/** What other gateways and the vendors have at these paths, and this version has not. */
const later: readonly (readonly [path: RegExp, what: string])[] = [
  [/^\/v1\/completions$/, "legacy completions"],
  [/^\/v1\/images(?:\/|$)/, "images"],
  [/^\/v1\/audio(?:\/|$)/, "audio"],
  [/^\/v1\/moderations$/, "moderation"],
  [/^\/v1\/rerank$/, "rerank"],
  [/^\/v1\/responses\//, "stored responses"],
  [/^\/v1\/realtime(?:\/|$)/, "realtime sessions"],
  [/^\/v1\/(?:messages\/)?batches(?:\/|$)/, "batches"],
  [/^\/v1(?:beta)?\/files(?:\/|$)/, "files"],
  [/^\/v1beta\/cachedContents(?:\/|$)/, "cached contents"],
];

/** 405 where `allow` names methods that the path has, else 404. */
export function notFound(allow: readonly string[], path: string, requestId: string, dialect: Dialect): Response {
  if (allow.length > 0) {
    const error = new GatewayError("method-not-allowed", "the route does not take this method", { allow });
    return errorAnswer(error, requestId, dialect);
  }
  const what = later.find(([pattern]) => pattern.test(path))?.[1];
  const message = what === undefined ? "no such route" : `this version does not offer ${what}`;
  return errorAnswer(new GatewayError("not-found", message), requestId, dialect);
}

/** RFC 9110 §15.5.22. Told so at once, agents go on over HTTP; after any other status Codex tries seven times. */
export function upgradeRefused(requestId: string, dialect: Dialect): Response {
  const answer = errorAnswer(
    new GatewayError("method-not-allowed", "no WebSocket here: send a POST"),
    requestId,
    dialect,
  );
  answer.headers.set("upgrade", "HTTP/1.1");
  answer.headers.set("connection", "Upgrade");
  return new Response(answer.body, { status: 426, headers: answer.headers });
}

/** What is not a GatewayError is ours to know and not the client's. */
export function errorAnswer(thrown: unknown, requestId: string, dialect: Dialect = openaiChat): Response {
  const error = thrown instanceof GatewayError ? thrown : new GatewayError("internal", "Internal error.");
  const headers = new Headers({ ...answerHeaders, "content-type": "application/json", "x-request-id": requestId });
  if (dialect.traits.requestIdHeader !== undefined) headers.set(dialect.traits.requestIdHeader, requestId);
  if (error.details.allow) headers.set("allow", error.details.allow.join(", "));
  if (error.details.retryAfterSeconds !== undefined)
    headers.set("retry-after", String(error.details.retryAfterSeconds));
  if (error.details.shouldRetry === false) headers.set("x-should-retry", "false");
  const { cause: _, ...details } = error.details;
  const body = dialect.encodeError({
    kind: error.kind,
    status: error.status,
    message: error.message,
    requestId,
    details,
  });
  return new Response(JSON.stringify(body), { status: error.status, headers });
}

/** RFC 9112 §3.2: one Host, a name or address with perhaps a port, nothing else; and one that URLs can have. */
export const isWellFormedHost = (host: string | null): boolean =>
  host === null ||
  (/^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(host) && URL.canParse(`http://${host}/`));
