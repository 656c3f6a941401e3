import { devNull } from "node:os";
import { connectGuard } from "./connect.ts";
import { decoded } from "./decoded.ts";

/** Sends one request upstream. The one place where requests to providers leave the process. */
export type Transport = (request: OutboundRequest, signal: AbortSignal) => Promise<Response>;

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface TransportOptions {
  readonly connectTimeoutMs: number;
  readonly now: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Redirects are not followed: fetch would carry a provider's key header to wherever it points. `signal` is always passed,
 * because without it a client that leaves before the headers leaves the upstream call running. Throws
 * `ConnectTimeoutError`, or what fetch throws.
 */
export function fetchTransport({ connectTimeoutMs, now, env }: TransportOptions): Transport {
  const guard = connectGuard(connectTimeoutMs, now, env);
  return async ({ url, headers, body }, signal) => {
    await guard.reach(url, signal);
    const options: RequestInit & { readonly timeout: false; readonly decompress: false } = {
      method: "POST",
      headers,
      body,
      signal,
      redirect: "manual",
      // Older Bun versions end a silent answer after five minutes; our own timeouts decide.
      timeout: false,
      // Asks for no compression; what comes compressed all the same is decoded below, within bounds.
      decompress: false,
    };
    const response = await fetch(url, options);
    guard.answered(url);
    // Deno knows no `decompress` and has decoded already.
    return response.headers.has("content-encoding") && "Bun" in globalThis ? decoded(response) : response;
  };
}

/**
 * Bun starts the thread of its HTTP client with the first request, and ends the process where that fails for want of a
 * file descriptor: so it gets one at the boot, which connects to nobody.
 */
export async function startClient(): Promise<void> {
  if (!("Bun" in globalThis)) return;
  const nowhere: RequestInit & { readonly unix: string } = { unix: devNull };
  try {
    await fetch("http://localhost/", nowhere);
  } catch {
    // As meant: that is no socket.
  }
}

/** How many requests may be in flight at once on this runtime; `null`: no cap that we know of. */
export function transportCap(env: Readonly<Record<string, string | undefined>>): number | null {
  if (!("Bun" in globalThis)) return null;
  return Number(env.BUN_CONFIG_MAX_HTTP_REQUESTS ?? 256);
}
