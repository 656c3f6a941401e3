import { missing } from "../chat/error.ts";
import { aliasRoute, type RouteMapSources } from "../pipeline/route-map.ts";
import type { ApiRoute } from "./route.ts";

export const aliasRouteRoutes = (sources: RouteMapSources): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/models/:name/route",
    permission: "providers.read",
    summary:
      "Where calls of an alias go as things are: its strategy and entries, down to the targets with their breakers, calls in flight and prices. `share`: of short chats on the account `default` in percent, those that would be sent there first now; `refused`: those that no target would take; `unfit`: why an entry takes none.",
    answer: async ({ params }) => aliasRoute(params.name ?? "", sources) ?? missing(),
  },
];
