import { callPage } from "../../views/call.ts";
import { callContent, type CallContentModel, callContentPage } from "../../views/call-content.ts";
import { callList, callsPage, type CallChoices, type CallListFilter } from "../../views/calls.ts";
import { segment, url } from "../../views/html.ts";
import { permits } from "../identity/policy.ts";
import { reaches } from "../identity/reach.ts";
import { readingOf } from "../storage/content.ts";
import type { CallFilter, CallStatus } from "../storage/database.ts";
import { dayMs, startOfDay } from "../storage/range-parts.ts";
import { callLines, keyNames, nameOfScope } from "./names.ts";
import { oneOf } from "./one-of.ts";
import { htmlResponse, redirect, wantsPart } from "./page.ts";
import type { DashboardDatabase, PageDependencies, PageRoute, Visit } from "./route.ts";

export function callRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, content, explain, now } = dependencies;

  /** `null`: nothing is kept, or not for this actor. */
  async function contentFor(
    { actor, csrf }: Visit,
    callId: string,
  ): Promise<(CallContentModel & { readonly accountId: string }) | null> {
    if (!permits(actor, "content.read")) return null;
    const kept = await content.read(callId);
    if (kept === null || !(await reaches(actor, kept.accountId, database.accounts))) return null;
    return { ...kept, csrf: permits(actor, "content.write") ? csrf : null };
  }

  return [
    {
      method: "GET",
      path: "/dashboard/calls",
      permission: "calls.read",
      answer: async ({ query, request, page }) => {
        const shown = filterOf(query);
        const after = query.get("after") || null;
        const { data, next } = await database.calls.list(toCallFilter(shown), { after, limit: 50 });
        const list = { calls: await callLines(database, data), filter: shown, first: after === null, next };
        if (wantsPart(request)) return htmlResponse(callList(list));
        return page("Calls", "calls", callsPage(list, await choices(database, shown, now())));
      },
    },
    {
      method: "GET",
      path: "/dashboard/calls/:id",
      permission: "calls.read",
      answer: async (visit) => {
        const { params, page } = visit;
        const call = await database.calls.get(params["id"] ?? "");
        if (call === null) return visit.notFound();
        const names = await keyNames(database, [call.keyId]);
        const {
          warnings = [],
          lines = [],
          error = null,
          shadowOf = null,
          anomalous = false,
          ...rated
        } = call.notes ?? {};
        const { terms = null, serviceTier = null } = rated;
        const keyName = call.keyId === null ? null : (names.get(call.keyId) ?? call.keyId);
        return page(
          "Call",
          "calls",
          callPage({
            ...call,
            keyName,
            line: await database.accounts.lineage(call.accountId, call.createdMs),
            warnings,
            lines,
            error,
            shadowOf,
            anomalous,
            terms,
            serviceTier,
            why: await explain.recorded(call.callId),
            hasContent: (await contentFor(visit, call.callId)) !== null,
          }),
        );
      },
    },
    {
      method: "GET",
      path: "/dashboard/calls/:id/content",
      permission: "content.read",
      answer: async (visit) => {
        const kept = await contentFor(visit, visit.params["id"] ?? "");
        if (kept === null) return visit.notFound();
        // To be shown: whoever reads it is told of before.
        await database.audit.add(readingOf(kept));
        if (wantsPart(visit.request)) return htmlResponse(callContent(kept));
        return visit.page("Prompt and answer", "calls", callContentPage(kept));
      },
    },
    {
      method: "POST",
      path: "/dashboard/calls/:id/content-removal",
      permission: "content.write",
      answer: async (visit) => {
        const callId = visit.params["id"] ?? "";
        if ((await contentFor(visit, callId)) === null) return visit.notFound();
        await content.remove({ callId });
        return redirect(url(`/dashboard/calls/${segment(callId)}`));
      },
    },
  ];
}

const callStatuses: readonly CallStatus[] = [
  "open",
  "ok",
  "client_aborted",
  "upstream_error",
  "refused",
  "interrupted",
  "shutdown",
];

function filterOf(query: URLSearchParams): CallListFilter {
  const field = (name: string): string => (query.get(name) ?? "").trim();
  return {
    model: field("model"),
    provider: field("provider"),
    status: field("status"),
    key: field("key"),
    account: field("account"),
  };
}

function toCallFilter({ model, provider, status, key, account }: CallListFilter): CallFilter {
  const known = oneOf(status, callStatuses, "Status");
  return {
    ...(model && { model }),
    ...(provider && { provider }),
    ...(key && { key }),
    ...(account && { account }),
    ...(known && { status: known }),
  };
}

/** What was used in the last week, and the newest keys; the form takes any other model or provider by typing. */
async function choices(database: DashboardDatabase, shown: CallListFilter, nowMs: number): Promise<CallChoices> {
  const [used, keys] = await Promise.all([
    // From the start of a day, which whole days of the rollups answer.
    database.calls.usage({
      from: startOfDay(nowMs) - 7 * dayMs,
      to: nowMs + 1,
      groupBy: ["provider", "model"],
    }),
    database.keys.list({ limit: 200 }),
  ]);
  const options = new Map(keys.data.map((key) => [key.id, `${key.name} (…${key.last4})`]));
  if (shown.key !== "" && !options.has(shown.key))
    options.set(shown.key, await nameOfScope(database, { kind: "key", id: shown.key }));
  const values = (field: "model" | "provider"): readonly string[] =>
    [...new Set(used.data.map((group) => group.group[field]))]
      .filter((value) => typeof value === "string" && value.length <= 200)
      .map(String)
      .slice(0, 100);
  return {
    keys: [...options].map(([id, label]) => ({ id, label })),
    models: values("model"),
    providers: values("provider"),
  };
}
