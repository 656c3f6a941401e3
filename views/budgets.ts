import { budgetForm, type BudgetFormModel } from "./budget-form.ts";
import { type BudgetLine, budgetTable } from "./budget-table.ts";
import { html, url, type Html } from "./html.ts";

export interface BudgetListModel {
  readonly budgets: readonly BudgetLine[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly form: BudgetFormModel;
}

export const budgetsPage = ({ budgets, next, form }: BudgetListModel): Html => html`<h1>Budgets</h1>
  ${budgetForm(form)}
  ${budgets.length === 0 ? html`<p class="panel empty">No budgets: nothing limits what calls may cost.</p>` : html`<div class="panel flush">${budgetTable(budgets)}</div>`}
  <nav class="pager" aria-label="Paging"><span class="hint">Held: reserved for calls that are open now</span>${next !== null && html`<a rel="next" href="${url("/dashboard/budgets", { after: next })}">Older →</a>`}</nav>`;
