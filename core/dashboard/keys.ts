import type { KeyFormModel } from "../../views/key-form.ts";
import { keyRow, keysPage, type KeyLine, type KeyListModel, type KeyState } from "../../views/keys.ts";
import { limitText } from "../chat/limit.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import { limitsOn } from "../plugin/limit-rules.ts";
import type { KeyRow } from "../storage/key.ts";
import { allAccounts } from "./accounts.ts";
import { emptyForm, parseKeyForm, typed } from "./key-input.ts";
import { nameOfScope } from "./names.ts";
import { htmlResponse, redirect, wantsPart } from "./page.ts";
import { refusalOf } from "./refusal.ts";
import type { DashboardDatabase, PageDependencies, PageRoute, Visit } from "./route.ts";

export function keyRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, now } = dependencies;

  const show = async (
    visit: Visit,
    form: KeyFormModel,
    created: KeyListModel["created"],
    status = 200,
  ): Promise<Response> => {
    const { data, next } = await database.keys.list({ after: visit.query.get("after") || null, limit: 50 });
    const { accounts } = await allAccounts(database);
    const keys = await Promise.all(data.map((row) => keyLine(database, row, now())));
    const main = keysPage({ keys, next, csrf: visit.csrf, form, accounts: accounts.toReversed(), created });
    return wantsPart(visit.request) ? htmlResponse(main, { status }) : visit.page("Keys", "keys", main, { status });
  };

  return [
    {
      method: "GET",
      path: "/dashboard/keys",
      permission: "keys.read",
      answer: (visit) => show(visit, emptyForm, null),
    },
    {
      method: "POST",
      path: "/dashboard/keys",
      permission: "keys.write",
      answer: async (visit) => {
        const values = typed(visit.form);
        try {
          const { row, secret } = await dependencies.keys.create(parseKeyForm(values, now()));
          return await show(visit, emptyForm, { name: row.name, secret }, 201);
        } catch (error) {
          return await show(visit, { values, error: refusalOf(error, { object: "Account" }) }, null, 422);
        }
      },
    },
    {
      method: "POST",
      path: "/dashboard/keys/:id/revocation",
      permission: "keys.write",
      answer: async ({ params, request, csrf, notFound }) => {
        const row = await dependencies.keys.revoke(params["id"] ?? "");
        if (row === null) return notFound();
        return wantsPart(request)
          ? htmlResponse(keyRow(await keyLine(database, row, now()), csrf))
          : redirect("/dashboard/keys");
      },
    },
  ];
}

async function keyLine(database: DashboardDatabase, row: KeyRow, nowMs: number): Promise<KeyLine> {
  const { accountId, limits: written, ...rest } = row;
  const owner = { kind: "key", id: row.id } as const;
  const said = database.content.setting(owner);
  const content = said === "forbid" ? "off" : said;
  const key = { ...rest, content, limits: limitsOn(owner, written).map(limitText) };
  const accountName =
    accountId === defaultAccount ? null : await nameOfScope(database, { kind: "account", id: accountId });
  return { ...key, accountName, state: keyState(row, nowMs) };
}

export function keyState({ revokedMs, disabledMs, expiresMs }: KeyRow, nowMs: number): KeyState {
  if (revokedMs !== null) return "revoked";
  if (disabledMs !== null) return "disabled";
  return expiresMs !== null && expiresMs <= nowMs ? "expired" : "active";
}
