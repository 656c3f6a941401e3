import { alertsPage } from "../../views/alerts.ts";
import { permits } from "../identity/policy.ts";
import { redirect } from "./page.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";

/** Dead letters that are shown of each receiver; the API lists all. */
const shownDead = 20;

export function alertRoutes({ outbox }: PageDependencies): readonly PageRoute[] {
  async function show(visit: Visit, tested: { readonly receiver: string; readonly error: string | null } | null) {
    const after = visit.query.get("after") || null;
    const [receivers, { data, next }] = await Promise.all([outbox.receivers(), outbox.alerts({ after, limit: 50 })]);
    const dead = await Promise.all(
      receivers
        .filter((receiver) => receiver.dead > 0)
        .map(async ({ name }) => ({ name, letters: (await outbox.deadLetters(name, { limit: shownDead })).data })),
    );
    const csrf = permits(visit.actor, "outbox.write") ? visit.csrf : null;
    const main = alertsPage({ receivers, alerts: data, next, first: after === null, dead, tested, csrf });
    return visit.page("Alerts", "alerts", main);
  }

  return [
    {
      method: "GET",
      path: "/dashboard/alerts",
      permission: "outbox.read",
      answer: (visit) => show(visit, null),
    },
    {
      method: "POST",
      path: "/dashboard/alerts/:receiver/test",
      permission: "outbox.write",
      answer: async (visit) => {
        const receiver = visit.params["receiver"] ?? "";
        const error = await outbox.test(receiver);
        return error === undefined ? visit.notFound() : show(visit, { receiver, error });
      },
    },
    {
      method: "POST",
      path: "/dashboard/alerts/:receiver/retry",
      permission: "outbox.write",
      answer: async (visit) => {
        await outbox.retry(visit.params["receiver"] ?? "");
        return redirect("/dashboard/alerts");
      },
    },
  ];
}
