import type { ConfigService } from "./config-service.ts";
import type { ApiRoute } from "./route.ts";

export const pluginRoutes = (config: Pick<ConfigService, "plugins">): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/plugins",
    permission: "config.read",
    summary:
      "The plugin instances that are in use, with their options (secrets are `***`), the hooks that each fills, and what these came to since the process began, by kind and name, whatever was reloaded. Times are in ms, waits included; `rate` is counted and not timed. A refusal is no failure.",
    answer: async () => ({ data: config.plugins(), next: null }),
  },
];
