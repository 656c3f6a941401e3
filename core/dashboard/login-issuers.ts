import { addressGroup } from "../identity/client-address.ts";
import { nobody } from "../identity/request-audit.ts";
import { signInMs } from "../identity/issuer-login.ts";
import type { Sessions } from "../identity/sessions.ts";
import { throttlesOf } from "../identity/throttle.ts";
import { asAuthor } from "../storage/audit-author.ts";
import { readCookie, setCookie, signInCookie } from "./cookie.ts";
import { loginPages } from "./login-page.ts";
import { safeNext } from "./origin.ts";
import { answerErrors, errorPage, redirect } from "./page.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";

/** Sign-ins for one address a minute that came to nothing. */
const triesPerAddress = 30;
/** A longer way back would not fit into a cookie. */
const maxNext = 1_000;

/** To an OpenID issuer and back. */
export function issuerRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { version, now, signIn, issuers, requestAudit } = dependencies;
  const { show, enterAs, policyOf } = loginPages(dependencies, sessions);
  const throttle = (dependencies.throttles ?? throttlesOf(now))("sign-in with an issuer", triesPerAddress);
  const toIssuer = "/dashboard/login/oidc/:issuer";
  const back = `${toIssuer}/callback`;

  const strangerOf = (request: Request, path: string) => ({
    ...nobody,
    address: dependencies.clientAddress?.(request) ?? null,
    route: `GET ${path}`,
  });
  async function refuse(request: Request, error: string, next: string, status: number, headers = {}) {
    const kind = (await signIn.isInUse()) ? "password" : "token";
    return show(request, { form: { kind }, next, email: "", error }, status, headers);
  }
  const tooMany = (request: Request, waitSeconds: number) =>
    refuse(request, `Too many failed tries. Try again in ${waitSeconds} seconds.`, safeNext(null), 429, {
      "retry-after": String(waitSeconds),
    });
  const down = "The issuer cannot be reached right now. Try again in a moment, or sign in another way.";

  async function begin(request: Request, issuer: string): Promise<Response> {
    const site = request.headers.get("sec-fetch-site");
    // A page elsewhere must not start a sign-in that nobody asked for.
    if (site !== null && site !== "same-origin" && site !== "none") return redirect("/dashboard/login");
    const network = addressGroup(strangerOf(request, toIssuer).address ?? "");
    const waitSeconds = throttle.take(network);
    if (waitSeconds !== null) return tooMany(request, waitSeconds);
    const asked = safeNext(new URL(request.url).searchParams.get("next"));
    const next = asked.length > maxNext ? safeNext(null) : asked;
    const begun = await issuers.begin(issuer, next);
    if (begun === null) return errorPage(request, 404, version);
    if (begun === "down") return refuse(request, down, next, 503);
    throttle.giveBack(network);
    return redirect(begun.url, {
      "set-cookie": setCookie(signInCookie(policyOf(request)), begun.kept, signInMs / 1000),
    });
  }

  async function end(request: Request, issuer: string): Promise<Response> {
    const stranger = strangerOf(request, back);
    const network = addressGroup(stranger.address ?? "");
    const waitSeconds = throttle.take(network);
    if (waitSeconds !== null) {
      requestAudit.refused(stranger, "login.fail", { issuer: "too many" });
      return tooMany(request, waitSeconds);
    }
    const cookie = signInCookie(policyOf(request));
    const kept = readCookie(request.headers.get("cookie"), cookie);
    const { search } = new URL(request.url);
    const found = await asAuthor(stranger, () => issuers.finish(issuer, kept, search));
    if (found === null) return errorPage(request, 404, version);
    const next = safeNext(found.next);
    const answer = await (async () => {
      switch (found.done) {
        case "in":
          throttle.giveBack(network);
          return enterAs(request, found.person.id, next, stranger, (session) =>
            issuers.keep(issuer, found.idToken, session),
          );
        case "down":
          return refuse(request, down, next, 503);
        case "refused":
          requestAudit.refused(stranger, "login.fail", { issuer, why: found.why });
          return refuse(request, found.why, next, 401);
      }
    })();
    // It has served, however this ended.
    answer.headers.append("set-cookie", setCookie(cookie, "", 0));
    return answer;
  }

  const route = (path: string, answer: (request: Request, issuer: string) => Promise<Response>): DashboardRoute => ({
    method: "GET",
    path,
    access: "public",
    permission: null,
    handle: (request, { issuer = "" }) => answerErrors(request, version, () => answer(request, issuer)),
  });
  return [route(toIssuer, begin), route(back, end)];
}
