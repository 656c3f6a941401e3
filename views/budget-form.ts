import { onceFields, option } from "./form-fields.ts";
import { html, type Html } from "./html.ts";

/** What was typed, as it was typed, and what is wrong with it. */
export interface BudgetFormModel {
  readonly values: Readonly<Record<string, string>>;
  readonly error: string | null;
  /** Accounts and keys that a budget may be on. */
  readonly names: readonly { readonly id: string; readonly name: string }[];
  /** Whoever looks belongs to an account, and sets nothing on what is of all of them. */
  readonly ofAccount: boolean;
  readonly csrf: string;
}
export const budgetFields = [
  "kind",
  "id",
  "usd",
  "window",
  "timeZone",
  "onShortfall",
  "admission",
  "alertPercents",
] as const;

export const budgetForm = ({
  values,
  error,
  names,
  ofAccount,
  csrf,
}: BudgetFormModel): Html => html`<details class="panel new" id="new-budget"${(error !== null || values["id"] !== undefined) && html` open`}>
  <summary>New budget</summary>
  <form method="post" action="/dashboard/budgets">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>On${scopeChoice(kinds, values["kind"], ofAccount)}</label>
      <label>Which one<input name="id" value="${values["id"]}" list="scopes" autocomplete="off" spellcheck="false" placeholder="key or account: its id; else the name"></label>
      <label>Limit in USD<input name="usd" value="${values["usd"]}" required inputmode="decimal" autocomplete="off"></label>
      <label>Window<input name="window" value="${values["window"] ?? "month"}" required list="windows" autocomplete="off" placeholder="month, or hours as 5h"></label>
      <label>Time zone<input name="timeZone" value="${values["timeZone"]}" autocomplete="off" spellcheck="false" placeholder="UTC"></label>
      <label>A call that does not fit${choice("onShortfall", shortfalls, values["onShortfall"])}</label>
      <label>A call holds${choice("admission", admissions, values["admission"])}</label>
      <label>Alerts at percents spent<input name="alertPercents" value="${values["alertPercents"]}" autocomplete="off" placeholder="80, 100"></label>
    </div>
    <button class="primary">Create budget</button>
    <datalist id="scopes">${names.map(({ id, name }) => html`<option value="${id}">${name}</option>`)}</datalist>
    <datalist id="windows">${["day", "week", "month", "lifetime", "5h", "24h"].map((window) => html`<option value="${window}"></option>`)}</datalist>
  </form>
</details>`;

type Choice = readonly (readonly [value: string, label: string])[];

export const choice = (field: string, options: Choice, chosen: string | undefined): Html =>
  html`<select name="${field}">${options.map(([value, label]) => option(value, label, chosen))}</select>`;

/** What something may be set on; by people of an account, on what is theirs. */
export const scopeChoice = (kinds: Choice, chosen: string | undefined, ofAccount: boolean): Html =>
  choice("kind", ofAccount ? kinds.filter(([kind]) => kind === "account" || kind === "key") : kinds, chosen);

const kinds: Choice = ["account", "key", "model", "provider", "global"].map((kind) => [kind, kind] as const);
export const shortfalls: Choice = [
  ["cap", "gets a lower cap on its output"],
  ["refuse", "is refused"],
];
export const admissions: Choice = [
  ["bound", "the most it may cost"],
  ["expected", "what it will probably cost"],
];
