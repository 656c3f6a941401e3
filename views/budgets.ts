import { html, url, type Html } from "./html.ts";
import { chip, money, name, time } from "./text.ts";

export interface BudgetListModel {
  readonly budgets: readonly BudgetLine[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
}
export interface BudgetLine {
  readonly scopeKind: string;
  /** Name of what it is on, where it has one, else the id. */
  readonly scopeName: string;
  readonly window: string;
  readonly limitNano: number;
  readonly spentNano: number;
  readonly heldNano: number;
  /** `null`: never. */
  readonly resetsAtMs: number | null;
}

export const budgetsPage = ({ budgets, next }: BudgetListModel): Html => html`<h1>Budgets</h1>
  ${budgets.length === 0 ? html`<p class="panel empty">No budgets. A key can get one when it is <a href="/dashboard/keys">created</a>.</p>` : table(budgets)}
  <nav class="pager" aria-label="Paging"><span class="hint">Held: reserved for calls that are open now</span>${next !== null && html`<a rel="next" href="${url("/dashboard/budgets", { after: next })}">Older →</a>`}</nav>`;

const table = (
  budgets: readonly BudgetLine[],
): Html => html`<div class="panel flush"><div class="scroll"><table class="cards">
  <thead><tr><th scope="col">On</th><th scope="col">Window</th><th scope="col">Used</th><th scope="col" class="num">Limit</th><th scope="col" class="num">Spent</th>
    <th scope="col" class="num">Held</th><th scope="col" class="num">Free</th><th scope="col">Resets</th></tr></thead>
  <tbody>${budgets.map(row)}</tbody>
</table></div></div>`;

const row = (budget: BudgetLine): Html => html`<tr>
  <td><span>${chip("quiet", budget.scopeKind)} ${name(budget.scopeName)}</span></td>
  <td data-label="Window">${budget.window}</td>
  <td data-label="Used">${gauge(budget)}</td>
  <td data-label="Limit" class="num">${money(budget.limitNano)}</td>
  <td data-label="Spent" class="num">${money(budget.spentNano)}</td>
  <td data-label="Held" class="num">${money(budget.heldNano)}</td>
  <td data-label="Free" class="num">${free(budget)}</td>
  <td data-label="Resets">${budget.resetsAtMs === null ? "never" : time(budget.resetsAtMs)}</td>
</tr>`;

function free({ limitNano, spentNano, heldNano }: BudgetLine): Html {
  const left = limitNano - spentNano - heldNano;
  return left < 0 ? html`<span>${chip("bad", "over")} ${money(0)}</span>` : money(left);
}

/** Spent and held as parts of the limit. */
function gauge({ limitNano, spentNano, heldNano }: BudgetLine): Html {
  const spent = percent(spentNano, limitNano);
  const held = Math.min(100 - spent, percent(heldNano, limitNano));
  return html`<svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${spent} % spent, ${held} % held"><title>${spent} % spent, ${held} % held</title><rect class="rest" width="100" height="6" /><rect class="${spent >= 90 ? "wrong" : "fill"}" width="${spent}" height="6" /><rect class="held" x="${spent}" width="${held}" height="6" /></svg>`;
}

const percent = (part: number, whole: number): number =>
  whole <= 0 ? 100 : Math.max(0, Math.min(100, Math.floor((part / whole) * 1000) / 10));
