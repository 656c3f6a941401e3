import { GatewayError } from "../chat/error.ts";
import type { BookEntryRow, ListedPrice, TermsRow, UnpricedModel } from "../storage/book.ts";
import type { Repriced, RepriceOrder } from "../pipeline/reprice.ts";
import {
  ModelsQuerySchema,
  NewPriceSchema,
  NewTermsSchema,
  PricesQuerySchema,
  RepriceSchema,
  PagedQuerySchema,
} from "./price-schemas.ts";
import type { PriceService } from "./price-service.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";

/** As `reprice` of the pipeline; `to` absent: up to now. */
export type RepriceCalls = (order: Omit<RepriceOrder, "to"> & { readonly to?: number }) => Promise<Repriced>;

export const priceRoutes = (service: PriceService, repriced: RepriceCalls): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/ledger/reprice",
    permission: "ledger.write",
    summary:
      "Rate calls again by the prices that the book has now for the time they ended, and write what differs as adjustments. Calls that cannot be rated stay as they are: `failed` of them, the first 20 in `failures`. `next` not null: time was up, send it as `after`.",
    body: RepriceSchema,
    async answer({ actor, body }) {
      const { reason = "reprice", author = actor.name, pid = process.pid, ...order } = checked(RepriceSchema, body);
      if (pid !== process.pid)
        throw new GatewayError("conflict", `the process that is meant (${pid}) is not the one that serves here`, {
          param: "pid",
        });
      return repriced({ ...order, dryRun: order.dryRun === true, reason, author });
    },
  },
  {
    method: "GET",
    path: "/api/prices",
    permission: "prices.read",
    summary:
      "List and search prices: those set through the API first, the latest before all, then the file's, then the bundled ones by name.",
    query: PricesQuerySchema,
    async answer({ query }) {
      const page = service.list(checkedQuery(PricesQuerySchema, query));
      return { data: page.data.map(priceAnswer), next: page.next };
    },
  },
  {
    method: "POST",
    path: "/api/prices",
    permission: "prices.write",
    summary: "Set the price of a target from now or a later time on. Calls that have ended keep theirs.",
    body: NewPriceSchema,
    status: 201,
    answer: async ({ actor, body }) => entryAnswer(await service.set(body, actor.name)),
  },
  {
    method: "DELETE",
    path: "/api/prices/:id",
    permission: "prices.write",
    summary: "Take back a price, or terms, that is not in effect yet.",
    async answer({ params }) {
      const id = params.id ?? "";
      await service.remove(id);
      return { id, removed: true };
    },
  },
  {
    method: "GET",
    path: "/api/prices/unpriced",
    permission: "prices.read",
    summary: "Models without a price that were asked for, with how often, and those that the file or a provider names.",
    query: PagedQuerySchema,
    async answer({ query }) {
      const page = await service.unpriced(checkedQuery(PagedQuerySchema, query));
      return { data: page.data.map(unpricedAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/models",
    permission: "prices.read",
    summary:
      "List what can be called by name: aliases with their targets and strategy, then the models that the file, a provider or the price book names, with their context window, the most output, and the prices in force.",
    query: ModelsQuerySchema,
    async answer({ query }) {
      const { data, next } = service.models(checkedQuery(ModelsQuerySchema, query));
      return { data, next };
    },
  },
  {
    method: "GET",
    path: "/api/prices/charges",
    permission: "prices.read",
    summary:
      "List what accounts are charged beside or below the cost, as set through the API or the dashboard, those of the latest time first. `state`: `later`, `current`, or `past` where another for the same account and target took its place.",
    query: PagedQuerySchema,
    async answer({ query }) {
      const { data, next } = service.terms(checkedQuery(PagedQuerySchema, query));
      return { data: data.map(({ state, ...row }) => ({ ...termsAnswer(row), state })), next };
    },
  },
  {
    method: "POST",
    path: "/api/prices/charges",
    permission: "prices.write",
    summary: "Set margin, discount and fee for an account, a target or everything, from now or a later time on.",
    body: NewTermsSchema,
    status: 201,
    answer: async ({ actor, body }) => termsAnswer(await service.setTerms(body, actor.name)),
  },
];

const entryAnswer = ({ id, target, effectiveMs, prices, author: by, createdMs }: BookEntryRow & { kind: "price" }) => ({
  id,
  target,
  source: "database",
  version: `database:${id}`,
  effectiveFrom: effectiveMs,
  ...(prices ?? { withdrawn: true }),
  author: by,
  createdAt: createdMs,
});

const priceAnswer = ({ effectiveMs, prices, createdMs, ...row }: ListedPrice) => ({
  ...row,
  effectiveFrom: effectiveMs,
  ...(prices ?? { withdrawn: true }),
  createdAt: createdMs,
});

const termsAnswer = ({ id, account, target, effectiveMs, terms, author: by, createdMs }: TermsRow) => ({
  id,
  account,
  target,
  version: `database:${id}`,
  effectiveFrom: effectiveMs,
  ...(terms ?? { withdrawn: true }),
  author: by,
  createdAt: createdMs,
});

const unpricedAnswer = ({ provider, model, asked, lastMs, listed }: UnpricedModel) => ({
  target: `${provider}/${model}`,
  provider,
  model,
  asked,
  lastAskedAt: lastMs,
  listed,
});
