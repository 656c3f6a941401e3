import { Type as t } from "@sinclair/typebox";
import { GatewayError, missing } from "../chat/error.ts";
import { LimitSchema } from "../config/schema.ts";
import type { LimitService } from "../identity/limits.ts";
import { limitAnswer, LimitChangeSchema } from "./limit-service.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { scopeOf } from "./scope.ts";

const QuerySchema = t.Object(
  {
    after: t.Optional(t.String({ maxLength: 64, description: "`next` of the page before." })),
    limit: t.Optional(t.Integer({ minimum: 1, maximum: 200, description: "Rows a page; default 50." })),
    scopeKind: t.Optional(
      t.String({ minLength: 1, maxLength: 256, description: "Only limits of this kind of scope, with `scopeId`." }),
    ),
    scopeId: t.Optional(t.String({ minLength: 1, maxLength: 256, description: "Only limits of this scope." })),
  },
  { additionalProperties: false },
);

export const limitRoutes = (service: LimitService, now: () => number): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/limits",
    permission: "limits.write",
    summary: "Put limits on a key, account, model, provider, address or on everything, for the next call on.",
    body: LimitSchema,
    status: 201,
    answer: async ({ body }) => limitAnswer(await service.create(body), now()),
  },
  {
    method: "GET",
    path: "/api/limits",
    permission: "limits.read",
    summary:
      "List limits with what is used of them now, newest first, then those of the file and of rate-limit instances.",
    query: QuerySchema,
    async answer({ query }) {
      const { scopeKind, scopeId, ...paging } = checkedQuery(QuerySchema, query);
      if (scopeKind === undefined && scopeId !== undefined)
        throw new GatewayError("invalid-request", "scopeKind: missing", { param: "scopeKind" });
      const scope = scopeKind === undefined ? {} : { scope: scopeOf(scopeKind, scopeId, "scopeId") };
      const { data, next } = await service.list({ ...paging, ...scope });
      return { data: data.map((row) => limitAnswer(row, now())), next };
    },
  },
  {
    method: "GET",
    path: "/api/limits/:id",
    permission: "limits.read",
    summary: "The limits of one entry.",
    answer: async ({ params }) => limitAnswer((await service.get(params.id ?? "")) ?? missing(), now()),
  },
  {
    method: "PATCH",
    path: "/api/limits/:id",
    permission: "limits.write",
    summary: "Change limits, for the next call on; what was counted stays counted. `null` takes one away.",
    body: LimitChangeSchema,
    answer: async ({ params, body }) => limitAnswer((await service.change(params.id ?? "", body)) ?? missing(), now()),
  },
  {
    method: "DELETE",
    path: "/api/limits/:id",
    permission: "limits.write",
    summary: "Remove limits. Those of the file are removed there.",
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await service.remove(id))) missing();
      return { id, removed: true };
    },
  },
];
