import { GatewayError } from "../chat/error.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";

/** Routes about the process itself, and the errors of paths that belong to no dialect. */

const noStore = { "cache-control": "no-store" };

/** Browsers go on to the dashboard; probes and agents only ask whether somebody is there. */
export function home(request: Request): Response {
  const wantsPage = request.headers.get("accept")?.includes("text/html") ?? false;
  if (wantsPage) return new Response(null, { status: 303, headers: { location: "/dashboard" } });
  return new Response("LLM Proxy\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
}

export const health = (): Response => Response.json({ status: "ok" }, { headers: noStore });

export const readiness = (troubles: readonly string[]): Response =>
  troubles.length === 0
    ? Response.json({ status: "ready" }, { headers: noStore })
    : Response.json(
        { status: "unready", reasons: troubles },
        { status: 503, headers: { ...noStore, "retry-after": "5" } },
      );

export function notFound(allow: readonly string[], requestId: string): Response {
  if (allow.length === 0) return errorAnswer(new GatewayError("not-found", "no such route"), requestId);
  return errorAnswer(
    new GatewayError("method-not-allowed", "the route does not take this method", { allow }),
    requestId,
  );
}

/** What is not a GatewayError is ours to know and not the client's. */
export function errorAnswer(thrown: unknown, requestId: string): Response {
  const error = thrown instanceof GatewayError ? thrown : new GatewayError("internal", "Internal error.");
  const headers = new Headers({ ...noStore, "content-type": "application/json", "x-request-id": requestId });
  if (error.details.allow) headers.set("allow", error.details.allow.join(", "));
  if (error.details.retryAfterSeconds !== undefined)
    headers.set("retry-after", String(error.details.retryAfterSeconds));
  const { cause: _, ...details } = error.details;
  const body = openaiChat.encodeError({
    kind: error.kind,
    status: error.status,
    message: error.message,
    requestId,
    details,
  });
  return new Response(JSON.stringify(body), { status: error.status, headers });
}

/** RFC 9112 §3.2: one Host, a name or address with perhaps a port, nothing else. */
export const isWellFormedHost = (host: string | null): boolean =>
  host === null ||
  (/^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(host) && portOf(host) <= 65_535);

const portOf = (host: string): number => Number(/:(\d{1,5})$/.exec(host)?.[1] ?? 0);
