import { GatewayError } from "../chat/error.ts";
import type { KeyFormModel } from "../../views/key-form.ts";
import { keyRow, keysPage, type KeyLine, type KeyListModel } from "../../views/keys.ts";
import type { KeyRow } from "../storage/database.ts";
import { guard, type Visit } from "./guard.ts";
import { emptyForm, parseKeyForm, typed } from "./key-input.ts";
import { errorPage, htmlResponse, redirect, wantsPart } from "./page.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";
import type { Sessions } from "./session.ts";

export function keyRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { database, now, version } = dependencies;

  const show = async (
    visit: Visit,
    form: KeyFormModel,
    created: KeyListModel["created"],
    status = 200,
  ): Promise<Response> => {
    const { data, next } = await database.keys.list({ after: visit.query.get("after") || null, limit: 50 });
    const main = keysPage({ keys: data.map((row) => keyLine(row, now())), next, csrf: visit.csrf, form, created });
    return wantsPart(visit.request) ? htmlResponse(main, { status }) : visit.page("Keys", "keys", main, { status });
  };

  return [
    {
      method: "GET",
      path: "/dashboard/keys",
      access: "session",
      handle: guard(dependencies, sessions, (visit) => show(visit, emptyForm, null)),
    },
    {
      method: "POST",
      path: "/dashboard/keys",
      access: "session",
      handle: guard(dependencies, sessions, async (visit) => {
        const values = typed(visit.form);
        try {
          const { row, secret } = await dependencies.createKey(parseKeyForm(values, now()));
          return await show(visit, emptyForm, { name: row.name, secret }, 201);
        } catch (error) {
          if (!(error instanceof GatewayError) || error.status >= 500) throw error;
          return await show(visit, { values, error: error.message }, null, 422);
        }
      }),
    },
    {
      method: "POST",
      path: "/dashboard/keys/:id/revocation",
      access: "session",
      handle: guard(dependencies, sessions, async ({ params, request, csrf }) => {
        const row = await dependencies.revokeKey(params["id"] ?? "");
        if (row === null) return errorPage(request, 404, version);
        return wantsPart(request) ? htmlResponse(keyRow(keyLine(row, now()), csrf)) : redirect("/dashboard/keys");
      }),
    },
  ];
}

function keyLine(row: KeyRow, nowMs: number): KeyLine {
  if (row.revokedMs !== null) return { ...row, state: "revoked" };
  return { ...row, state: row.expiresMs !== null && row.expiresMs <= nowMs ? "expired" : "active" };
}
