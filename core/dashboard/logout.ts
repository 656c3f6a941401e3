import { cookiePolicy, readCookie, setCookie } from "./cookie.ts";
import { redirect } from "./page.ts";
import type { PageDependencies, PageRoute } from "./route.ts";
import type { Sessions } from "../identity/sessions.ts";

export function logoutRoutes(dependencies: PageDependencies, sessions: Sessions): readonly PageRoute[] {
  return [
    {
      method: "POST",
      path: "/dashboard/logout",
      permission: "me.write",
      answer: async ({ request }) => {
        const policy = cookiePolicy(dependencies.publicUrl, request.headers.get("host"));
        await sessions.close(readCookie(request.headers.get("cookie"), policy));
        return redirect("/dashboard/login", {
          "set-cookie": setCookie(policy, "", 0),
          // Not "cookies": that would sign the browser out of every other application of the same domain.
          "clear-site-data": '"cache", "storage"',
        });
      },
    },
  ];
}
