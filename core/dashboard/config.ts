import { configPage, type PlanLine } from "../../views/config.ts";
import { pluginsPage } from "../../views/plugins.ts";
import { permits } from "../identity/policy.ts";
import { redirect } from "./page.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";

const path = "/dashboard/config";

/** The config that is in use, what a reload would change, what was set by hand beside the file, and what is loaded. */
export function configRoutes({ config }: PageDependencies): readonly PageRoute[] {
  function show(visit: Visit, plan: readonly PlanLine[] | null, problems: readonly string[] = []): Response {
    const csrf = permits(visit.actor, "config.write") ? visit.csrf : null;
    const main = configPage({ state: config.state(), drift: config.drift(), plan, problems, csrf });
    return visit.page("Config", "config", main, { status: problems.length > 0 ? 422 : 200 });
  }
  return [
    { method: "GET", path, permission: "config.read", answer: async (visit) => show(visit, null) },
    {
      method: "GET",
      path: "/dashboard/plugins",
      permission: "config.read",
      answer: async ({ page }) => page("Plugins", "config", pluginsPage(config.plugins())),
    },
    {
      method: "POST",
      path: `${path}/plan`,
      permission: "config.write",
      async answer(visit) {
        const outcome = await config.plan();
        return outcome.ok ? show(visit, outcome.lines) : show(visit, null, outcome.problems);
      },
    },
    {
      method: "POST",
      path: `${path}/reload`,
      permission: "config.write",
      async answer(visit) {
        const outcome = await config.reload(visit.actor.name);
        return outcome.ok ? redirect(path) : show(visit, null, outcome.problems);
      },
    },
  ];
}
