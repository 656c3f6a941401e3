import { signedOut } from "../../views/signed-out.ts";
import type { Sessions } from "../identity/sessions.ts";
import { cookiePolicy, readCookie, setCookie, signOutCookie } from "./cookie.ts";
import { page, redirect } from "./page.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

export function logoutRoutes(dependencies: PageDependencies, sessions: Sessions): readonly PageRoute[] {
  const { publicUrl, issuers, version } = dependencies;
  return [
    {
      method: "POST",
      path: "/dashboard/logout",
      permission: "me.write",
      answer: async ({ request, session }) => {
        const policy = cookiePolicy(publicUrl, request.headers.get("host"));
        const cookies = request.headers.get("cookie");
        // First: whatever becomes of the one at the issuer, this one has ended.
        await sessions.close(readCookie(cookies, policy));
        const there = await issuers.end(readCookie(cookies, signOutCookie(policy)), session);
        // Not "cookies": that would sign the browser out of every other application of the same domain.
        const headers = { "clear-site-data": '"cache", "storage"' };
        // No redirect: browsers hold one that follows a form to `form-action`, which names this site alone.
        const answer =
          there === null
            ? redirect("/dashboard/login", headers)
            : page({ title: "Signed out", section: null, csrf: null, version, banner: null }, signedOut(there), {
                headers: { ...headers, refresh: `0; url=${there.url}` },
              });
        for (const cookie of [policy, signOutCookie(policy)])
          answer.headers.append("set-cookie", setCookie(cookie, "", 0));
        return answer;
      },
    },
  ];
}
