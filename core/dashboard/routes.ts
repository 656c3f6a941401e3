import { accountRoutes } from "./accounts.ts";
import { serveAsset } from "./assets.ts";
import { budgetRoutes } from "./budgets.ts";
import { callRoutes } from "./calls.ts";
import { keyRoutes } from "./keys.ts";
import { ledgerRoutes } from "./ledger.ts";
import { loginRoutes } from "./login.ts";
import { logoutRoutes } from "./logout.ts";
import { overviewRoutes } from "./overview.ts";
import { priceRoutes } from "./prices.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";
import { createSessions } from "./session.ts";

/** Every route under `/dashboard`. */
export function dashboardRoutes(dependencies: DashboardDependencies): readonly DashboardRoute[] {
  const sessions = dependencies.sessions ?? createSessions(dependencies.database.sessions, dependencies.now);
  return [
    ...loginRoutes(dependencies, sessions),
    ...logoutRoutes(dependencies, sessions),
    ...overviewRoutes(dependencies, sessions),
    ...callRoutes(dependencies, sessions),
    ...keyRoutes(dependencies, sessions),
    ...accountRoutes(dependencies, sessions),
    ...budgetRoutes(dependencies, sessions),
    ...ledgerRoutes(dependencies, sessions),
    ...priceRoutes(dependencies, sessions),
    {
      method: "GET",
      path: "/dashboard/assets/:file",
      access: "public",
      handle: async (request) => serveAsset(request),
    },
  ];
}
