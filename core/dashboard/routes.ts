import { accountRoutes } from "./accounts.ts";
import { alertRoutes } from "./alerts.ts";
import { serveAsset } from "./assets.ts";
import { aliasRoutes } from "./alias-route.ts";
import { auditRoutes } from "./audit.ts";
import { budgetRoutes } from "./budgets.ts";
import { callRoutes } from "./calls.ts";
import { chargeRoutes } from "./charges.ts";
import { configRoutes } from "./config.ts";
import { explainRoutes } from "./explain.ts";
import { guarded } from "./guard.ts";
import { keyPageRoutes } from "./key-page.ts";
import { keyRoutes } from "./keys.ts";
import { ledgerRoutes } from "./ledger.ts";
import { limitRoutes } from "./limits.ts";
import { issuerRoutes } from "./login-issuers.ts";
import { loginRoutes } from "./login.ts";
import { keyHolderRoutes } from "./key-holder.ts";
import { logoutRoutes } from "./logout.ts";
import { meRoutes } from "./me.ts";
import { overviewRoutes } from "./overview.ts";
import { peopleRoutes } from "./people.ts";
import { priceRoutes } from "./prices.ts";
import { providerRoutes } from "./providers.ts";
import { testCallRoutes } from "./test-call.ts";
import { usageRoutes } from "./usage.ts";
import type { DashboardDependencies, DashboardRoute, PageDependencies, PageRoute } from "./route.ts";

/** Every route under `/dashboard`. */
export function dashboardRoutes(dependencies: DashboardDependencies): readonly DashboardRoute[] {
  const { sessions } = dependencies;
  return [
    ...loginRoutes(dependencies, sessions),
    ...issuerRoutes(dependencies, sessions),
    ...pagesOf(dependencies).map((page, place) =>
      guarded(page, dependencies, sessions, ({ accountId }) =>
        accountId === null ? page : (pagesOf(dependencies.within(accountId))[place] ?? page),
      ),
    ),
    ...keyHolderRoutes(dependencies),
    {
      method: "GET",
      path: "/dashboard/assets/:file",
      access: "public",
      permission: null,
      handle: async (request) => serveAsset(request),
    },
  ];
}

/** Those that are for the signed-in. */
const pagesOf = (dependencies: PageDependencies): readonly PageRoute[] => [
  ...logoutRoutes(dependencies, dependencies.sessions),
  ...overviewRoutes(dependencies),
  ...usageRoutes(dependencies),
  ...callRoutes(dependencies),
  ...explainRoutes(dependencies),
  ...keyRoutes(dependencies),
  ...keyPageRoutes(dependencies),
  ...accountRoutes(dependencies),
  ...budgetRoutes(dependencies),
  ...limitRoutes(dependencies),
  ...ledgerRoutes(dependencies),
  ...alertRoutes(dependencies),
  ...priceRoutes(dependencies),
  ...aliasRoutes(dependencies),
  ...providerRoutes(dependencies),
  ...testCallRoutes(dependencies),
  ...chargeRoutes(dependencies),
  ...peopleRoutes(dependencies),
  ...auditRoutes(dependencies),
  ...configRoutes(dependencies),
  ...meRoutes(dependencies),
];
