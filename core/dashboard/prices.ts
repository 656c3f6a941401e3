import { estimatesPage } from "../../views/estimates.ts";
import { priceFields, priceLabels, type PriceFormModel } from "../../views/price-form.ts";
import { modelsPage } from "../../views/models.ts";
import { pricesPage } from "../../views/prices.ts";
import { unpricedPage } from "../../views/unpriced.ts";
import { effectiveFrom } from "./effective-from.ts";
import { oneOf } from "./one-of.ts";
import { htmlResponse, redirect, wantsPart } from "./page.ts";
import { refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";

/** The models that calls held most for; the API lists all. */
const shownEstimates = 100;

export function priceRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { prices, now } = dependencies;

  const show = (
    visit: Visit,
    form: PriceFormModel,
    search = visit.query.get("search") ?? "",
    status = 200,
  ): Response => {
    const source = oneOf(visit.query.get("source"), sources, "Source");
    const after = visit.query.get("after");
    const { data, next } = prices.list({ search, limit: 50, ...(source && { source }), ...(after && { after }) });
    const filter = { search, source: source ?? "" };
    const main = pricesPage({ prices: data, filter, next, csrf: visit.csrf, form, nowMs: now() });
    return wantsPart(visit.request) ? htmlResponse(main, { status }) : visit.page("Prices", "prices", main, { status });
  };

  return [
    {
      method: "GET",
      path: "/dashboard/prices",
      permission: "prices.read",
      answer: async (visit) => show(visit, emptyForm),
    },
    {
      method: "POST",
      path: "/dashboard/prices",
      permission: "prices.write",
      answer: async (visit) => {
        const values = typed(visit.form);
        try {
          await prices.set(inputOf(values), visit.actor.name);
          return show(visit, emptyForm, values.target.replace(/\*$/, ""), 201);
        } catch (error) {
          return show(visit, { values, error: refusalOfPrice(error) }, "", 422);
        }
      },
    },
    {
      method: "POST",
      path: "/dashboard/prices/:id/removal",
      permission: "prices.write",
      answer: async ({ params }) => {
        await prices.remove(params["id"] ?? "");
        return redirect("/dashboard/prices");
      },
    },
    {
      method: "GET",
      path: "/dashboard/prices/estimates",
      permission: "estimates.read",
      answer: async ({ page }) => {
        const lines = dependencies
          .estimates()
          .toSorted((left, right) => right.heldNano - left.heldNano)
          .slice(0, shownEstimates);
        return page("Estimates", "prices", estimatesPage(lines));
      },
    },
    {
      method: "GET",
      path: "/dashboard/prices/models",
      permission: "prices.read",
      answer: async ({ query, page }) => {
        const [search, after] = [query.get("search") ?? "", query.get("after")];
        const { data, next } = prices.models({ search, limit: 50, ...(after && { after }) });
        return page("Models", "prices", modelsPage({ models: data, search, next }));
      },
    },
    {
      method: "GET",
      path: "/dashboard/prices/unpriced",
      permission: "prices.read",
      answer: async ({ query, page }) => {
        const after = query.get("after");
        const { data, next } = await prices.unpriced({ limit: 50, ...(after && { after }) });
        return page("Without a price", "prices", unpricedPage({ models: data, next }));
      },
    },
  ];
}

const sources = ["database", "config", "bundled"] as const;

type Values = PriceFormModel["values"];

/** What was typed, without the space around it. */
function typed(form: URLSearchParams): Values {
  // Every field is named once.
  return Object.fromEntries(priceFields.map((field) => [field, (form.get(field) ?? "").trim()])) as Values;
}

const emptyForm: PriceFormModel = { values: typed(new URLSearchParams()), error: null };

/** As the API takes it; what the amounts may be is for the service. Throws `invalid-request` with a message for the form. */
function inputOf({ target, from, withdraw, ...fields }: Values): object {
  const amounts: Record<string, number | string> = {};
  const groups: Record<string, Record<string, number | string>> = {};
  for (const [field, text] of Object.entries(fields)) {
    if (text === "") continue;
    const [name = "", item] = field.split(".");
    const held = item === undefined ? amounts : (groups[name] ??= {});
    held[item ?? name] = name === "most" || counts.has(item ?? name) ? countOf(text) : text;
  }
  const { most, long, lacks, ...serviceTiers } = groups;
  return {
    target,
    ...amounts,
    ...(most && { most }),
    ...(long && { contextTiers: [long] }),
    ...(lacks && { lacks: Object.keys(lacks) }),
    ...(Object.keys(serviceTiers).length > 0 && { serviceTiers }),
    ...(from !== "" && { effectiveFrom: effectiveFrom(from) }),
    ...(withdraw !== "" && { withdraw: true }),
  };
}

/** Of a price it may say which field has the most of its unit, too. */
const refusalOfPrice = (error: unknown): string =>
  refusalOf(error, labels).replace(/\bmost\.\w+/, (field) => labels[field] ?? field);

/** By the names of the API. */
const labels: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({ ...priceLabels, withdraw: "Instead of prices" }).map(([field, label]) => {
    const [group = "", item] = field.split(".");
    if (item === undefined || group === "most") return [field, label];
    return [group === "long" ? `contextTiers.0.${item}` : `serviceTiers.${field}`, label];
  }),
);

const counts: ReadonlySet<string> = new Set(["above", "contextWindow", "maxOutputTokens"]);

/** What is no whole number stays as it was typed, for the service to say so. */
const countOf = (text: string): number | string => (/^\d{1,15}$/.test(text) ? Number(text) : text);
