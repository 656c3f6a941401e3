import { isIP, isIPv6 } from "node:net";
import { networkList } from "../runtime/addresses.ts";

/** Longest `X-Forwarded-For` that is read: more hops than this nobody has. */
const maxHops = 32;

export interface ClientAddresses {
  /** Where a request comes from, by its peer and its `X-Forwarded-For`; `null` where the peer is unknown. */
  of(peer: string | null, forwardedFor: string | null): string | null;
}

/**
 * The peer, unless it is a proxy that the operator trusts: then the right-most address of `X-Forwarded-For` that is
 * none. What stands left of it the client wrote itself. No other header is read.
 *
 * @param trusted networks (`10.0.0.0/8`) or addresses.
 */
export function clientAddresses(trusted: readonly string[]): ClientAddresses {
  const isProxy = networkList(trusted);
  return {
    of(peer, forwardedFor) {
      if (peer === null) return null;
      let address = plain(peer);
      if (trusted.length === 0 || forwardedFor === null || !isProxy(address)) return address;
      for (const hop of forwardedFor.split(",").slice(-maxHops).toReversed()) {
        const next = plain(hop.trim());
        // What is no address tells nothing, and whatever is left of it even less.
        if (isIP(next) === 0) return address;
        address = next;
        if (!isProxy(address)) return address;
      }
      return address;
    },
  };
}

/** What one client can choose its address from is one: an IPv6 network of 64 bits (RFC 6177), an IPv4 address. */
export function addressGroup(address: string): string {
  const bare = plain(address);
  if (!isIPv6(bare)) return bare;
  const [head = "", tail] = bare.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - groups(after);
  const all = [...before, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...after];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

/** An IPv4 address at the end of an IPv6 one stands for two groups. */
const groups = (list: readonly string[]): number =>
  list.reduce((count, group) => count + (group.includes(".") ? 2 : 1), 0);

/** Without the port or brackets that some proxies write, a zone, or the way in which a dual-stack socket names IPv4. */
function plain(text: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  return bare.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
}
