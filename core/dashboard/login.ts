import { login, type LoginModel } from "../../views/login.ts";
import { operator } from "../identity/policy.ts";
import { cookiePolicy, readCookie, setCookie } from "./cookie.ts";
import { readForm } from "./form.ts";
import { plainHttpWarning } from "./guard.ts";
import { isSameOrigin, safeNext } from "./origin.ts";
import { answerErrors, errorPage, page, redirect } from "./page.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";
import { sessionMs, type Sessions } from "./session.ts";
import { createThrottle } from "./throttle.ts";

/** The only two pages that are open to all. A GET never signs in, so that a mail scanner cannot use up a link. */
export function loginRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { publicUrl, version, now } = dependencies;
  const throttle = createThrottle(now);
  const policyOf = (request: Request) => cookiePolicy(publicUrl, request.headers.get("host"));

  const show = (
    request: Request,
    model: Omit<LoginModel, "hint">,
    status = 200,
    headers: Readonly<Record<string, string>> = {},
  ): Response => {
    const banner = policyOf(request).secure ? null : plainHttpWarning;
    return page(
      { title: "Sign in", section: null, csrf: null, version, banner },
      login({ ...model, hint: elsewhere(request, publicUrl) }),
      { status, headers },
    );
  };

  const signIn = async (request: Request): Promise<Response> => {
    // Without a session there is no token to steal; a client without `Origin` is no browser that could be tricked.
    if (!isSameOrigin(request, publicUrl, true)) return errorPage(request, 403, version);
    const form = await readForm(request);
    if (form === null) return errorPage(request, 415, version, "Only forms are taken here.");
    const next = safeNext(form.get("next"));

    const address = dependencies.clientAddress?.(request) ?? "";
    const waitSeconds = throttle.take(address);
    if (waitSeconds !== null) {
      const error = `Too many failed tries. Try again in ${waitSeconds} seconds.`;
      return show(request, { linkToken: null, next, error }, 429, { "retry-after": String(waitSeconds) });
    }
    if (!(await isValid(form.get("token") ?? "", dependencies))) {
      return show(
        request,
        { linkToken: null, next, error: "This token or link is not valid, or was used before." },
        401,
      );
    }
    throttle.giveBack(address);

    const policy = policyOf(request);
    await sessions.close(readCookie(request.headers.get("cookie"), policy));
    return redirect(next, { "set-cookie": setCookie(policy, await sessions.open(operator), sessionMs / 1000) });
  };

  const ask = async (request: Request): Promise<Response> => {
    const { searchParams } = new URL(request.url);
    const next = safeNext(searchParams.get("next"));
    const linkToken = searchParams.get("token");
    const signedIn =
      linkToken === null &&
      (await sessions.find(readCookie(request.headers.get("cookie"), policyOf(request)), true)) !== null;
    return signedIn ? redirect(next) : show(request, { linkToken, next, error: null });
  };

  const path = "/dashboard/login";
  return [
    {
      method: "GET",
      path,
      access: "public",
      permission: null,
      handle: (request) => answerErrors(request, version, () => ask(request)),
    },
    {
      method: "POST",
      path,
      access: "public",
      permission: null,
      handle: (request) => answerErrors(request, version, () => signIn(request)),
    },
  ];
}

/** One field for both: nobody has to know which kind of token they hold. */
async function isValid(token: string, { verifyAdminToken, takeLoginLink }: DashboardDependencies): Promise<boolean> {
  if (token === "" || token.length > 1000) return false;
  return (await verifyAdminToken(token)) || (await takeLoginLink(token));
}

/**
 * With an https `publicUrl` the cookie is `Secure`, and a browser that came over http by another name drops it: the
 * login would seem to fail. Browsers send `Sec-Fetch-Site` only where a `Secure` cookie holds, so its absence tells.
 */
function elsewhere(request: Request, publicUrl: string): string | null {
  const site = new URL(publicUrl);
  if (site.protocol !== "https:" || request.headers.has("sec-fetch-site") || request.headers.get("host") === site.host)
    return null;
  return `Signing in works only at ${site.origin}/dashboard, the configured server.publicUrl.`;
}
