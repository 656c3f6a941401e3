import { isIP } from "node:net";

/** `10.0.0.0/8`, `2001:db8::/32`. */
export function isCidr(text: string): boolean {
  const [net = "", bits, ...rest] = text.split("/");
  const version = isIP(net);
  return version > 0 && rest.length === 0 && /^\d{1,3}$/.test(bits ?? "") && Number(bits) <= (version === 4 ? 32 : 128);
}

/** A network, or one address. */
export const isNetwork = (text: string): boolean => isIP(text) > 0 || isCidr(text);

/** `example.com`, or `*.example.com`; what ends in a number is read as an address (WHATWG URL §3.5), and is no name. */
export const isHostName = (text: string): boolean =>
  /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(text) &&
  !/(^|\.)\d+$/.test(text);
