import { html, type Html } from "./html.ts";
import { priceTabs } from "./prices.ts";
import { chip, moment, name } from "./text.ts";

export interface ChargeLine {
  /** `null`: everybody. */
  readonly account: string | null;
  readonly target: string;
  /** `null`: the file's hold again. */
  readonly terms: { readonly margin?: string; readonly discount?: string; readonly fee?: string } | null;
  readonly effectiveMs: number;
  readonly author: string;
}

export const chargesPage = (charges: readonly ChargeLine[], nowMs: number): Html => html`<h1>Charges</h1>
  ${priceTabs("charges")}
  ${
    charges.length === 0
      ? html`<p class="panel empty">No terms are set: accounts are charged what calls cost, or what the file says.</p>`
      : html`<div class="panel flush"><div class="scroll"><table class="cards">
  <thead><tr><th scope="col">Account</th><th scope="col">Target</th><th scope="col">Charge</th><th scope="col">In effect from</th><th scope="col">By</th></tr></thead>
  <tbody>${charges.map(
    ({ account, target, terms, effectiveMs, author }) => html`<tr>
    <td>${account === null ? "everybody" : name(account, 40)}</td>
    <td data-label="Target">${name(target, 40)}</td>
    <td data-label="Charge">${terms === null ? "as the file says" : termsInWords(terms)}</td>
    <td data-label="From">${effectiveMs > nowMs && chip("warn", "later")} ${moment(effectiveMs)}</td>
    <td data-label="By">${name(author, 40)}</td>
  </tr>`,
  )}</tbody></table></div></div>`
  }
  <p class="hint">Set through the API: <code>POST /api/prices/charges</code>. The nearest account's terms hold, of one account those of the most specific target.</p>`;

/** `cost + 20 % − 5 % + 0.001 USD`. */
export const termsInWords = ({ margin, discount, fee }: NonNullable<ChargeLine["terms"]>): Html =>
  html`<bdi>cost${margin !== undefined && ` + ${margin} %`}${discount !== undefined && ` − ${discount} %`}${fee !== undefined && ` + ${fee} USD`}</bdi>`;
