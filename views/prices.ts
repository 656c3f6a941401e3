import { count } from "./format.ts";
import { onceFields, option } from "./form-fields.ts";
import { html, segment, url, type Html, type Value } from "./html.ts";
import { priceForm, type PriceFormModel } from "./price-form.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, moment, name } from "./text.ts";
import { unitWords } from "./unit-price.ts";

export interface PriceListModel {
  readonly prices: readonly PriceLine[];
  readonly filter: { readonly search: string; readonly source: string };
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly csrf: string;
  readonly form: PriceFormModel;
  readonly nowMs: number;
}
export interface PriceLine {
  /** `null`: it was not set here. */
  readonly id: string | null;
  readonly target: string;
  readonly source: string;
  /** `null`: always. */
  readonly effectiveMs: number | null;
  readonly daily?: { readonly startMs: number; readonly endMs: number };
  /** `null`: ends what was set before. */
  readonly prices: PriceItems | null;
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
  readonly most?: Readonly<Partial<Record<Item, number>>>;
  /** What the model is known not to take. */
  readonly lacks?: readonly string[];
  readonly author: string | null;
}
type Items = Readonly<Partial<Record<Item, string>>>;
export type PriceItems = Items & {
  readonly contextTiers?: readonly (Items & { readonly above: number })[];
  readonly serviceTiers?: Readonly<Record<string, Items>>;
};
type Item =
  | "input"
  | "output"
  | "cacheRead"
  | "cacheWrite"
  | "cacheWrite1h"
  | "reasoning"
  | "inputAudio"
  | "outputAudio"
  | "inputImage"
  | "outputImage"
  | "request"
  | "webSearch"
  | "fileSearch"
  | "image"
  | "second"
  | "character";

/** The pages about prices, above each of them. */
export const priceTabs = (current: "prices" | "models" | "unpriced" | "charges" | "estimates"): Html =>
  html`<nav class="tabs" aria-label="Prices">${tabs.map(([id, path, label]) => html`<a href="${path}"${id === current && html` aria-current="page"`}>${label}</a>`)}</nav>`;

const tabs = [
  ["prices", "/dashboard/prices", "All prices"],
  ["models", "/dashboard/prices/models", "Models"],
  ["unpriced", "/dashboard/prices/unpriced", "Without a price"],
  ["charges", "/dashboard/prices/charges", "Charges"],
  ["estimates", "/dashboard/prices/estimates", "Estimates"],
] as const;

export const pricesPage = (model: PriceListModel): Html => html`<div id="prices">
  <h1>Prices</h1>
  ${priceTabs("prices")}
  ${priceForm(model.form, model.csrf)}
  ${filterForm(model.filter)}
  ${model.prices.length === 0 ? html`<p class="panel empty">No price fits. <a href="/dashboard/prices">Show all prices</a></p>` : table(model)}
  <nav class="pager" aria-label="Paging"><span class="hint">USD, per million tokens where no other unit is named; set here first, then the file's, then the bundled ones</span>${model.next !== null && html`<a rel="next" href="${url("/dashboard/prices", { ...model.filter, after: model.next })}">More →</a>`}</nav>
</div>`;

const filterForm = ({
  search,
  source,
}: PriceListModel["filter"]): Html => html`<form class="filter" method="get" action="/dashboard/prices" role="search">
  <label>Search<input type="search" name="search" value="${search}" autocomplete="off" spellcheck="false" placeholder="part of a model's name"></label>
  <label>Source<select name="source">${["", "database", "config", "bundled"].map((value) => option(value, sourceWords[value] ?? value, source))}</select></label>
  <div class="actions"><button>Search</button><a href="/dashboard/prices">Clear</a></div>
</form>`;

const sourceWords: Readonly<Record<string, string>> = {
  "": "any",
  database: "set here",
  config: "the file",
  bundled: "bundled",
};
const sourceTones = { database: "info", config: "good", bundled: "quiet" } as const;

const table = ({
  prices,
  csrf,
  nowMs,
}: PriceListModel): Html => html`<div class="panel flush"><div class="scroll"${scrolls("Prices")}><table class="cards">
  <thead><tr><th scope="col">Target</th><th scope="col">Source</th><th scope="col" class="num">Input</th><th scope="col" class="num">Output</th><th scope="col" class="num">From cache</th>
    <th scope="col" class="num">To cache</th><th scope="col">Besides</th><th scope="col">In effect</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${prices.map((line) => row(line, csrf, nowMs))}</tbody>
</table></div></div>`;

const row = (line: PriceLine, csrf: string, nowMs: number): Html => html`<tr>
  <td class="cut">${name(line.target, 48)}${size(line)}</td>
  <td data-label="Source">${sourceChip(line.source)}</td>
  <td data-label="Input" class="num">${price(line.prices?.input)}</td>
  <td data-label="Output" class="num">${price(line.prices?.output)}</td>
  <td data-label="From cache" class="num">${price(line.prices?.cacheRead)}</td>
  <td data-label="To cache" class="num">${price(line.prices?.cacheWrite)}</td>
  <td class="wraps" data-label="Besides">${besides(line.prices)}</td>
  <td data-label="In effect">${effect(line, nowMs)}</td>
  <td class="num">${line.id !== null && line.effectiveMs !== null && line.effectiveMs > nowMs && removal(line.id, csrf)}</td>
</tr>`;

export const sourceChip = (source: string): Html => chip(toneOf(source), sourceWords[source] ?? source);

const toneOf = (source: string) => (source in sourceTones ? sourceTones[source as keyof typeof sourceTones] : "quiet");

const price = (text: string | undefined): Html => (text === undefined ? name(null) : html`<bdi>${cut(text, 24)}</bdi>`);

const size = ({ contextWindow, maxOutputTokens, most = {}, lacks = [] }: PriceLine): Html | false => {
  const parts = [
    contextWindow !== null && `context ${count(contextWindow)}`,
    maxOutputTokens !== null && `output ${count(maxOutputTokens)}`,
    ...Object.entries(most).map(([unit, quantity]) => `at most ${count(quantity)} ${unit}${quantity === 1 ? "" : "s"}`),
    lacks.length > 0 && `without ${lacks.join(", ")}`,
  ].filter((part) => part !== false);
  return parts.length > 0 && html`<span class="sub">${parts.join(" · ")}</span>`;
};

/** The rarer items, and the tiers. */
function besides(prices: PriceItems | null): Html {
  if (prices === null) return chip("warn", "ends what was set before");
  const lines: readonly Value[] = [
    ...rarerOf(prices),
    ...(prices.contextTiers ?? []).map(({ above, ...items }) => `over ${count(above)} tokens: ${inShort(items)}`),
    ...Object.entries(prices.serviceTiers ?? {}).map(([tier, items]) => `${tier}: ${inShort(items)}`),
  ];
  return lines.length === 0
    ? name(null)
    : html`<span>${lines.map((line) => html`<span class="line">${line}</span>`)}</span>`;
}

const inShort = (items: Items): string =>
  [
    items.input !== undefined && `in ${items.input}`,
    items.output !== undefined && `out ${items.output}`,
    items.cacheRead !== undefined && `from cache ${items.cacheRead}`,
    items.cacheWrite !== undefined && `to cache ${items.cacheWrite}`,
    ...rarerOf(items),
  ]
    .filter((part) => part !== false)
    .join(", ");

const rarerOf = (items: Items): readonly string[] => [
  ...rarer.flatMap(([item, label]) => (items[item] === undefined ? [] : [`${label} ${items[item]}`])),
  ...unitPrices(items),
];

/** `0.04 per image`. */
export const unitPrices = (items: Items): readonly string[] =>
  units.flatMap(([item, words]) => (items[item] === undefined ? [] : [`${items[item]} ${words}`]));

const rarer: readonly (readonly [Item, string])[] = [
  ["cacheWrite1h", "to cache for 1 h"],
  ["reasoning", "reasoning"],
  ["inputAudio", "audio in"],
  ["outputAudio", "audio out"],
  ["inputImage", "image in"],
  ["outputImage", "image out"],
];
const units = (Object.keys(unitWords) as (keyof typeof unitWords)[]).map((item) => [item, unitWords[item]] as const);

function effect({ effectiveMs, daily, author }: PriceLine, nowMs: number): Html {
  const by = author !== null && html`<span class="sub">by ${cut(author, 40)}</span>`;
  if (daily) return html`<span>daily ${clockOf(daily.startMs)}–${clockOf(daily.endMs)} UTC</span>`;
  if (effectiveMs === null) return html`<span>always${by}</span>`;
  const ahead = effectiveMs > nowMs;
  return html`<span>${ahead && chip("warn", "later")} from ${moment(effectiveMs)}${by}</span>`;
}

const clockOf = (ms: number): string => new Date(ms).toISOString().slice(11, 16);

const removal = (id: string, csrf: string): Html => {
  const path = url(`/dashboard/prices/${segment(id)}/removal`);
  return html`<form method="post" action="${path}" data-confirm="Take this price back? It is not in effect yet.">
    ${onceFields(csrf)}<button class="plain danger">Take back</button></form>`;
};
