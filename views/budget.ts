import { admissions, choice, shortfalls } from "./budget-form.ts";
import { type BudgetLine, free, gauge, resets, thresholds } from "./budget-table.ts";
import { usd } from "./format.ts";
import { formFields, onceFields, type ShownFields, writtenFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { chip, money, name, time } from "./text.ts";

export interface BudgetModel {
  readonly budget: BudgetLine;
  /** What the forms of its terms and of an increase show. */
  readonly terms: ShownFields<keyof ReturnType<typeof writtenTerms>>;
  readonly increase: Readonly<Record<"usd" | "until", string>>;
  readonly error: string | null;
  /** `null`: whoever looks may not change it. */
  readonly csrf: string | null;
}

/** What the form of its terms holds. */
export const writtenTerms = ({ limitNano, increase, onShortfall, admission, alertPercents }: BudgetLine) => ({
  usd: plain(limitNano - (increase?.nano ?? 0)),
  onShortfall,
  admission,
  alertPercents: alertPercents.join(", "),
});

export function budgetPage(model: BudgetModel): Html {
  const { budget, error, csrf } = model;
  return html`<p class="crumb"><a href="/dashboard/budgets">Budgets</a></p>
  <div class="heading"><h1>${chip("quiet", budget.scopeKind)} ${name(budget.scopeName, 60)}</h1></div>
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  <section class="panel"><dl>
    ${fact("Used", gauge(budget))}
    ${fact("Limit", html`${money(budget.limitNano)}${budget.increase !== null && html` with ${money(budget.increase.nano)} more until ${time(budget.increase.untilMs)}`}`)}
    ${fact("Spent", money(budget.spentNano))}
    ${fact("Held", html`${money(budget.heldNano)} <span class="hint">for calls that are open now</span>`)}
    ${fact("Free", free(budget))}
    ${fact("Window", html`${budget.window}${budget.timeZone !== null && html` in ${budget.timeZone}`}, since ${time(Math.max(budget.windowStartMs, budget.createdMs))}`)}
    ${fact("Resets", resets(budget))}
    ${fact("Alerts at", html`${thresholds(budget)} <span class="hint">of the limit, when spent</span>`)}
  </dl></section>
  ${csrf !== null && changes(model, csrf)}`;
}

const changes = (
  { budget, terms: { values, marks }, increase }: BudgetModel,
  csrf: string,
): Html => html`<div class="columns">
    <section class="panel"><h2>Terms</h2><form method="post" action="${path(budget)}">
      ${formFields(csrf)}${writtenFields(marks)}
      <div class="fields two">
        <label>Limit in USD<input name="usd" value="${values.usd}" required inputmode="decimal" autocomplete="off"></label>
        <label>A call that does not fit${choice("onShortfall", shortfalls, values.onShortfall)}</label>
        <label>A call holds${choice("admission", admissions, values.admission)}</label>
        <label>Alerts at percents spent<input name="alertPercents" value="${values.alertPercents}" autocomplete="off" placeholder="none"></label>
      </div>
      <button class="primary">Save</button>
    </form></section>
    <section class="panel"><h2>More for a while</h2><form method="post" action="${path(budget)}/increase">
      ${onceFields(csrf)}
      <div class="fields two">
        <label>USD on top of the limit<input name="usd" value="${increase.usd}" inputmode="decimal" autocomplete="off" placeholder="nothing ends the increase"></label>
        <label>Through (UTC)<input type="date" name="until" value="${increase.until}"></label>
      </div>
      <button>Raise</button>
    </form></section>
  </div>
  <div class="actions">
    <form method="post" action="${path(budget)}/reset" data-confirm="Start the window anew? What was spent in it until now does not count any more.">${onceFields(csrf)}<button>Start the window anew</button></form>
    <form method="post" action="${path(budget)}/removal" data-confirm="Remove this budget? Nothing holds calls to it from the next one on.">${onceFields(csrf)}<button class="plain danger">Remove this budget</button></form>
  </div>`;

const path = ({ id }: BudgetLine): string => url(`/dashboard/budgets/${segment(id)}`);
const fact = (term: string, value: Html): Html => html`<div><dt>${term}</dt><dd>${value}</dd></div>`;

/** As a field takes it: `12.5`. */
const plain = (nano: number): string => usd(nano).replaceAll(/[$,]/g, "");
