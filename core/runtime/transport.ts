import { Abort } from "./abort.ts";
import { connectGuard, isProxied } from "./connect.ts";
import { decoded } from "./decoded.ts";
import type { Egress, SendOptions } from "./egress.ts";
import { socketTransport } from "./http1/transport.ts";
import { FetchedResponse, type UpstreamResponse } from "./upstream-response.ts";

/** Sends one request upstream. `connectMs`: the wait for a connection; absent: that of all. */
export type Transport = (
  request: OutboundRequest,
  signal: AbortSignal | Abort,
  connectMs?: number,
) => Promise<UpstreamResponse>;

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The operator's file does not name this address: it is checked, and refused with `EgressError`. */
  readonly guarded?: true;
}

export interface TransportOptions {
  readonly egress: Egress;
  readonly connectTimeoutMs: number;
  readonly now: () => number;
  readonly env: Environment;
}

type Kind = "fetch" | "sockets";
type Environment = Readonly<Record<string, string | undefined>>;

/** `sockets`: our own client, where it can be. */
export const transportOf = (kind: Kind, options: TransportOptions): Transport =>
  usesSockets(kind, options.env) ? socketTransport(options) : fetchTransport(options);

const usesSockets = (kind: Kind, env: Environment): boolean =>
  kind === "sockets" && "Bun" in globalThis && !isProxied(env);

/**
 * `signal` is always passed, because without it a client that leaves before the headers leaves the upstream call running.
 * Throws `ConnectTimeoutError`, `EgressError`, or what fetch throws.
 */
export function fetchTransport({ egress, connectTimeoutMs, now, env }: TransportOptions): Transport {
  const guard = connectGuard(now, env);
  const unpooled = "Bun" in globalThis ? null : unpooledClient();
  return async ({ url, headers, body, guarded }, abort, connectMs = connectTimeoutMs) => {
    const signal = abort instanceof Abort ? abort.signal : abort;
    const pinned = guarded && (await egress.pin(url));
    const place = pinned ? pinned.url : url;
    const reached = guard.reach(place, signal, connectMs);
    if (reached) await reached;
    const options: SendOptions = {
      method: "POST",
      headers,
      body,
      signal,
      redirect: "manual",
      // Older Bun versions end a silent answer after five minutes; our own timeouts decide.
      timeout: false,
      // Asks for no compression; what comes compressed all the same is decoded below, within bounds.
      decompress: false,
      ...(unpooled && { client: unpooled }),
    };
    const response = new FetchedResponse(await egress.send(url, options, pinned));
    guard.answered(place);
    // Deno knows no `decompress` and has decoded already.
    return "Bun" in globalThis && response.headers.get("content-encoding") !== null ? decoded(response) : response;
  };
}

/**
 * Deno's fetch sends a request again, unasked, where a connection that was used before breaks: it may be billed twice, and
 * nobody would know. Nor does it close one after a request that says `connection: close`.
 */
function unpooledClient(): object {
  // Only reached when there is no Bun; the global is Deno's then.
  const { Deno } = globalThis as unknown as {
    readonly Deno: { createHttpClient(options: { readonly poolMaxIdlePerHost: number }): object };
  };
  return Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
}

export interface UsedTransport {
  readonly kind: Kind;
  /** How many requests may be in flight at once; `null`: no cap that we know of. */
  readonly cap: number | null;
}

/** What `transportOf` uses where `kind` is asked for. */
export function usedTransport(kind: Kind, env: Environment): UsedTransport {
  if (usesSockets(kind, env)) return { kind: "sockets", cap: null };
  return { kind: "fetch", cap: "Bun" in globalThis ? Number(env.BUN_CONFIG_MAX_HTTP_REQUESTS ?? 256) : null };
}
