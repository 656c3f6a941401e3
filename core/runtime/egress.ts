import { lookup } from "node:dns/promises";
import { devNull } from "node:os";
import { isIP, isIPv4 } from "node:net";
import { isPublicAddress, networkList } from "./addresses.ts";

/** A request that must not leave. The message says what is wrong with its address, and holds nothing of it but the host. */
export class EgressError extends Error {
  override readonly name = "EgressError";
}

export interface EgressOptions {
  /** What the operator allows beside the public internet: networks, addresses, host names, and `*.` with what is below one. */
  readonly allow: readonly string[];
  readonly now: () => number;
  /** Every address of a host; default: what the system's resolver says. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** The way out of the process: nothing else sends a request. */
export interface Egress {
  /** To an address that the operator's file names, or to the one of `pinned`. */
  send(target: string | Request, options: SendOptions, pinned?: Pinned): Promise<Response>;
  /**
   * Where to send a request whose address came from elsewhere: the host's own address, so that no other answer of its
   * name can lead elsewhere between the check and the connection. Throws `EgressError`.
   */
  pin(url: string): Promise<Pinned>;
  /** Why this address could not be used, as far as it can be known now; `null`: nothing is wrong with it. */
  fault(url: string): Promise<string | null>;
}

/** Redirects are never followed: fetch would carry the credentials to wherever they point. */
export type SendOptions = RequestInit & {
  readonly redirect: "manual";
  /** Bun's: no timeout of its own. */
  readonly timeout?: false;
  /** Bun's: the body as it came. */
  readonly decompress?: false;
  /** Deno's: with what. */
  readonly client?: object;
  /** Bun's: whose certificate is expected. */
  readonly tls?: { readonly serverName: string };
};

/** An address that was checked. */
export interface Pinned {
  readonly url: string;
  /** For the `Host` header. */
  readonly host: string;
  /** The name that the certificate must have; `null`: the address itself. */
  readonly serverName: string | null;
}

/** A name's checked address is used again for so long. */
const keptMs = 30_000;
const maxKept = 1_000;

export function createEgress({ allow, now, resolve = resolved }: EgressOptions): Egress {
  const isNetwork = (entry: string) => isIP(entry.split("/")[0] ?? "") > 0;
  const isAllowedAddress = networkList(allow.filter(isNetwork));
  const hosts = new Set(allow.filter((entry) => !isNetwork(entry)).map((entry) => entry.toLowerCase()));
  const isAllowedHost = (host: string) =>
    hosts.has(host) || host.split(".").some((_, at, labels) => hosts.has(`*.${labels.slice(at + 1).join(".")}`));
  const checked = new Map<string, { readonly address: string; readonly untilMs: number }>();

  async function addressOf(host: string): Promise<string> {
    if (isIP(host) > 0) return usable(host, [host]);
    const kept = checked.get(host);
    if (kept && kept.untilMs > now()) return kept.address;
    if (!isAllowedHost(host) && isInternalName(host)) throw refusal(host, "is a name of an internal network");
    const address = usable(host, await resolve(host));
    if (checked.size >= maxKept) checked.clear();
    checked.set(host, { address, untilMs: now() + keptMs });
    return address;
  }

  /** All must be good: a name that also means an internal address means mischief. */
  function usable(host: string, addresses: readonly string[]): string {
    const first = addresses.find((address) => isIPv4(address)) ?? addresses[0];
    if (first === undefined) throw refusal(host, "has no address");
    const isUsable = (address: string) => isPublicAddress(address) || isAllowedAddress(address);
    if (!isAllowedHost(host) && !addresses.every(isUsable)) throw refusal(host, "is no address of the public internet");
    return first;
  }

  async function pin(text: string): Promise<Pinned> {
    const url = checkedUrl(text);
    const host = hostOf(url);
    const address = await addressOf(host);
    const pinned = new URL(url);
    pinned.hostname = isIPv4(address) ? address : `[${address}]`;
    return { url: pinned.href, host: url.host, serverName: isIP(host) > 0 ? null : host };
  }

  return {
    send: (target, options, pinned) =>
      pinned === undefined ? fetch(target, options) : sendTo(pinned, target, options),
    pin,
    async fault(url) {
      try {
        await pin(url);
        return null;
      } catch (error) {
        if (error instanceof EgressError) return error.message;
        // A name that is not known now may be later, and is looked at again before each request.
        return null;
      }
    },
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

/** fetch has no other way to say where to connect. */
function sendTo(pinned: Pinned, target: string | Request, options: SendOptions): Promise<Response> {
  // Deno knows no `tls`, and asks for the name again.
  if (!("Bun" in globalThis)) return fetch(target, options);
  const { url, host, serverName } = pinned;
  const tls = serverName !== null && url.startsWith("https:") ? { tls: { serverName } } : {};
  if (typeof target === "string") return fetch(url, { ...options, ...tls, headers: hosted(options.headers, host) });
  const request = new Request(url, target);
  request.headers.set("host", host);
  return fetch(request, { ...options, ...tls });
}

function hosted(headers: RequestInit["headers"], host: string): Headers {
  const all = new Headers(headers);
  all.set("host", host);
  return all;
}

function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url) throw new EgressError("no URL");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new EgressError("only http and https addresses may be used");
  if (url.username || url.password) throw new EgressError("a user name or password does not belong in an address");
  return url;
}

/** As the URL parser has understood it, so that no spelling of an address passes for a name; without the root's dot. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");

/** RFC 6761, 6762, 8375, and what networks use unasked. A name without a dot is one of the network one is in. */
const isInternalName = (host: string): boolean =>
  !host.includes(".") || /\.(localhost|local|internal|localdomain|lan|intranet|home\.arpa|corp|home)$/.test(host);

const refusal = (host: string, why: string): EgressError =>
  new EgressError(`${host} ${why}, and server.egress.allow does not name it`);

const resolved = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true })).map(({ address }) => address);
