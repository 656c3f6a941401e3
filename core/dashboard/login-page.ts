import { login, type LoginModel } from "../../views/login.ts";
import { digestOf } from "../identity/person.ts";
import { sessionMs, type Sessions } from "../identity/sessions.ts";
import type { Author } from "../storage/audit.ts";
import { asAuthor } from "../storage/audit-author.ts";
import { type CookiePolicy, cookiePolicy, readCookie, setCookie, signOutCookie } from "./cookie.ts";
import { plainHttpWarning } from "./guard.ts";
import { page, redirect } from "./page.ts";
import type { DashboardDependencies } from "./route.ts";

/** What all ways to sign in have in common. */
export interface LoginPages {
  show(
    request: Request,
    model: Omit<LoginModel, "hint" | "issuers" | "passwords" | "keys">,
    status?: number,
    headers?: Readonly<Record<string, string>>,
  ): Response;
  /**
   * Opens a session in the place of the one before, and leads on. `personId` `null`: whoever holds the admin token. `kept`:
   * what the browser keeps for the end of the session of this digest.
   */
  enterAs(
    request: Request,
    personId: string | null,
    next: string,
    author: Author,
    kept?: (session: string) => string,
  ): Promise<Response>;
  policyOf(request: Request): CookiePolicy;
}

export function loginPages(dependencies: DashboardDependencies, sessions: Sessions): LoginPages {
  const { publicUrl, version, signIn, issuers, keyHolders } = dependencies;
  const policyOf = (request: Request) => cookiePolicy(publicUrl, request.headers.get("host"));
  return {
    policyOf,
    show(request, model, status = 200, headers = {}) {
      const banner = policyOf(request).secure ? null : plainHttpWarning;
      const ways = { issuers: issuers.issuers, passwords: signIn.passwords, keys: keyHolders.sessions.takesKeys };
      return page(
        { title: "Sign in", section: null, csrf: null, version, banner },
        login({ ...model, ...ways, hint: elsewhere(request, publicUrl) }),
        { status, headers },
      );
    },
    async enterAs(request, personId, next, author, kept) {
      const policy = policyOf(request);
      const from = { address: author.address, agent: request.headers.get("user-agent") };
      const value = await asAuthor(author, async () => {
        await sessions.close(readCookie(request.headers.get("cookie"), policy));
        return sessions.open(personId, from);
      });
      const answer = redirect(next, { "set-cookie": setCookie(policy, value, sessionMs / 1000) });
      if (kept) {
        const cookie = setCookie(signOutCookie(policy), kept(digestOf(value)), sessionMs / 1000);
        answer.headers.append("set-cookie", cookie);
      }
      return answer;
    },
  };
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
