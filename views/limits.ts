import { choice, scopeChoice } from "./budget-form.ts";
import { formFields, onceFields, type ShownFields, writtenFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { type LimitLine, limitTable } from "./limit-table.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name } from "./text.ts";

export interface LimitListModel {
  readonly limits: readonly LimitLine[];
  /** Keys with limits of their own. */
  readonly ofKeys: readonly LimitLine[];
  /** What calls met since the start. */
  readonly met: readonly {
    readonly scope: string;
    readonly measure: string;
    readonly enforced: boolean;
    readonly count: number;
  }[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly form: LimitFormModel;
}
/** What was typed, as it was typed, and what is wrong with it. */
export interface LimitFormModel {
  readonly values: Readonly<Record<string, string>>;
  readonly error: string | null;
  /** Accounts and keys that limits may be on. */
  readonly names: readonly { readonly id: string; readonly name: string }[];
  /** Whoever looks belongs to an account, and sets nothing on what is of all of them. */
  readonly ofAccount: boolean;
  readonly csrf: string;
}
export const limitFormFields = ["kind", "id", "amount", "measure", "per", "enforce"] as const;

export const limitsPage = ({ limits, ofKeys, met, next, form }: LimitListModel): Html => html`<h1>Limits</h1>
  ${limitForm(form)}
  ${limits.length === 0 ? html`<p class="panel empty">No limits.</p>` : html`<div class="panel flush">${limitTable(limits)}</div>`}
  <nav class="pager" aria-label="Paging"><span class="hint">A limit lets its amount through at once and refills evenly over its period. Held: for calls that are open now</span>${next !== null && html`<a rel="next" href="${url("/dashboard/limits", { after: next })}">More →</a>`}</nav>
  ${ofKeys.length > 0 && html`<section class="panel flush"><h2>Keys with limits of their own</h2>${limitTable(ofKeys)}</section>`}
  ${
    met.length > 0 &&
    html`<section class="panel flush"><h2>Calls that met a limit since the start</h2><div class="scroll"${scrolls("Calls that met a limit")}><table class="cards">
    <thead><tr><th scope="col">Limit on</th><th scope="col">Of</th><th scope="col">They</th><th scope="col" class="num">Calls</th></tr></thead>
    <tbody>${met.map((each) => html`<tr><td>${chip("quiet", each.scope)}</td><td data-label="Of">${each.measure}</td><td data-label="They">${each.enforced ? "were refused" : "would have been refused"}</td><td data-label="Calls" class="num">${each.count}</td></tr>`)}</tbody>
  </table></div></section>`
  }`;

const limitForm = ({
  values,
  error,
  names,
  ofAccount,
  csrf,
}: LimitFormModel): Html => html`<details class="panel new" id="new-limit"${(error !== null || values["id"] !== undefined) && html` open`}>
  <summary>New limit</summary>
  <form method="post" action="/dashboard/limits">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>On${scopeChoice(kinds, values["kind"], ofAccount)}</label>
      <label>Which one<input name="id" value="${values["id"]}" list="scopes" autocomplete="off" spellcheck="false"${ofAccount ? html` required placeholder="id"` : html` placeholder="id or name; none for each of them"`}></label>
      ${amountFields(values)}
      <label>A call beyond it${choice("enforce", enforcing, values["enforce"])}</label>
    </div>
    <button class="primary">Create limit</button>
    <datalist id="scopes">${names.map((one) => html`<option value="${one.id}">${one.name}</option>`)}</datalist>
  </form>
</details>`;

const amountFields = (values: Readonly<Record<string, string>>, isRequired = true): Html => html`
      <label>At most<input name="amount" value="${values["amount"]}"${isRequired && html` required`} inputmode="decimal" autocomplete="off"></label>
      <label>Of${choice("measure", measures, values["measure"])}</label>
      <label>In a${choice("per", periods, values["per"] ?? "minute")}</label>`;

export interface LimitModel {
  readonly limit: LimitLine;
  readonly shown: ShownFields;
  /** What was typed of one more. */
  readonly more: Readonly<Record<string, string>>;
  readonly error: string | null;
  /** `null`: whoever looks may not change it. */
  readonly csrf: string | null;
}

/** What the form of one holds. */
export const writtenLimit = ({ parts, enforce }: LimitLine): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(parts.map(({ field, value }) => [field, value])),
  enforce: enforce ? "yes" : "no",
});

export function limitPage(model: LimitModel): Html {
  const { limit, error, csrf } = model;
  return html`<p class="crumb"><a href="/dashboard/limits">Limits</a></p>
  <div class="heading"><h1>${chip("quiet", limit.scopeKind)} ${limit.scopeName === null ? "each" : name(limit.scopeName, 60)}</h1></div>
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  <section class="panel flush">${limitTable([limit])}</section>
  ${csrf !== null && changes(model, csrf)}`;
}

const changes = (
  { limit, shown: { values, marks }, more }: LimitModel,
  csrf: string,
): Html => html`<section class="panel"><h2>Change</h2><form method="post" action="${pathOf(limit)}">
    ${formFields(csrf)}${writtenFields(marks)}
    <div class="fields">
      ${limit.parts.map((part) => html`<label>${part.text}<input name="${part.field}" value="${values[part.field]}" inputmode="decimal" autocomplete="off" placeholder="none takes it away"></label>`)}
      <label>A call beyond it${choice("enforce", enforcing, values["enforce"])}</label>
    </div>
    <h3>One more</h3>
    <div class="fields">${amountFields(more, false)}</div>
    <div class="actions"><button class="primary">Save</button><span class="hint">Holds for the next call. What was counted stays counted.</span></div>
  </form></section>
  <div class="actions"><form method="post" action="${pathOf(limit)}/removal" data-confirm="Remove this limit? Nothing holds calls to it from the next one on.">${onceFields(csrf)}<button class="plain danger">Remove</button></form></div>`;

const pathOf = ({ id }: LimitLine): string => url(`/dashboard/limits/${segment(id)}`);

const kinds = [
  ["account", "account"],
  ["key", "key"],
  ["model", "model"],
  ["provider", "provider"],
  ["global", "everything"],
  ["ip", "address without a valid key"],
] as const;
const measures = [
  ["requests", "requests"],
  ["tokens", "tokens"],
  ["input-tokens", "input tokens"],
  ["output-tokens", "output tokens"],
  ["spend", "USD"],
  ["concurrency", "calls at once"],
] as const;
const periods = ["second", "minute", "hour", "day"].map((period) => [period, period] as const);
const enforcing = [
  ["yes", "is refused"],
  ["no", "is only told of"],
] as const;
