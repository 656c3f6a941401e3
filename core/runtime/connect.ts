import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Interrupt } from "./abort.ts";

/** Nothing accepted a connection in time: the address drops packets, or the host is gone. */
export class ConnectTimeoutError extends Error {
  override readonly name = "ConnectTimeoutError";
}

/** Whether requests go through a forward proxy, where the one who asks knows of such things at all. */
export const isProxied = (env: Readonly<Record<string, string | undefined>>): boolean =>
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((name) => env[name] || env[name.toLowerCase()]);

/** After an answer, an address is taken to be there for so long. */
const trustedMs = 60_000;
const maxTrusted = 1_000;

/**
 * fetch has no timeout for connecting alone, and one for the first byte must be long enough for a model to think. So an
 * address that has not answered lately is asked for a connection first, which is closed again. Through a forward proxy
 * (`HTTPS_PROXY` and the like) nothing is asked: the connection would not go where the call goes.
 */
export function connectGuard(now: () => number, env: Readonly<Record<string, string | undefined>>) {
  const proxied = isProxied(env);
  const trustedUntilMs = new Map<string, number>();
  return {
    /** `null`: it is taken to be there. Rejects with `ConnectTimeoutError`; other failures are left for fetch to meet and name. */
    reach: (url: string, signal: AbortSignal, timeoutMs: number): Promise<void> | null =>
      proxied || (trustedUntilMs.get(url) ?? 0) > now() ? null : reachable(new URL(url), timeoutMs, signal),
    answered(url: string) {
      if (trustedUntilMs.size >= maxTrusted) trustedUntilMs.clear();
      trustedUntilMs.set(url, now() + trustedMs);
    },
  };
}

/** With TLS the handshake is part of it: one that never ends is no connection either. Whose certificate it is, fetch asks. */
function reachable({ hostname, port, protocol }: URL, timeoutMs: number, signal: Interrupt): Promise<void> {
  const isSecure = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  return connectable({ host, port: Number(port || (isSecure ? 443 : 80)) }, isSecure, timeoutMs, signal);
}

/** Rejects with `ConnectTimeoutError` alone. */
export const connectable = (
  place: { readonly host: string; readonly port: number },
  isSecure: boolean,
  timeoutMs: number,
  signal: Interrupt,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const { host, port } = place;
    const name = isIP(host) > 0 ? {} : { servername: host };
    const socket = isSecure ? connectTls({ host, port, ...name, rejectUnauthorized: false }) : connect({ host, port });
    const timer = setTimeout(() => end(new ConnectTimeoutError(`no connection after ${timeoutMs} ms`)), timeoutMs);
    const onAbort = () => end(null);
    function end(error: Error | null) {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      if (error) reject(error);
      else resolve();
    }
    signal.addEventListener("abort", onAbort);
    socket.once(isSecure ? "secureConnect" : "connect", () => end(null));
    socket.once("error", () => end(null));
  });
