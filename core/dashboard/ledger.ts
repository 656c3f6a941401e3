import { type CreditFormModel, ledgerPage } from "../../views/ledger.ts";
import { permits } from "../identity/policy.ts";
import type { EntryFilter } from "../storage/credit.ts";
import { dayMs } from "../storage/range-parts.ts";
import { allAccounts } from "./accounts.ts";
import { parseLastDay } from "./last-day.ts";
import { oneOf } from "./one-of.ts";
import { redirect } from "./page.ts";
import { filled, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";

export function ledgerRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, money, now } = dependencies;

  async function show(visit: Visit, form: Pick<CreditFormModel, "values" | "error">, status = 200): Promise<Response> {
    const { account = "", kind = "" } = filled(visit.query, ["account", "kind"]);
    const after = visit.query.get("after") || null;
    const balancesAfter = visit.query.get("balances") || null;
    const chosen = oneOf(kind, kinds, "Kind");
    const filter: EntryFilter = { ...(account !== "" && { account }), ...(chosen !== null && { kind: chosen }) };
    const [{ data, next }, balances, { accounts }, { keepMs, ...retention }] = await Promise.all([
      database.credits.entries(filter, { after, limit: 50 }),
      database.credits.balances({ after: balancesAfter, limit: 50 }),
      allAccounts(database),
      database.retention(),
    ]);
    const names = new Map(accounts.map(({ id, name }) => [id, name]));
    const named = <Row extends { readonly accountId: string }>(row: Row) => ({
      ...row,
      accountName: names.get(row.accountId) ?? row.accountId,
    });
    const main = ledgerPage({
      entries: data.map(named),
      after,
      next,
      filter: { account, kind },
      balances: { lines: balances.data.map(named), after: balancesAfter, next: balances.next },
      accounts: accounts.map(({ id, name }) => ({ id, name })),
      form: permits(visit.actor, "credits.write") ? { ...form, csrf: visit.csrf } : null,
      retention: { ...retention, keepDays: keepMs === null ? null : keepMs / dayMs },
    });
    return visit.page("Ledger", "ledger", main, { status });
  }

  return [
    {
      method: "GET",
      path: "/dashboard/ledger",
      permission: "ledger.read",
      answer: (visit) => {
        const { account } = filled(visit.query, ["account"]);
        return show(visit, { values: account === undefined ? {} : { accountId: account }, error: null });
      },
    },
    {
      method: "POST",
      path: "/dashboard/ledger/credits",
      permission: "credits.write",
      answer: async (visit) => {
        const values = filled(visit.form, ["accountId", "usd", "expires", "note"]);
        const { expires, ...credit } = values;
        try {
          const expiresAt = expires === undefined ? {} : { expiresAt: parseLastDay(expires, now(), "Expires after") };
          await money.credits.add({ ...credit, ...expiresAt });
          return redirect("/dashboard/ledger");
        } catch (error) {
          return await show(
            visit,
            { values, error: refusalOf(error, { usd: "USD", expiresAt: "Expires after", object: "Account" }) },
            422,
          );
        }
      },
    },
  ];
}

const kinds = ["charge", "adjustment", "credit", "expiry"] as const;
