import { onceFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";

/** What was typed, as it was typed, and what is wrong with it. */
export interface ChargeFormModel {
  readonly values: Readonly<Record<string, string>>;
  readonly error: string | null;
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
  readonly csrf: string;
}
export const chargeFields = ["account", "target", "margin", "discount", "fee", "from", "withdraw"] as const;

export const chargeForm = ({
  values,
  error,
  accounts,
  csrf,
}: ChargeFormModel): Html => html`<details class="panel new" id="new-charge"${(error !== null || values["account"] !== undefined || values["target"] !== undefined) && html` open`}>
  <summary>New terms</summary>
  <form method="post" action="/dashboard/prices/charges">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Account<input name="account" value="${values["account"]}" list="accounts" maxlength="64" autocomplete="off" spellcheck="false" placeholder="everybody"></label>
      <label>Target<input name="target" value="${values["target"]}" maxlength="300" autocomplete="off" spellcheck="false" placeholder="everything; openai/gpt-5, lab/*"></label>
      <label>Margin in %${amount("margin", values)}</label>
      <label>Discount in %${amount("discount", values)}</label>
      <label>Fee in USD a call${amount("fee", values)}</label>
      <label>In effect from (UTC)<input type="datetime-local" name="from" value="${values["from"]}"></label>
      <label>Instead of terms<select name="withdraw"><option value="">set them</option><option value="yes"${values["withdraw"] !== undefined && html` selected`}>withdraw those set here</option></select></label>
    </div>
    <p class="hint">Charge = cost × (1 + margin) × (1 − discount) + fee. Without a time it holds from now on; calls that have ended keep their charge.</p>
    <button class="primary">Set terms</button>
    <datalist id="accounts">${accounts.map(({ id, name }) => html`<option value="${id}">${name}</option>`)}</datalist>
  </form>
</details>`;

const amount = (field: string, values: ChargeFormModel["values"]): Html =>
  html`<input name="${field}" value="${values[field]}" inputmode="decimal" autocomplete="off" placeholder="none">`;
