/** Name and flags of a cookie for one request. */
export interface CookiePolicy {
  readonly name: string;
  readonly secure: boolean;
}

/** Of the holder of an API key: another session than a person's, and neither opens what the other does. */
export const keyCookie = ({ name, secure }: CookiePolicy): CookiePolicy => ({
  name: name.startsWith("__Host-") ? "__Host-llmp-key" : "llmp-key",
  secure,
});

/**
 * A browser keeps a `Secure` cookie only from https and from its own machine; anywhere else it drops it without a word
 * and login would fail. `hostHeader` is what the browser asked for.
 */
export function cookiePolicy(publicUrl: string, hostHeader: string | null): CookiePolicy {
  const site = new URL(publicUrl);
  const secure = site.protocol === "https:" || (isLoopback(site.hostname) && isLoopback(hostnameOf(hostHeader)));
  return secure ? { name: "__Host-llmp", secure } : { name: "llmp", secure };
}

/** Of what a browser keeps while it is at an issuer. `Lax` too: the way back from there is a link from another site. */
export const signInCookie = ({ name, secure }: CookiePolicy): CookiePolicy => ({ name: `${name}-sign-in`, secure });

/** Of what ends a session at an issuer. */
export const signOutCookie = ({ name, secure }: CookiePolicy): CookiePolicy => ({ name: `${name}-sign-out`, secure });

/** The cookie's value, `null` without one. A cookie of the other name is not looked at. */
export function readCookie(header: string | null, policy: CookiePolicy): string | null {
  for (const pair of (header ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === policy.name) return pair.slice(at + 1).trim();
  }
  return null;
}

/** `Lax`, not `Strict`: a link to a page in a mail or chat should open it; nothing changes by a GET. */
export function setCookie(policy: CookiePolicy, value: string, maxAgeSeconds: number): string {
  return `${policy.name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${policy.secure ? "; Secure" : ""}`;
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(hostname)
  );
}

/** Without port, lower case; empty for what is no host. */
function hostnameOf(hostHeader: string | null): string {
  const address = `http://${hostHeader ?? ""}`;
  return URL.canParse(address) ? new URL(address).hostname : "";
}
