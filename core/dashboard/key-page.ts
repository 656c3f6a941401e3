import { segment } from "../../views/html.ts";
import { type KeyModel, keyPage } from "../../views/key.ts";
import { operations } from "../dialects/dialect.ts";
import type { KeyRow } from "../storage/key.ts";
import { dayMs, startOfDay } from "../storage/range-parts.ts";
import { budgetLines } from "./budget-lines.ts";
import { keyState } from "./keys.ts";
import { parseContent } from "./key-input.ts";
import { parseLastDay, writtenLastDay } from "./last-day.ts";
import { limitLine, limitLines } from "./limit-lines.ts";
import { changesOf } from "./change.ts";
import { labelOf, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { isTyped, marksOf, shownFields } from "./typed-fields.ts";
import { parseMetadata, wordsOf, writtenMetadata, writtenWords } from "./written-text.ts";

/** The page of one key, and what is changed there. */
export function keyPageRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, keys, now } = dependencies;
  const idOf = ({ params }: Visit) => params["id"] ?? "";
  const pathOf = (id: string) => `/dashboard/keys/${segment(id)}`;

  interface Shown {
    readonly error?: string;
    readonly secret?: string;
    readonly status?: number;
  }
  async function show(visit: Visit, { error, secret, status = 200 }: Shown = {}): Promise<Response> {
    const row = await database.keys.get(idOf(visit));
    if (row === null) return visit.notFound();
    const scope = { kind: "key", id: row.id } as const;
    const from = startOfDay(now()) - 29 * dayMs;
    const [account, usage, budgets, limits, olderSecrets] = await Promise.all([
      database.accounts.find(row.accountId),
      database.calls.usage({ from, to: now() + 1, groupBy: [], key: row.id }),
      database.budgets.list({ scope, limit: 50 }),
      dependencies.limits.list({ scope, limit: 50 }),
      database.keys.olderSecrets(row.id, now()),
    ]);
    const own =
      Object.keys(row.limits).length === 0
        ? []
        : [
            {
              id: row.id,
              source: "key",
              scope,
              limits: row.limits,
              enforce: true,
              use: await dependencies.limits.use(scope, row.limits),
            } as const,
          ];
    // The other forms of this page come back without these fields.
    const typed = error !== undefined && visit.form.has("name") ? visit.form : null;
    const shown = shownFields(writtenTerms(row, database.content.setting(scope) ?? ""), typed);
    const allowed = row.operations === "all" ? [] : operations.filter((name) => row.operations.includes(name));
    const chosen: readonly string[] = typed?.getAll("operations") ?? allowed;
    const model: KeyModel = {
      key: { ...row, state: keyState(row, now()) },
      account: { id: row.accountId, name: account?.name ?? row.accountId },
      total: usage.total,
      olderSecrets,
      budgets: await budgetLines(database, budgets.data),
      limits: [
        ...own.map((limit) => limitLine(limit, row.name, now())),
        ...(await limitLines(database, limits.data, now())),
      ],
      values: shown.values,
      operations: operations.map((name) => ({ name, chosen: chosen.includes(name) })),
      marks: { ...shown.marks, ...marksOf({ operations: allowed.join(",") }, typed) },
      secret: secret ?? null,
      error: error ?? null,
      csrf: visit.csrf,
    };
    return visit.page(row.name, "keys", keyPage(model), { status, history: { kind: "key", id: row.id } });
  }

  const changing = changesOf({
    pathOf: (visit) => pathOf(visit.params["id"] ?? ""),
    again: (visit, error) => show(visit, { error, status: 422 }),
  });

  return [
    { method: "GET", path: "/dashboard/keys/:id", permission: "keys.read", answer: (visit) => show(visit) },
    {
      method: "POST",
      path: "/dashboard/keys/:id",
      permission: "keys.write",
      answer: changing(async (visit, id) => {
        const change = parseTerms(visit.form, now());
        return Object.keys(change).length > 0 ? keys.change(id, change) : database.keys.get(id);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/keys/:id/state",
      permission: "keys.write",
      answer: changing((visit, id) => keys.change(id, { disabled: visit.form.get("disabled") === "true" })),
    },
    {
      method: "POST",
      path: "/dashboard/keys/:id/rotation",
      permission: "keys.write",
      answer: async (visit) => {
        try {
          const rotated = await keys.rotate(idOf(visit), { graceSeconds: Number(visit.form.get("graceSeconds") ?? 0) });
          // Not a redirect: the secret is on this answer alone.
          return rotated ? await show(visit, { secret: rotated.secret, status: 201 }) : visit.notFound();
        } catch (error) {
          return await show(visit, { error: refusalOf(error), status: 422 });
        }
      },
    },
  ];
}

/** What the form shows of a key. */
const writtenTerms = (row: KeyRow, content: string): KeyModel["values"] => ({
  name: row.name,
  models: row.models === "all" ? "" : writtenWords(row.models),
  routes: row.routes === "all" ? "" : writtenWords(row.routes),
  cidrs: writtenWords(row.cidrs),
  metadata: writtenMetadata(row.metadata),
  expires: row.expiresMs === null ? "" : writtenLastDay(row.expiresMs),
  content,
});

/** What was typed, as the API takes it. Throws `invalid-request` with a message for the form. */
function parseTerms(form: URLSearchParams, nowMs: number): object {
  const text = (field: string) => (form.get(field) ?? "").trim();
  const list = (field: string) => {
    const words = wordsOf(text(field), labelOf(field));
    return words.length > 0 ? words : null;
  };
  const chosen = form.getAll("operations");
  return {
    ...(isTyped(form, "name") && { name: text("name") }),
    ...(isTyped(form, "models") && { models: list("models") }),
    ...(isTyped(form, "routes") && { routes: list("routes") }),
    ...(isTyped(form, "cidrs") && { cidrs: list("cidrs") ?? [] }),
    ...(isTyped(form, "metadata") && { metadata: parseMetadata(text("metadata")) }),
    ...(isTyped(form, "operations") && { operations: chosen.length > 0 ? chosen : null }),
    ...(isTyped(form, "expires") && {
      expiresAt: text("expires") === "" ? null : parseLastDay(text("expires"), nowMs, "Valid through"),
    }),
    ...(isTyped(form, "content") && { content: text("content") === "" ? null : parseContent(text("content")) }),
  };
}
