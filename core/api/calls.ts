import { missing } from "../chat/error.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { CallFilter, CallRow, GroupField, UsageSum } from "../storage/database.ts";
import { nanoInJson } from "../storage/nano.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { CallsQuerySchema, UsageQuerySchema } from "./schemas.ts";

export const callRoutes = (database: TenantDatabase, now: () => number): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/calls",
    permission: "calls.read",
    summary: "List calls, those in flight before all others, then the latest ended first.",
    query: CallsQuerySchema,
    async answer({ query }) {
      const { after, limit, ...filter } = checkedQuery(CallsQuerySchema, query);
      const paging = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
      // The schema's list of statuses is that of CallStatus, which its union of literals widens to string.
      const page = await database.calls.list(filter as CallFilter, paging);
      return { data: page.data.map(callAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/calls/:id",
    permission: "calls.read",
    summary: "One call with its attempts, price lines and warnings. The id is the `x-request-id` of its answer.",
    async answer({ params }) {
      // Why it went so, in the words of `explain`, is told there.
      const { why: _, ...row } = (await database.calls.get(params.id ?? "")) ?? missing();
      return callAnswer(row);
    },
  },
  {
    method: "GET",
    path: "/api/usage",
    permission: "usage.read",
    summary: "Sums over the calls admitted in [from, to).",
    query: UsageQuerySchema,
    async answer({ query }) {
      const { from = 0, to = now() + 1, groupBy, under } = checkedQuery(UsageQuerySchema, query);
      // The schema's pattern admits these names only.
      const fields = (groupBy === undefined ? [] : groupBy.split(",")) as GroupField[];
      const { data, total } = await database.calls.usage({
        from,
        to,
        groupBy: [...new Set(fields)],
        ...(under !== undefined && { under }),
      });
      return { data: data.map(({ group, ...sums }) => ({ ...group, ...sumsAnswer(sums) })), total: sumsAnswer(total) };
    },
  },
];

export const sumsAnswer = <Sums extends UsageSum>({ costNano, chargeNano, ...counts }: Sums) => ({
  ...counts,
  costNano: nanoInJson(costNano),
  chargeNano: nanoInJson(chargeNano),
});

export const callAnswer = <Row extends CallRow>(row: Row) => ({ id: row.callId, ...row });
