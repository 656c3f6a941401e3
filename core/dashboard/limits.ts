import { segment } from "../../views/html.ts";
import { type LimitFormModel, limitFormFields, limitPage, limitsPage, writtenLimit } from "../../views/limits.ts";
import { GatewayError } from "../chat/error.ts";
import { permits } from "../identity/policy.ts";
import { isOnOwn } from "../identity/reach.ts";
import { limitFields } from "../plugin/plugin.ts";
import { allAccounts } from "./accounts.ts";
import { limitLine, limitLines } from "./limit-lines.ts";
import { changesOf } from "./change.ts";
import { redirect } from "./page.ts";
import { filled, labelOf, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { isTyped, shownFields } from "./typed-fields.ts";

export function limitRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, limits, now } = dependencies;
  const pathOf = (id: string) => `/dashboard/limits/${segment(id)}`;

  async function showAll(visit: Visit, form: Pick<LimitFormModel, "values" | "error">, status = 200) {
    const { data, next } = await limits.list({ after: visit.query.get("after") || null, limit: 50 });
    const keys = (await database.keys.list({ limit: 200 })).data.filter((key) => key.revokedMs === null);
    const { accounts } = await allAccounts(database);
    const names = [
      ...accounts
        .filter(({ id }) => !isOnOwn(visit.actor, { kind: "account", id }))
        .map(({ id, name }) => ({ id, name: `account ${name}` })),
      ...keys.map(({ id, name }) => ({ id, name: `key ${name}` })),
    ];
    const ofKeys = await Promise.all(
      keys
        .filter((key) => Object.keys(key.limits).length > 0)
        .map(async (key) => {
          const scope = { kind: "key", id: key.id } as const;
          const use = await limits.use(scope, key.limits);
          const own = { id: key.id, source: "key", scope, limits: key.limits, enforce: true, use } as const;
          return limitLine(own, key.name, now());
        }),
    );
    const main = limitsPage({
      limits: await limitLines(database, data, now()),
      ofKeys,
      met: limits.met(),
      next,
      form: { ...form, names, ofAccount: visit.actor.accountId !== null, csrf: visit.csrf },
    });
    return visit.page("Limits", "limits", main, { status });
  }

  async function showOne(visit: Visit, error: string | null, status = 200): Promise<Response> {
    const limit = await limits.get(visit.params["id"] ?? "");
    if (limit?.source !== "api") return visit.notFound();
    const [line] = await limitLines(database, [limit], now());
    if (line === undefined) return visit.notFound();
    const mayChange = permits(visit.actor, "limits.write") && !isOnOwn(visit.actor, limit.scope);
    const refused = error === null ? null : visit.form;
    const shown = shownFields(writtenLimit(line), refused);
    const more = filled(refused ?? new URLSearchParams(), ["amount", "measure", "per"]);
    const main = limitPage({ limit: line, shown, more, error, csrf: mayChange ? visit.csrf : null });
    return visit.page("Limit", "limits", main, {
      status,
      history: { kind: "limit", id: line.id },
    });
  }

  const changing = changesOf({
    pathOf: (visit) => pathOf(visit.params["id"] ?? ""),
    again: (visit, error) => showOne(visit, error, 422),
  });

  return [
    {
      method: "GET",
      path: "/dashboard/limits",
      permission: "limits.read",
      answer: (visit) =>
        // A link may say what the new limit is on.
        showAll(visit, { values: filled(visit.query, ["kind", "id"]), error: null }),
    },
    {
      method: "POST",
      path: "/dashboard/limits",
      permission: "limits.write",
      answer: async (visit) => {
        const values = filled(visit.form, limitFormFields);
        const { kind, id, enforce } = values;
        try {
          const scope = { kind, ...(id !== undefined && { id }) };
          const made = await limits.create({ scope, enforce: enforce !== "no", ...amountIn(visit.form) });
          return redirect(pathOf(made.id));
        } catch (error) {
          return await showAll(visit, { values, error: refusalOf(error, amountLabels) }, 422);
        }
      },
    },
    {
      method: "GET",
      path: "/dashboard/limits/:id",
      permission: "limits.read",
      answer: (visit) => showOne(visit, null),
    },
    {
      method: "POST",
      path: "/dashboard/limits/:id",
      permission: "limits.write",
      answer: changing(({ form }, id) => {
        const named = limitFields.flatMap(({ name, measure }) => {
          const text = form.get(name)?.trim();
          if (text === undefined || !isTyped(form, name)) return [];
          return [[name, text === "" ? null : measure === "spend" ? text : whole(text, labelOf(name))] as const];
        });
        const more = form.get("amount")?.trim() ? amountIn(form) : {};
        const enforce = form.get("enforce");
        const change = {
          ...Object.fromEntries(named),
          ...more,
          ...(enforce !== null && isTyped(form, "enforce") && { enforce: enforce !== "no" }),
        };
        return Object.keys(change).length > 0 ? limits.change(id, change) : limits.get(id);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/limits/:id/removal",
      permission: "limits.write",
      answer: changing((_, id) => limits.remove(id), "/dashboard/limits"),
    },
  ];
}

/** Whichever it is, it is typed into one field. */
const amountLabels = Object.fromEntries(limitFields.map(({ name }) => [name, "At most"]));

/** `amount`, `measure` and `per` as the one limit that they say. */
function amountIn(form: URLSearchParams): Readonly<Record<string, number | string>> {
  const { amount = "", measure, per = "minute" } = filled(form, ["amount", "measure", "per"]);
  const field = limitFields.find((one) => one.measure === measure && (one.per ?? per) === per);
  if (!field) throw new GatewayError("invalid-request", "This limit is not known.");
  return { [field.name]: measure === "spend" ? amount : whole(amount, "At most") };
}

function whole(text: string, label: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (value < 1)
    throw new GatewayError("invalid-request", `${label}: a whole number from 1; only USD may be a decimal.`);
  return value;
}
