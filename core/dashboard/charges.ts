import { chargesPage } from "../../views/charges.ts";
import { chargeFields } from "../../views/charge-form.ts";
import { allAccounts } from "./accounts.ts";
import { effectiveFrom } from "./effective-from.ts";
import { redirect } from "./page.ts";
import { filled, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";

const path = "/dashboard/prices/charges";

/** What accounts are charged for what calls cost: the terms, and the form that sets and withdraws them. */
export function chargeRoutes({ prices, database }: PageDependencies): readonly PageRoute[] {
  async function show(visit: Visit, values: Readonly<Record<string, string>>, error: string | null, status = 200) {
    const after = visit.query.get("after");
    const { data, next } = prices.terms({ limit: 50, ...(after && { after }) });
    const { accounts } = await allAccounts(database);
    const names = new Map(accounts.map(({ id, name }) => [id, name]));
    const charges = data.map((row) => ({
      ...row,
      accountName: row.account === null ? null : (names.get(row.account) ?? row.account),
    }));
    const form = { values, error, accounts, csrf: visit.csrf };
    return visit.page("Charges", "prices", chargesPage({ charges, next, form }), { status });
  }

  return [
    {
      method: "GET",
      path,
      permission: "prices.read",
      // A link may say whose terms are to be set.
      answer: (visit) => show(visit, filled(visit.query, ["account", "target"]), null),
    },
    {
      method: "POST",
      path,
      permission: "prices.write",
      answer: async (visit) => {
        const values = filled(visit.form, chargeFields);
        const { from, withdraw, ...terms } = values;
        try {
          await prices.setTerms(
            {
              ...terms,
              ...(from !== undefined && { effectiveFrom: effectiveFrom(from) }),
              ...(withdraw !== undefined && { withdraw: true }),
            },
            visit.actor.name,
          );
          return redirect(path);
        } catch (error) {
          return await show(visit, values, refusalOf(error), 422);
        }
      },
    },
    {
      method: "POST",
      path: `${path}/:id/removal`,
      permission: "prices.write",
      answer: async (visit) => {
        try {
          await prices.remove(visit.params["id"] ?? "");
          return redirect(path);
        } catch (error) {
          return await show(visit, {}, refusalOf(error), 422);
        }
      },
    },
  ];
}
