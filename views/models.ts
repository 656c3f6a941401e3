import { aliasPath } from "./alias-route.ts";
import { count } from "./format.ts";
import { html, url, type Html } from "./html.ts";
import { type PriceItems, priceTabs, sourceChip, unitPrices } from "./prices.ts";
import { scrolls } from "./scrolls.ts";
import { cut, name } from "./text.ts";

export interface ModelsModel {
  readonly models: readonly ModelLine[];
  readonly search: string;
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
}
export type ModelLine =
  | {
      readonly kind: "alias";
      readonly id: string;
      readonly strategy: string;
      readonly targets: readonly {
        readonly target: string;
        readonly weight?: number;
        readonly when?: object;
        readonly canary?: { readonly percent: number };
        readonly drop?: readonly string[];
        readonly defaults?: object;
      }[];
      readonly shadow?: { readonly target: string; readonly percent: number };
    }
  | {
      readonly kind: "model";
      readonly id: string;
      readonly contextWindow: number | null;
      readonly maxOutputTokens: number | null;
      /** What it is known not to take. */
      readonly lacks: readonly string[];
      readonly prices: PriceItems | null;
      readonly source: string | null;
      /** `null`: it has no price; with a price of no source it is the program's own. */
      readonly priceVersion: string | null;
    };

export const modelsPage = ({ models, search, next }: ModelsModel): Html => html`<h1>Models</h1>
  ${priceTabs("models")}
  <form class="filter" method="get" action="/dashboard/prices/models" role="search">
    <label>Search<input type="search" name="search" value="${search}" autocomplete="off" spellcheck="false" placeholder="part of a name"></label>
    <div class="actions"><button>Search</button><a href="/dashboard/prices/models">Clear</a></div>
  </form>
  ${
    models.length === 0
      ? html`<p class="panel empty">No model has such a name.</p>`
      : html`<div class="panel flush"><div class="scroll"${scrolls("Models")}><table class="cards">
  <thead><tr><th scope="col">Name</th><th scope="col">Leads to</th><th scope="col" class="num">Context</th><th scope="col" class="num">Most output</th><th scope="col" class="num">Input</th><th scope="col" class="num">Output</th><th scope="col">Price from</th></tr></thead>
  <tbody>${models.map(row)}</tbody></table></div></div>`
  }
  <nav class="pager" aria-label="Paging"><span class="hint">Aliases of the file, then what it, a provider or the price data names; prices in force, USD per million tokens where no other unit is named</span>${next !== null && html`<a rel="next" href="${url("/dashboard/prices/models", { search, after: next })}">More →</a>`}</nav>`;

/** The page of the alias draws them all. */
const mostTargets = 8;

const row = (line: ModelLine): Html =>
  line.kind === "alias"
    ? html`<tr>
  <td><a href="${aliasPath(line.id)}">${name(line.id, 48)}</a><span class="sub">alias, ${line.strategy}</span></td>
  <td data-label="Leads to"><span>${line.targets.slice(0, mostTargets).map((target) => html`<span class="line">${cut(target.target, 60)}${notesOf(target)}</span>`)}${line.shadow && html`<span class="line">copies of ${line.shadow.percent} % to ${cut(line.shadow.target, 60)}</span>`}${line.targets.length > mostTargets && html`<span class="line hint">and ${count(line.targets.length - mostTargets)} more</span>`}</span></td>
  <td data-label="Context" class="num">${name(null)}</td><td data-label="Most output" class="num">${name(null)}</td><td data-label="Input" class="num">${name(null)}</td><td data-label="Output" class="num">${name(null)}</td><td data-label="Price from">${name(null)}</td>
</tr>`
    : html`<tr>
  <td>${name(line.id, 48)}${line.lacks.length > 0 && html`<span class="sub">without ${line.lacks.join(", ")}</span>`}</td>
  <td data-label="Leads to">itself</td>
  <td data-label="Context" class="num">${known(line.contextWindow)}</td>
  <td data-label="Most output" class="num">${known(line.maxOutputTokens)}</td>
  <td data-label="Input" class="num">${name(line.prices?.input ?? null, 24)}</td>
  <td data-label="Output" class="num">${name(line.prices?.output ?? null, 24)}</td>
  <td data-label="Price from"><span>${priceFrom(line)}${unitPrices(line.prices ?? {}).map((text) => html`<span class="sub">${text}</span>`)}</span></td>
</tr>`;

/** Names alone: what they say in full is in the file. */
function notesOf({
  weight,
  when,
  canary,
  drop = [],
  defaults = {},
}: Extract<ModelLine, { kind: "alias" }>["targets"][number]): string {
  const notes = [
    ...(weight === undefined ? [] : [String(weight)]),
    ...(canary ? [`canary ${canary.percent} %`] : []),
    ...(when ? [`when ${Object.keys(when).join(", ")}`] : []),
    ...(drop.length > 0 ? [`drops ${drop.join(", ")}`] : []),
    ...(Object.keys(defaults).length > 0 ? [`sets ${Object.keys(defaults).join(", ")}`] : []),
  ];
  return notes.length === 0 ? "" : ` (${notes.join("; ")})`;
}

function priceFrom({ source, priceVersion }: Extract<ModelLine, { kind: "model" }>): Html {
  if (source !== null) return sourceChip(source);
  return priceVersion === null ? html`<a href="/dashboard/prices/unpriced">none</a>` : name(priceVersion, 40);
}

const known = (tokens: number | null): Html | string => (tokens === null ? name(null) : count(tokens));
