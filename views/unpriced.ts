import { count } from "./format.ts";
import { html, url, type Html } from "./html.ts";
import { priceTabs } from "./prices.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name, time } from "./text.ts";

export interface UnpricedModelList {
  readonly models: readonly {
    readonly provider: string;
    readonly model: string;
    readonly asked: number;
    readonly lastMs: number | null;
    readonly listed: boolean;
  }[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
}

export const unpricedPage = ({ models, next }: UnpricedModelList): Html => html`<h1>Without a price</h1>
  ${priceTabs("unpriced")}
  ${
    models.length === 0
      ? html`<p class="panel empty">Every model that was asked for, and every model that is named, has a price.</p>`
      : html`<div class="panel flush"><div class="scroll"${scrolls("Without a price")}><table class="cards">
  <thead><tr><th scope="col">Target</th><th scope="col" class="num">Asked for</th><th scope="col">Last</th><th scope="col">Named by the file, a provider or the book</th></tr></thead>
  <tbody>${models.map(
    ({ provider, model, asked, lastMs, listed }) => html`<tr>
    <td>${name(`${provider}/${model}`, 60)}</td>
    <td data-label="Asked for" class="num">${count(asked)}</td>
    <td data-label="Last">${time(lastMs)}</td>
    <td data-label="Named">${listed ? chip("warn", "named") : chip("quiet", "only asked for")}</td>
  </tr>`,
  )}</tbody></table></div></div>`
  }
  <nav class="pager" aria-label="Paging"><span class="hint">Calls to these are refused, or pass with an unknown cost where the ledger says unpriced: allow</span>${next !== null && html`<a rel="next" href="${url("/dashboard/prices/unpriced", { after: next })}">More →</a>`}</nav>`;
