/**
 * Whether a request that changes something comes from a page of this site. Browsers send `Origin` with every POST and
 * `Sec-Fetch-Site` to https and loopback; a page elsewhere can forge neither.
 * `bare`: the answer when both are missing, which only happens outside browsers.
 */
export function isSameOrigin(request: Request, publicUrl: string, bare: boolean): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin") return false;
  const origin = request.headers.get("origin");
  if (origin === null) return site !== null || bare;
  if (!URL.canParse(origin)) return false;
  const { host, origin: normal } = new URL(origin);
  // The scheme cannot be compared to the request's own: behind a TLS proxy it arrives as http.
  return normal === new URL(publicUrl).origin || host === request.headers.get("host")?.toLowerCase();
}

/** Where to go after login: a page of the dashboard, whatever was asked for. */
export function safeNext(next: string | null): string {
  const home = "/dashboard";
  if (next === null || !/^\/dashboard(?:[/?]|$)/.test(next) || !URL.canParse(next, base)) return home;
  const target = new URL(next, base);
  const inside =
    target.origin === base &&
    /^\/dashboard(?:\/|$)/.test(target.pathname) &&
    !target.pathname.startsWith("/dashboard/login");
  return inside ? target.pathname + target.search : home;
}

const base = "http://localhost";
