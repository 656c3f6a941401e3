import { budgetPage, writtenTerms } from "../../views/budget.ts";
import { type BudgetFormModel, budgetFields } from "../../views/budget-form.ts";
import { budgetsPage } from "../../views/budgets.ts";
import { segment } from "../../views/html.ts";
import { permits } from "../identity/policy.ts";
import { isOnOwn } from "../identity/reach.ts";
import { allAccounts } from "./accounts.ts";
import { budgetLines } from "./budget-lines.ts";
import { parseLastDay } from "./last-day.ts";
import { changesOf } from "./change.ts";
import { redirect } from "./page.ts";
import { filled, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { isTyped, shownFields } from "./typed-fields.ts";

export function budgetRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, money, now } = dependencies;
  const pathOf = (id: string) => `/dashboard/budgets/${segment(id)}`;

  async function showAll(visit: Visit, form: Pick<BudgetFormModel, "values" | "error">, status = 200) {
    const { data, next } = await database.budgets.list({ after: visit.query.get("after") || null, limit: 50 });
    const keys = await database.keys.list({ limit: 200 });
    const { accounts } = await allAccounts(database);
    const names = [
      ...accounts
        .filter(({ id }) => !isOnOwn(visit.actor, { kind: "account", id }))
        .map(({ id, name }) => ({ id, name: `account ${name}` })),
      ...keys.data.filter((key) => key.revokedMs === null).map(({ id, name }) => ({ id, name: `key ${name}` })),
    ];
    const budgets = await budgetLines(database, data);
    const ofAccount = visit.actor.accountId !== null;
    const main = budgetsPage({ budgets, next, form: { ...form, names, ofAccount, csrf: visit.csrf } });
    return visit.page("Budgets", "budgets", main, { status });
  }

  async function showOne(visit: Visit, error: string | null, status = 200): Promise<Response> {
    const budget = await database.budgets.get(visit.params["id"] ?? "");
    if (budget === null) return visit.notFound();
    const [line] = await budgetLines(database, [budget]);
    if (line === undefined) return visit.notFound();
    const mayChange = permits(visit.actor, "budgets.write") && !isOnOwn(visit.actor, budget.scope);
    const refused = error === null ? null : visit.form;
    const terms = shownFields(writtenTerms(line), refused?.has("onShortfall") ? refused : null);
    const { values: increase } = shownFields({ usd: "", until: "" }, refused?.has("until") ? refused : null);
    const main = budgetPage({ budget: line, terms, increase, error, csrf: mayChange ? visit.csrf : null });
    return visit.page("Budget", "budgets", main, {
      status,
      history: { kind: "budget", id: line.id },
    });
  }

  const changing = changesOf({
    pathOf: (visit) => pathOf(visit.params["id"] ?? ""),
    again: (visit, error) => showOne(visit, error, 422),
  });

  return [
    {
      method: "GET",
      path: "/dashboard/budgets",
      permission: "budgets.read",
      answer: (visit) =>
        // A link may say what the new budget is on.
        showAll(visit, { values: filled(visit.query, ["kind", "id"]), error: null }),
    },
    {
      method: "POST",
      path: "/dashboard/budgets",
      permission: "budgets.write",
      answer: async (visit) => {
        const values = filled(visit.form, budgetFields);
        const { kind, id, alertPercents, ...terms } = values;
        try {
          const made = await money.budgets.create({
            ...terms,
            ...percentsOf(alertPercents),
            scope: { kind, ...(id !== undefined && { id }) },
          });
          return redirect(pathOf(made.id));
        } catch (error) {
          return await showAll(visit, { values, error: refusalOf(error) }, 422);
        }
      },
    },
    {
      method: "GET",
      path: "/dashboard/budgets/:id",
      permission: "budgets.read",
      answer: (visit) => showOne(visit, null),
    },
    {
      method: "POST",
      path: "/dashboard/budgets/:id",
      permission: "budgets.write",
      answer: changing(async ({ form }, id) => {
        const all = ["usd", "onShortfall", "admission", "alertPercents"];
        const typed = all.filter((field) => form.has(field) && isTyped(form, field));
        const { alertPercents = "", ...terms } = filled(form, typed);
        const change = { ...terms, ...(typed.includes("alertPercents") && percentsOf(alertPercents)) };
        return Object.keys(change).length > 0 ? money.budgets.change(id, change) : database.budgets.get(id);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/budgets/:id/increase",
      permission: "budgets.write",
      answer: changing(({ form }, id) => {
        const { usd, until } = filled(form, ["usd", "until"]);
        const increase = usd === undefined ? null : { usd, until: parseLastDay(until ?? "", now(), "Through") };
        return money.budgets.change(id, { increase });
      }),
    },
    {
      method: "POST",
      path: "/dashboard/budgets/:id/reset",
      permission: "budgets.write",
      answer: changing(async (_, id) => database.budgets.reset(id)),
    },
    {
      method: "POST",
      path: "/dashboard/budgets/:id/removal",
      permission: "budgets.write",
      answer: changing(async (_, id) => database.budgets.remove(id), "/dashboard/budgets"),
    },
  ];
}

/** As typed, `50, 80 %`; nothing typed is no threshold, no field is the default. What they may be is for the service. */
const percentsOf = (text: string | undefined): { readonly alertPercents?: readonly (number | string)[] } =>
  text === undefined
    ? {}
    : {
        alertPercents: text
          .split(/[\s,;%]+/)
          .filter((part) => part !== "")
          .map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : part)),
      };
