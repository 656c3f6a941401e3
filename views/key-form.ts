import { contentChoice } from "./content-choice.ts";
import { onceFields, option } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { offered } from "./offered.ts";

/** What was typed, as it was typed, and what is wrong with it. */
export interface KeyFormModel {
  readonly values: Readonly<Record<KeyField, string>>;
  readonly error: string | null;
}
export const keyFields = [
  "name",
  "accountId",
  "models",
  "usd",
  "window",
  "expires",
  "requestsPerMinute",
  "tokensPerMinute",
  "usdPerDay",
  "concurrency",
  "content",
] as const;
export type KeyField = (typeof keyFields)[number];

/** Works as a plain form; htmx only spares the reload. */
export const keyForm = (
  { values, error }: KeyFormModel,
  accounts: readonly { readonly id: string; readonly name: string }[],
  csrf: string,
): Html => html`<details class="panel" id="new-key"${error !== null && html` open`}>
  <summary>New key</summary>
  <form method="post" action="/dashboard/keys" hx-post="/dashboard/keys" hx-target="#keys" hx-swap="outerHTML" hx-disable="find button">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Name<input name="name" value="${values.name}" required maxlength="100" autocomplete="off"></label>
      <label>Account<select name="accountId">${(error === null ? accounts : offered(accounts, values.accountId)).map(({ id, name }) => option(id, name, values.accountId))}</select></label>
      <label>Models<input name="models" value="${values.models}" autocomplete="off" spellcheck="false" placeholder="all, or names with commas"></label>
      <label>Budget in USD<input name="usd" value="${values.usd}" inputmode="decimal" autocomplete="off" placeholder="none"></label>
      <label>Budget window<select name="window">${windows.map((window) => option(window, window, values.window))}</select></label>
      <label>Requests a minute${whole("requestsPerMinute", values)}</label>
      <label>Tokens a minute${whole("tokensPerMinute", values)}</label>
      <label>USD a day<input name="usdPerDay" value="${values.usdPerDay}" inputmode="decimal" autocomplete="off" placeholder="no limit"></label>
      <label>Calls at once${whole("concurrency", values)}</label>
      <label>Valid through (UTC)<input type="date" name="expires" value="${values.expires}"></label>
      <label>Prompts and answers${contentChoice(values.content, "as the account says", false)}</label>
    </div>
    <button class="primary">Create key</button>
  </form>
</details>`;

const whole = (field: KeyField, values: KeyFormModel["values"]): Html =>
  html`<input name="${field}" value="${values[field]}" inputmode="numeric" pattern="[0-9]*" autocomplete="off" placeholder="no limit">`;

const windows = ["day", "week", "month", "lifetime"];
