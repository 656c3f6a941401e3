import { aliasPage, aliasRoutePart } from "../../views/alias-route.ts";
import { permits } from "../identity/policy.ts";
import { htmlResponse, wantsPart } from "./page.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

/** The way of the calls of an alias, as a picture. */
export const aliasRoutes = ({
  aliasRoute,
  now,
}: Pick<PageDependencies, "aliasRoute" | "now">): readonly PageRoute[] => [
  {
    method: "GET",
    path: "/dashboard/models/:name",
    permission: "providers.read",
    answer: async ({ actor, csrf, page, params, request, notFound }) => {
      const name = params["name"] ?? "";
      const route = aliasRoute(name);
      if (route === null) return notFound();
      if (wantsPart(request)) return htmlResponse(aliasRoutePart(route, now()));
      const mayCall = permits(actor, "test-calls.write");
      return page(route.name, "prices", aliasPage({ route, nowMs: now(), csrf: mayCall ? csrf : null }));
    },
  },
];
