import { historyLink } from "../../views/audit.ts";
import { html, url } from "../../views/html.ts";
import type { Shell } from "../../views/layout.ts";
import { type Actor, type Holder, type Permission, permits, refusedFor } from "../identity/policy.ts";
import { cookiePolicy, readCookie } from "./cookie.ts";
import { readForm } from "./form.ts";
import { isSameOrigin } from "./origin.ts";
import { answerErrors, errorPage, page, redirect } from "./page.ts";
import type { DashboardRoute, PageDependencies, PageRoute, Visit } from "./route.ts";
import { sameToken, type Sessions } from "../identity/sessions.ts";

/**
 * Lets only a session through whose role has the route's permission, and what changes something only from our own pages:
 * `Origin` or `Sec-Fetch-Site` must name this site, and the form or header must carry the session's token. `routeFor`:
 * the same page over what the actor may see.
 */
export function guarded(
  route: PageRoute,
  dependencies: PageDependencies,
  sessions: Sessions,
  routeFor: (actor: Actor) => PageRoute,
): DashboardRoute {
  const { publicUrl, version, clientAddress, requestAudit, takenForms } = dependencies;
  const answer = async (request: Request, params: Readonly<Record<string, string>>): Promise<Response> => {
    const changes = request.method !== "GET" && request.method !== "HEAD";
    if (changes && !isSameOrigin(request, publicUrl, false)) return errorPage(request, 403, version);

    const policy = cookiePolicy(publicUrl, request.headers.get("host"));
    const session = await sessions.find(
      readCookie(request.headers.get("cookie"), policy),
      !request.headers.has("x-poll"),
    );
    if (session === null) return toLogin(request);
    const actor = { ...session.holder, address: clientAddress?.(request) ?? null };
    const author = { ...actor, route: `${route.method} ${route.path}` };
    if (!permits(actor, route.permission)) {
      // Where a sign-in leads: those who may see nothing else have their own page.
      const isHome = route.path === "/dashboard";
      if (!isHome) requestAudit.refused(author, "request.deny");
      return isHome
        ? redirect("/dashboard/me")
        : errorPage(request, 403, version, refusals[refusedFor(actor, route.permission)]);
    }

    const form = changes ? await readForm(request) : new URLSearchParams();
    const token = request.headers.get("x-csrf-token") ?? form?.get("csrf") ?? null;
    if (changes && !sameToken(token, session.csrf)) return errorPage(request, 403, version);
    if (form === null && request.body !== null) return errorPage(request, 415, version, "Only forms are taken here.");

    const frame = {
      csrf: session.csrf,
      visitor: { name: session.holder.name, closed: closedTo(session.holder), onlyReads: onlyReads(session.holder) },
      version,
      banner: policy.secure ? null : plainHttpWarning,
    };
    const visit: Visit = {
      actor,
      request,
      params,
      query: new URL(request.url).searchParams,
      form: form ?? new URLSearchParams(),
      csrf: session.csrf,
      session: session.digest,
      page: (title, section, main, { history, ...options } = {}) => {
        const more = history && permits(actor, "audit.read") ? historyLink(history.kind, history.id) : null;
        return page({ ...frame, title, section }, html`${main}${more}`, options);
      },
      notFound: () => errorPage(request, 404, version),
    };
    const asked = { permission: route.permission, path: new URL(request.url).pathname };
    return takenForms.once(session.digest, request, form, () =>
      requestAudit.request(author, asked, () => routeFor(actor).answer(visit)),
    );
  };
  return {
    method: route.method,
    path: route.path,
    access: "session",
    permission: route.permission,
    handle: (request, params) => answerErrors(request, version, () => answer(request, params)),
  };
}

/** What the first page of each section asks for. */
const sections: Readonly<Record<Exclude<Shell["section"], null>, Permission>> = {
  overview: "calls.read",
  usage: "usage.read",
  calls: "calls.read",
  keys: "keys.read",
  accounts: "accounts.read",
  budgets: "budgets.read",
  limits: "limits.read",
  prices: "prices.read",
  providers: "credentials.read",
  ledger: "ledger.read",
  alerts: "outbox.read",
  people: "people.read",
  audit: "audit.read",
  config: "config.read",
  me: "me.read",
};

const closedTo = (holder: Holder): readonly string[] =>
  Object.entries(sections).flatMap(([section, permission]) => (permits(holder, permission) ? [] : [section]));

/** Whoever may change something may change keys. */
const onlyReads = (holder: Holder): boolean => !permits(holder, "keys.write");

const refusals = {
  role: "Your role does not allow this. Who manages people here can change that.",
  account: "This is only for people who belong to no account.",
} as const;

export const plainHttpWarning =
  "This dashboard is open over plain http, so its session cookie is not protected on the way: anyone on this network could take it. Put TLS in front and set server.publicUrl to the https address.";

/** A page comes back here after the login. What htmx asked for does not: its path is no page. */
export function toLogin(request: Request): Response {
  if (request.headers.get("hx-request") === "true") {
    const response = redirect("/dashboard/login");
    return new Response(null, {
      status: 401,
      headers: { ...Object.fromEntries(response.headers), "hx-redirect": "/dashboard/login" },
    });
  }
  const { pathname, search } = new URL(request.url);
  const next = request.method === "GET" && pathname !== "/dashboard" ? pathname + search : null;
  return redirect(url("/dashboard/login", { next }));
}
