import { accountPage } from "../../views/account.ts";
import { accountsPage } from "../../views/accounts.ts";
import { permits } from "../identity/policy.ts";
import { isOnOwn } from "../identity/reach.ts";
import type { AccountSummary } from "../storage/database.ts";
import { dayMs, startOfDay } from "../storage/range-parts.ts";
import { accountTermsModel, parseAccountTerms } from "./account-terms.ts";
import { budgetLines } from "./budget-lines.ts";
import { limitLines } from "./limit-lines.ts";
import { changesOf } from "./change.ts";
import { redirect } from "./page.ts";
import { filled, refusalOf } from "./refusal.ts";
import type { DashboardDatabase, PageDependencies, PageRoute, Visit } from "./route.ts";
import { treeOf } from "./tree.ts";
import { isTyped, shownFields } from "./typed-fields.ts";
import { segment } from "../../views/html.ts";

/** More are not shown at once; each has a page of its own. */
const maxShown = 1_000;

export function accountRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, money, now } = dependencies;
  const since = () => startOfDay(now()) - 29 * dayMs;
  const pathOf = (id: string) => `/dashboard/accounts/${segment(id)}`;

  async function showAll(visit: Visit, name: string, error: string | null, status = 200): Promise<Response> {
    const { accounts, more } = await allAccounts(database);
    const usage = await database.calls.usage({ from: since(), to: now() + 1, groupBy: ["account"] });
    const tree = treeOf(accounts, usage.data);
    const form = { name, parentId: visit.form.get("parentId") ?? "", error };
    return visit.page("Accounts", "accounts", accountsPage({ tree, more, form, csrf: visit.csrf }), { status });
  }

  async function showOne(visit: Visit, id: string, error: string | null, status = 200): Promise<Response> {
    const account = await database.accounts.get(id);
    if (account === null) return visit.notFound();
    const { accounts } = await allAccounts(database);
    const [line, usage, budgets, limits, balance] = await Promise.all([
      database.accounts.lineage(id),
      database.calls.usage({ from: since(), to: now() + 1, groupBy: ["account"], under: id }),
      database.budgets.list({ scope: { kind: "account", id }, limit: 50 }),
      dependencies.limits.list({ scope: { kind: "account", id }, limit: 50 }),
      database.credits.balance(id),
    ]);
    const tree = treeOf(accounts, usage.data);
    // Not under itself or what is below it.
    const places = tree.filter((branch) => !isUnder(tree, branch.id, id));
    const content = database.content.setting({ kind: "account", id }) ?? "";
    const placed = places.find((place) => place.id === account.parentId)?.id ?? "";
    const mayChange = permits(visit.actor, "accounts.write") && !isOnOwn(visit.actor, { kind: "account", id });
    const refused = error === null ? null : visit.form;
    const main = accountPage({
      account,
      path: line.slice(1).toReversed(),
      disabledBy: line.slice(1).find((above) => database.accounts.isDisabled(above.id)) ?? null,
      total: usage.total,
      children: tree.filter(({ parentId }) => parentId === id),
      places,
      budgets: await budgetLines(database, budgets.data),
      limits: await limitLines(database, limits.data, now()),
      balance,
      place: {
        ...shownFields({ name: account.name, parentId: placed, content }, refused),
        open: refused?.has("name") ?? false,
      },
      terms: accountTermsModel(line, database, isTerms(visit) ? refused : null),
      error,
      csrf: mayChange ? visit.csrf : null,
    });
    return visit.page(account.name, "accounts", main, { status, history: { kind: "account", id } });
  }

  const changing = changesOf({
    pathOf: (visit) => pathOf(visit.params["id"] ?? ""),
    again: (visit, error) => showOne(visit, visit.params["id"] ?? "", error, 422),
    labels,
  });

  return [
    {
      method: "GET",
      path: "/dashboard/accounts",
      permission: "accounts.read",
      answer: (visit) => showAll(visit, "", null),
    },
    {
      method: "POST",
      path: "/dashboard/accounts",
      permission: "accounts.write",
      answer: async (visit) => {
        const typed = filled(visit.form, ["name", "parentId"]);
        try {
          return redirect(pathOf((await money.accounts.create(typed)).id));
        } catch (error) {
          return await showAll(visit, typed["name"] ?? "", refusalOf(error, labels), 422);
        }
      },
    },
    {
      method: "GET",
      path: "/dashboard/accounts/:id",
      permission: "accounts.read",
      answer: (visit) => showOne(visit, visit.params["id"] ?? "", null),
    },
    {
      method: "POST",
      path: "/dashboard/accounts/:id",
      permission: "accounts.write",
      answer: changing(async (visit, id) => {
        const change = isTerms(visit) ? parseAccountTerms(visit.form) : placeOf(visit.form);
        return Object.keys(change).length > 0 ? money.accounts.change(id, change) : database.accounts.get(id);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/accounts/:id/state",
      permission: "accounts.write",
      answer: changing(({ form }, id) => money.accounts.change(id, { disabled: form.get("disabled") === "true" })),
    },
    {
      method: "POST",
      path: "/dashboard/accounts/:id/removal",
      permission: "accounts.write",
      answer: changing(async (_, id) => database.accounts.remove(id), "/dashboard/accounts"),
    },
  ];
}

const labels = { object: "Under" };

/** Which of the two forms came. */
const isTerms = ({ form }: Visit): boolean => form.get("part") === "terms";

function placeOf(form: URLSearchParams): object {
  const content = form.get("content");
  return {
    ...(isTyped(form, "name") && { name: (form.get("name") ?? "").trim() }),
    ...(isTyped(form, "parentId") && { parentId: form.get("parentId") || null }),
    ...(content !== null && isTyped(form, "content") && { content: content || null }),
  };
}

/** The newest of them, and whether there are more. */
export async function allAccounts(
  database: Pick<DashboardDatabase, "accounts">,
): Promise<{ readonly accounts: readonly AccountSummary[]; readonly more: boolean }> {
  const accounts: AccountSummary[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<DashboardDatabase["accounts"]["list"]>> = await database.accounts.list({
      after,
      limit: 200,
    });
    accounts.push(...page.data);
    after = page.next;
  } while (after !== null && accounts.length < maxShown);
  return { accounts, more: after !== null };
}

function isUnder(tree: readonly AccountSummary[], id: string, ancestorId: string): boolean {
  for (let at: string | null = id; at !== null;) {
    if (at === ancestorId) return true;
    at = tree.find((branch) => branch.id === at)?.parentId ?? null;
  }
  return false;
}
