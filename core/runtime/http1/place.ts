import { isIP } from "node:net";
import type { Pinned } from "../egress.ts";

/** Where a request goes: connections to the same one may carry each other's requests. */
export interface Place {
  /** Names the connections that may be used for it. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  /** The name that the certificate must have, sent as SNI; `null`: the address itself. */
  readonly serverName: string | null;
  /** What goes on the request line. */
  readonly target: string;
  /** For the `Host` header. */
  readonly authority: string;
}

/** Throws `TypeError` on what is no http or https URL. `pinned`: an address of its host, that was checked. */
export function placeOf(url: string, pinned?: Pinned): Place {
  const { protocol, hostname, port, pathname, search, host } = new URL(pinned?.url ?? url);
  if (protocol !== "http:" && protocol !== "https:") throw new TypeError("only http and https addresses may be used");
  const isSecure = protocol === "https:";
  const bare = hostname.replace(/^\[|\]$/g, "");
  const serverName = pinned ? pinned.serverName : isIP(bare) > 0 ? null : bare;
  return {
    key: `${protocol}//${host} ${serverName ?? ""}`,
    host: bare,
    port: Number(port || (isSecure ? 443 : 80)),
    isSecure,
    serverName,
    target: `${pathname}${search}`,
    authority: pinned?.host ?? host,
  };
}

const maxKept = 1_000;

/** The same as `placeOf`, taken apart once. */
export function placeBook(): (url: string) => Place {
  const kept = new Map<string, Place>();
  return (url) => {
    const known = kept.get(url);
    if (known) return known;
    const place = placeOf(url);
    if (kept.size >= maxKept) kept.clear();
    kept.set(url, place);
    return place;
  };
}
