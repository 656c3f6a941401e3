import { chargeForm, type ChargeFormModel } from "./charge-form.ts";
import { onceFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { priceTabs } from "./prices.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, moment, name } from "./text.ts";

export interface ChargesModel {
  readonly charges: readonly ChargeLine[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly form: ChargeFormModel;
}
export interface ChargeLine {
  readonly id: string;
  /** `null`: everybody. */
  readonly account: string | null;
  readonly accountName: string | null;
  readonly target: string;
  /** `null`: the file's hold again. */
  readonly terms: { readonly margin?: string; readonly discount?: string; readonly fee?: string } | null;
  readonly effectiveMs: number;
  readonly author: string;
  readonly state: "later" | "current" | "past";
}

export const chargesPage = ({ charges, next, form }: ChargesModel): Html => html`<h1>Charges</h1>
  ${priceTabs("charges")}
  ${chargeForm(form)}
  ${
    charges.length === 0
      ? html`<p class="panel empty">No terms are set here: accounts are charged what calls cost, or what the file says.</p>`
      : html`<div class="panel flush"><div class="scroll"${scrolls("Charges")}><table class="cards">
  <thead><tr><th scope="col">Account</th><th scope="col">Target</th><th scope="col">Charge</th><th scope="col">In effect from</th><th scope="col">By</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${charges.map((line) => row(line, form.csrf))}</tbody></table></div></div>`
  }
  <nav class="pager" aria-label="Paging"><span class="hint">The nearest account's terms hold, of one account those of the most specific target; those set here go before the file's</span>${next !== null && html`<a rel="next" href="${url("/dashboard/prices/charges", { after: next })}">More →</a>`}</nav>`;

/** `cost + 20 % − 5 % + 0.001 USD`. */
export const termsInWords = ({ margin, discount, fee }: NonNullable<ChargeLine["terms"]>): Html =>
  html`<bdi>cost${margin !== undefined && ` + ${margin} %`}${discount !== undefined && ` − ${discount} %`}${fee !== undefined && ` + ${fee} USD`}</bdi>`;

const row = (line: ChargeLine, csrf: string): Html => html`<tr>
  <td>${line.account === null ? "everybody" : html`<a href="${url(`/dashboard/accounts/${segment(line.account)}`)}">${name(line.accountName, 40)}</a>`}</td>
  <td data-label="Target">${line.target === "*" ? "everything" : name(line.target, 40)}</td>
  <td data-label="Charge">${line.terms === null ? "as the file says" : termsInWords(line.terms)}</td>
  <td data-label="From"><span>${stateChip(line)} ${moment(line.effectiveMs)}</span></td>
  <td data-label="By">${cut(line.author, 40)}</td>
  <td class="num">${action(line, csrf)}</td>
</tr>`;

function stateChip({ state, terms }: ChargeLine): Html {
  if (state === "later") return chip("warn", "later");
  if (state === "past") return chip("quiet", "past");
  return terms === null ? chip("quiet", "withdrawn") : chip("good", "in force");
}

/** What is in force is never deleted: another entry ends it. */
function action({ id, state, account, target, terms }: ChargeLine, csrf: string): Html | false {
  if (state === "later")
    return html`<form method="post" action="${url(`/dashboard/prices/charges/${segment(id)}/removal`)}" data-confirm="Take these terms back? They are not in effect yet.">
    ${onceFields(csrf)}<button class="plain danger">Take back</button></form>`;
  if (state === "past" || terms === null) return false;
  return html`<form method="post" action="/dashboard/prices/charges" data-confirm="Withdraw these terms? Those of the file hold from now on.">
    ${onceFields(csrf)}<input type="hidden" name="account" value="${account}"><input type="hidden" name="target" value="${target}"><input type="hidden" name="withdraw" value="yes"><button class="plain danger">Withdraw</button></form>`;
}
