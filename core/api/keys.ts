import { missing } from "../chat/error.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { Database } from "../storage/database.ts";
import type { KeyRow, OlderSecret } from "../storage/key.ts";
import { budgetAnswer } from "./budgets.ts";
import { KeyChangeSchema, NewKeySchema, RotationSchema } from "./key-schemas.ts";
import type { KeyService } from "./key-service.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";
import { PageQuerySchema } from "./schemas.ts";

export const keyRoutes = (service: KeyService, database: TenantDatabase, now: () => number): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/keys",
    permission: "keys.write",
    summary:
      "Create a key. The answer is the only one that holds the key itself; `null` for one that was made elsewhere.",
    body: NewKeySchema,
    status: 201,
    async answer({ body }) {
      const input = checked(NewKeySchema, body);
      const { row, secret } =
        input.sha256 === undefined
          ? await service.create(input)
          : { row: await service.adopt(input, input.sha256), secret: null };
      const budgets = await database.budgets.list({ scope: { kind: "key", id: row.id } });
      return { ...keyAnswer(row, database), budget: budgets.data.map(budgetAnswer)[0] ?? null, key: secret };
    },
  },
  {
    method: "GET",
    path: "/api/keys",
    permission: "keys.read",
    summary: "List keys, newest first.",
    query: PageQuerySchema,
    async answer({ query }) {
      const page = await database.keys.list(checkedQuery(PageQuerySchema, query));
      return { data: page.data.map((row) => keyAnswer(row, database)), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/keys/:id",
    permission: "keys.read",
    summary: "One key.",
    async answer({ params }) {
      const row = (await database.keys.get(params.id ?? "")) ?? missing();
      return {
        ...keyAnswer(row, database),
        olderSecrets: (await database.keys.olderSecrets(row.id, now())).map(secretAnswer),
      };
    },
  },
  {
    method: "PATCH",
    path: "/api/keys/:id",
    permission: "keys.write",
    summary: "Change a key. What is not named stays; the next call goes by it.",
    body: KeyChangeSchema,
    answer: async ({ params, body }) => keyAnswer((await service.change(params.id ?? "", body)) ?? missing(), database),
  },
  {
    method: "POST",
    path: "/api/keys/:id/rotation",
    permission: "keys.write",
    summary: "Give a key a new secret, which only this answer holds. The one until now may work on for a while.",
    body: RotationSchema,
    status: 201,
    async answer({ params, body }) {
      const { row, secret } = (await service.rotate(params.id ?? "", body)) ?? missing();
      return {
        ...keyAnswer(row, database),
        olderSecrets: (await database.keys.olderSecrets(row.id, now())).map(secretAnswer),
        key: secret,
      };
    },
  },
  {
    method: "DELETE",
    path: "/api/keys/:id",
    permission: "keys.write",
    summary: "Revoke a key. Its calls and its budget's history stay.",
    answer: async ({ params }) => keyAnswer((await service.revoke(params.id ?? "")) ?? missing(), database),
  },
];

const keyAnswer = (
  { models, operations, routes, expiresMs, disabledMs, revokedMs, createdMs, lastUsedMs, ...row }: KeyRow,
  { content }: Pick<Database, "content">,
) => ({
  ...row,
  content: content.setting({ kind: "key", id: row.id }),
  models: listOrNull(models),
  operations: listOrNull(operations),
  routes: listOrNull(routes),
  expiresAt: expiresMs,
  disabledAt: disabledMs,
  revokedAt: revokedMs,
  createdAt: createdMs,
  lastUsedAt: lastUsedMs,
});

export const listOrNull = <T>(list: readonly T[] | "all"): readonly T[] | null => (list === "all" ? null : list);

export const secretAnswer = ({ untilMs, ...secret }: OlderSecret) => ({ ...secret, until: untilMs });
