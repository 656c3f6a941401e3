import { GatewayError, missing } from "../chat/error.ts";
import { noUsage } from "../chat/usage.ts";
import { pricesOf } from "../config/normalise.ts";
import type { Models } from "../pipeline/models.ts";
import type { Biller, BookEntry, ChargeTerms, Logger, PriceListing, Provider, Target } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { BookEntryRow, ListedPrice, ModelLine, StandingTerms, TermsRow, UnpricedModel } from "../storage/book.ts";
import type { Database, Page } from "../storage/database.ts";
import { newestFirst, pageOfRows, pageOfSorted } from "./keyset.ts";
import { modelLines, type ModelsQuery } from "./model-lines.ts";
import { NewPriceSchema, NewTermsSchema } from "./price-schemas.ts";
import { checked, notEnforced } from "./route.ts";
import { priceFault } from "../plugin/price-fault.ts";
import { decimalText } from "./price-input.ts";

export interface PriceServiceDependencies {
  readonly database: Pick<Database, "book"> & { readonly accounts: Pick<Database["accounts"], "find"> };
  readonly billing: Instance<Biller> | null;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly models: Pick<Models, "targets" | "aliases">;
  readonly logger: Pick<Logger, "error">;
  readonly now: () => number;
  readonly newId: () => string;
}

interface Paging {
  readonly after?: string;
  readonly limit?: number;
}
export interface PricesQuery extends Paging {
  /** Part of a target's or model's name, in any case. */
  readonly search?: string;
  /** Only rows that mean this `instance/model`. */
  readonly target?: string;
  readonly source?: PriceListing["source"];
}

/** What prices go through, whoever asks: the API, the dashboard. */
export interface PriceService {
  list(query: PricesQuery): Page<ListedPrice>;
  /** From now or a later time on, never earlier. Throws `invalid-request` and `conflict`. */
  set(input: unknown, author: string): Promise<BookEntryRow & { readonly kind: "price" }>;
  /** Terms that are set, with those that are past: the latest time before all. */
  terms(query: Paging): Page<StandingTerms>;
  /** As `set`. Throws `not-found` for an account that does not exist. */
  setTerms(input: unknown, author: string): Promise<TermsRow>;
  /** Takes back a price, or terms, that is not in effect yet. Throws `not-found` and `conflict`. */
  remove(id: string): Promise<void>;
  /** Models that were asked for, or are named, and have no price now: those asked for first, the latest before all. */
  unpriced(query: Paging): Promise<Page<UnpricedModel>>;
  /** Aliases and models with what is known of them, and their prices in force. */
  models(query: ModelsQuery): Page<ModelLine>;
}

export function priceService(dependencies: PriceServiceDependencies): PriceService {
  const { database, billing, providers, models, logger, now, newId } = dependencies;
  const { book } = database;
  const instances = [...providers].map(([provider, { vendor = provider }]) => ({ provider, vendor }));
  const slot = billing?.slot ?? null;
  const adopting = slot?.adopt?.bind(slot);

  /** What the biller refuses must never be stored: it is shown to it first, for a time that never comes. */
  async function add<Entry extends BookEntryRow>(entry: Parameters<typeof book.add>[0]): Promise<Entry> {
    if (!adopting) throw notEnforced("price", "billing");
    try {
      adopting([...book.entries(), { ...entry, effectiveMs: Number.MAX_SAFE_INTEGER }]);
      // The repository gives back the kind that it got.
      return (await book.add(entry)) as Entry;
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError("invalid-request", error instanceof Error ? error.message : "not usable");
    } finally {
      adopting(book.entries());
    }
  }

  /** A biller that fails gives no price either: its calls are refused, and the log says why. */
  function isPriced(target: Target): boolean {
    try {
      slot?.rate(noUsage, target, now());
      return slot !== null;
    } catch {
      return false;
    }
  }

  /** What the biller lists, ready to be searched; made anew when that changes. */
  let searched: { readonly of: readonly PriceListing[]; readonly rows: readonly Searched[] } | null = null;
  function billerRows(): readonly Searched[] {
    try {
      const of = slot?.prices?.(instances) ?? none;
      if (searched?.of !== of)
        searched = { of, rows: inOrder(of.map((row, at) => searchedOf({ ...row, ...unsigned }, at))) };
      return searched.rows;
    } catch (error) {
      // What was set through the API is listed all the same.
      logger.error({ plugin: `billing/${billing?.name}`, error }, "the prices of a biller cannot be listed");
      return [];
    }
  }

  const ownRows = () =>
    book.entries().flatMap((entry) => (entry.kind === "price" ? [searchedOf(listed(entry), 0)] : []));

  return {
    list({ search = "", target, source, after, limit }) {
      const wanted = search.toLowerCase();
      const found = [...inOrder(ownRows()), ...billerRows()].filter(
        ({ row, names }) =>
          (source === undefined || row.source === source) &&
          (target === undefined || means(row.target, target)) &&
          (wanted === "" || names.includes(wanted)),
      );
      const page = pageOfSorted(found, ({ key }) => key, { after, limit });
      return { data: page.data.map(({ row }) => row), next: page.next };
    },

    async set(input, author) {
      const { target, effectiveFrom, withdraw, ...fields } = checked(NewPriceSchema, input);
      const instance = target.slice(0, target.indexOf("/"));
      if (!providers.has(instance)) throw bad("target", `no provider instance "${instance}"`);
      const { input: inputPrice, output, ...others } = fields;
      const priced = inputPrice !== undefined && output !== undefined;
      if (withdraw === true && Object.keys(fields).length > 0)
        throw bad("withdraw", "the entry sets prices and withdraws them at once");
      if (withdraw !== true && !priced)
        throw bad(inputPrice === undefined ? "input" : "output", "missing: prices need both input and output");
      const prices = priced ? pricesOf({ ...others, input: inputPrice, output }) : null;
      const fault = prices && priceFault(prices);
      if (fault) throw bad(fault.at.join("."), fault.message);
      return add({ id: newId(), kind: "price", target, prices, effectiveMs: effectiveFrom ?? null, author });
    },

    terms(paging) {
      const placed = standingTerms(book.entries(), now()).map((row, place) => ({ row, place }));
      const keyed = (one: (typeof placed)[number]) => newestFirst(one.row.effectiveMs) + newestFirst(one.place);
      const { data, next } = pageOfRows(placed, keyed, paging);
      return { data: data.map(({ row }) => row), next };
    },

    async setTerms(input, author) {
      const { account = null, target = "*", effectiveFrom, withdraw, ...fields } = checked(NewTermsSchema, input);
      if (account !== null && !(await database.accounts.find(account)))
        throw new GatewayError("not-found", "account: no such account", { param: "account" });
      const given = Object.entries(fields);
      if ((withdraw === true) === given.length > 0)
        throw bad("margin", "expected at least one of margin, discount and fee, or else `withdraw`");
      const terms: ChargeTerms = Object.fromEntries(given.map(([name, value]) => [name, decimalText(value)]));
      if (Number(terms.discount ?? 0) > 100) throw bad("discount", "more than 100 percent");
      return add({
        id: newId(),
        kind: "charge",
        account,
        target,
        terms: withdraw === true ? null : terms,
        effectiveMs: effectiveFrom ?? null,
        author,
      });
    },

    async remove(id) {
      const outcome = await book.remove(id);
      if (outcome === "unknown") missing();
      if (outcome === "effective")
        throw new GatewayError(
          "conflict",
          "the entry is in effect: set another one, or one with `withdraw`, from now on",
        );
      adopting?.(book.entries());
    },

    models(query) {
      const rows = [...inOrder(ownRows()), ...billerRows()].map(({ row }) => row);
      const meaning = (target: string) => {
        const slash = target.indexOf("/") + 1;
        const [instance, model] = [target.slice(0, slash), target.slice(slash)];
        return rows.filter(
          (row) => means(row.target, target) || (row.target.startsWith(instance) && row.names.includes(model)),
        );
      };
      return modelLines(query, { models, biller: slot, now, pricesOf: meaning });
    },

    async unpriced({ after, limit }) {
      const vendors = new Map(instances.map(({ provider, vendor }) => [provider, vendor]));
      const asked = await book.unpriced();
      const named = new Map(models.targets().map((target) => [`${target.provider}/${target.model}`, target]));
      const rows: UnpricedModel[] = asked.flatMap((row) => {
        const { provider, model } = row;
        const vendor = vendors.get(provider);
        if (vendor === undefined || isPriced({ provider, vendor, model })) return [];
        return [{ ...row, listed: named.delete(`${provider}/${model}`) }];
      });
      for (const target of named.values())
        if (!isPriced(target))
          rows.push({ provider: target.provider, model: target.model, asked: 0, lastMs: null, listed: true });
      return pageOfRows(rows, ({ lastMs, provider, model }) => `${newestFirst(lastMs ?? 0)}${provider}/${model}`, {
        after,
        limit,
      });
    },
  };
}

/** Of the entries for the same account and target the latest that has begun holds, as the biller has it. */
function standingTerms(entries: readonly BookEntryRow[], nowMs: number): readonly StandingTerms[] {
  const terms = entries.filter((entry): entry is TermsRow => entry.kind === "charge");
  const current = new Map<string, TermsRow>();
  for (const entry of terms) {
    const claimant = `${entry.account ?? ""}\n${entry.target}`;
    if (entry.effectiveMs <= nowMs && entry.effectiveMs >= (current.get(claimant)?.effectiveMs ?? 0))
      current.set(claimant, entry);
  }
  const holding = new Set(current.values());
  return terms.map((entry) => ({
    ...entry,
    state: entry.effectiveMs > nowMs ? "later" : holding.has(entry) ? "current" : "past",
  }));
}

const bad = (param: string, why: string): GatewayError =>
  new GatewayError("invalid-request", `${param}: ${why}`, { param });

function listed({
  id,
  target,
  effectiveMs,
  prices,
  author,
  createdMs,
}: BookEntry & BookEntryRow & { kind: "price" }): ListedPrice {
  const { contextWindow = null, maxOutputTokens = null, lacks, most, ...set } = prices ?? {};
  const size = { contextWindow, maxOutputTokens, ...(lacks && { lacks }), ...(most && { most }) };
  const shared = { id, target, effectiveMs, author, createdMs, ...size, names: [] };
  return { ...shared, source: "database", version: `database:${id}`, prices: prices && { ...set } };
}

/** Nobody set it through the API. */
const unsigned = { id: null, author: null, createdMs: null };
const none: readonly PriceListing[] = [];

interface Searched {
  readonly row: ListedPrice;
  /** Its place in the list. */
  readonly key: string;
  /** All its names in lower case, with line ends between them, which no name has. */
  readonly names: string;
}

/** `at`: its place among those of its source; what was set goes by its time. */
function searchedOf(row: ListedPrice, at: number): Searched {
  const instance = row.target.slice(0, row.target.indexOf("/"));
  const names = [row.target, ...row.names.map((name) => `${instance}/${name}`)].join("\n").toLowerCase();
  return { row, key: keyOf({ row, at }), names };
}

const inOrder = (rows: readonly Searched[]): readonly Searched[] =>
  rows.toSorted((left, right) => (left.key < right.key ? -1 : 1));

const means = (pattern: string, target: string): boolean =>
  pattern.endsWith("*") ? target.startsWith(pattern.slice(0, -1)) : pattern === target;

/** Set ones first, the latest before all; the file's in its order; the bundled ones by name and time. */
function keyOf({ row, at }: { readonly row: ListedPrice; readonly at: number }): string {
  if (row.source === "database") return `0${newestFirst(row.effectiveMs ?? 0)}${row.id ?? ""}`;
  const place = String(at).padStart(8, "0");
  if (row.source === "config") return `1${place}`;
  return `2${row.target}\u0000${newestFirst(row.effectiveMs ?? 0)}${place}`;
}
