import { type AuditChange, auditEntryPage, auditFilters, type AuditLine, auditPage } from "../../views/audit.ts";
import { isJsonObject } from "../chat/json.ts";
import type { AuditFilter, AuditRow } from "../storage/audit.ts";
import { dayMs } from "../storage/range-parts.ts";
import { parseDay } from "./last-day.ts";
import { filled } from "./refusal.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

export const auditRoutes = ({ database }: PageDependencies): readonly PageRoute[] => [
  {
    method: "GET",
    path: "/dashboard/audit",
    permission: "audit.read",
    async answer({ query, page }) {
      const { from, to, ...filter } = filled(query, auditFilters);
      const asked: AuditFilter = {
        ...filter,
        ...(from !== undefined && { from: parseDay(from, "From") }),
        // The day that was typed is a part of it.
        ...(to !== undefined && { to: parseDay(to, "Through") + dayMs }),
      };
      const after = query.get("after") || null;
      const { data, next } = await database.audit.list(asked, { after, limit: 50 });
      const { actor = "", action = "", objectKind = "", objectId = "" } = filter;
      const shown = { actor, action, objectKind, objectId, from: from ?? "", to: to ?? "" };
      return page(
        "Audit",
        "audit",
        auditPage({ entries: data.map(lineOf), next, first: after === null, filter: shown }),
      );
    },
  },
  {
    method: "GET",
    path: "/dashboard/audit/:seq",
    permission: "audit.read",
    async answer({ params, page, notFound }) {
      const text = params["seq"] ?? "";
      const row = /^\d{1,15}$/.test(text) ? await database.audit.get(Number(text)) : null;
      return row ? page(`Audit ${row.seq}`, "audit", auditEntryPage(lineOf(row))) : notFound();
    },
  },
];

const lineOf = ({ before, after, ...row }: AuditRow): AuditLine => ({ ...row, changes: changesIn(before, after) });

function changesIn(before: string | null, after: string | null): AuditChange[] {
  const [old, present] = [fieldsIn(before), fieldsIn(after)];
  const fields = new Set([...Object.keys(old), ...Object.keys(present)]);
  return [...fields].map((field) => ({ field, before: old[field], after: present[field] }));
}

function fieldsIn(text: string | null) {
  const value: unknown = text === null ? {} : JSON.parse(text);
  return isJsonObject(value) ? value : {};
}
