import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Whether one of `networks` (`10.0.0.0/8`, or single addresses) holds this address. */
export function networkList(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [net = "", bits = isIPv6(net) ? "128" : "32"] = network.split("/");
    list.addSubnet(net, Number(bits), familyOf(net));
  }
  return (address) => list.check(address, familyOf(address));
}

/**
 * An address of the public internet, by the special-purpose registries of IANA (RFC 6890). Those that stand for an IPv4
 * address (mapped, or of a translator by RFC 6052) are what that one is.
 */
export function isPublicAddress(address: string): boolean {
  const inside = isIPv6(address) ? embedded(groupsOf(address)) : address;
  if (inside === null) return isGlobal6(address) && !isSpecial6(address);
  return isIPv4(inside) && !isSpecial4(inside);
}

const isSpecial4 = networkList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10", // carriers (RFC 6598), and the metadata of one cloud
  "127.0.0.0/8",
  "168.63.129.16", // the host of a machine in Azure
  "169.254.0.0/16", // link-local, where most clouds keep their metadata
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

/** All that is given out for the internet; loopback, ULA, link-local, multicast and the rest lie outside. */
const isGlobal6 = networkList(["2000::/3"]);
const isSpecial6 = networkList([
  "2001::/23", // Teredo, benchmarks, ORCHID
  "2001:db8::/32",
  "2002::/16", // 6to4 carries an IPv4 address
  "3fff::/20",
]);

/** The IPv4 address that an IPv6 one stands for: `::ffff:0:0/96`, `64:ff9b::/96`. */
function embedded(groups: readonly number[]): string | null {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups;
  const isMapped = (a | b | c | d | e) === 0 && f === 0xffff;
  const isTranslated = a === 0x64 && b === 0xff9b && (c | d | e | f) === 0;
  return isMapped || isTranslated ? `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` : null;
}

/** The eight groups; a zone is left out. */
function groupsOf(address: string): readonly number[] {
  // The URL parser writes what ends in an IPv4 address in groups.
  const canonical = new URL(`http://[${address.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}
