import { html, type Html } from "./html.ts";

/** What was typed, as it was typed, and what is wrong with it. */
export interface PriceFormModel {
  readonly values: Readonly<Record<PriceField, string>>;
  readonly error: string | null;
}
export const priceFields = [
  "target",
  "input",
  "output",
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "reasoning",
  "request",
  "from",
  "withdraw",
] as const;
export type PriceField = (typeof priceFields)[number];

/** Works as a plain form; htmx only spares the reload. Tiers and the rarer classes are set through the API. */
export const priceForm = (
  { values, error }: PriceFormModel,
  csrf: string,
): Html => html`<details class="panel new" id="new-price"${error !== null && html` open`}>
  <summary>New price</summary>
  <form method="post" action="/dashboard/prices" hx-post="/dashboard/prices" hx-target="#prices" hx-swap="outerHTML" hx-disable="find button">
    <input type="hidden" name="csrf" value="${csrf}">
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Target<input name="target" value="${values.target}" required maxlength="300" autocomplete="off" spellcheck="false" placeholder="openai/gpt-5, lab/*"></label>
      <label>Input${amount("input", values)}</label>
      <label>Output${amount("output", values)}</label>
      <label>Read from cache${amount("cacheRead", values, "as input")}</label>
      <label>Written to cache${amount("cacheWrite", values, "as input")}</label>
      <label>Written for 1 hour${amount("cacheWrite1h", values, "as for 5 minutes")}</label>
      <label>Reasoning${amount("reasoning", values, "as output")}</label>
      <label>USD a call${amount("request", values, "none")}</label>
      <label>In effect from (UTC)<input type="datetime-local" name="from" value="${values.from}"></label>
      <label>Instead of prices<select name="withdraw"><option value="">set them</option><option value="yes"${values.withdraw !== "" && html` selected`}>end what was set here</option></select></label>
    </div>
    <p class="hint">USD per million tokens. Without a time it holds from now on; calls that have ended keep their price. It replaces all prices of the target: those that only the API takes, such as tiers and images, end with it.</p>
    <button class="primary">Set price</button>
  </form>
</details>`;

const amount = (field: PriceField, values: PriceFormModel["values"], placeholder = ""): Html =>
  html`<input name="${field}" value="${values[field]}" inputmode="decimal" autocomplete="off" placeholder="${placeholder}">`;
