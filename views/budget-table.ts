import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, money, name, time } from "./text.ts";

export interface BudgetLine {
  readonly id: string;
  readonly scopeKind: string;
  /** Name of what it is on, where it has one, else the id. */
  readonly scopeName: string;
  readonly window: string;
  /** `null`: UTC. */
  readonly timeZone: string | null;
  /** With the increase. */
  readonly limitNano: number;
  readonly increase: { readonly nano: number; readonly untilMs: number } | null;
  readonly onShortfall: "cap" | "refuse";
  readonly admission: "bound" | "expected";
  /** Of the limit: when spent, receivers of alerts are told. */
  readonly alertPercents: readonly number[];
  readonly spentNano: number;
  readonly heldNano: number;
  readonly windowStartMs: number;
  /** It counts no call that started before. */
  readonly createdMs: number;
  /** `null`: never. */
  readonly resetsAtMs: number | null;
}

export const budgetTable = (
  budgets: readonly BudgetLine[],
): Html => html`<div class="scroll"${scrolls("Budgets")}><table class="cards amounts">
  <thead><tr><th scope="col">On</th><th scope="col">Window</th><th scope="col">Used</th><th scope="col" class="num">Limit</th><th scope="col" class="num">Spent</th>
    <th scope="col" class="num">Held</th><th scope="col" class="num">Free</th><th scope="col">Resets</th><th scope="col">Alerts at</th></tr></thead>
  <tbody>${budgets.map(row)}</tbody>
</table></div>`;

const row = (budget: BudgetLine): Html => html`<tr>
  <td><span>${chip("quiet", budget.scopeKind)} <a href="${url(`/dashboard/budgets/${segment(budget.id)}`)}">${name(budget.scopeName)}</a></span></td>
  <td data-label="Window"><span>${budget.window}${budget.timeZone !== null && html`<span class="sub">${budget.timeZone}</span>`}</span></td>
  <td data-label="Used">${gauge(budget)}</td>
  <td data-label="Limit" class="num">${money(budget.limitNano)}${budget.increase !== null && html` ${chip("info", "raised")}`}</td>
  <td data-label="Spent" class="num">${money(budget.spentNano)}</td>
  <td data-label="Held" class="num">${money(budget.heldNano)}</td>
  <td data-label="Free" class="num">${free(budget)}</td>
  <td data-label="Resets">${resets(budget)}</td>
  <td data-label="Alerts at">${thresholds(budget)}</td>
</tr>`;

export function free({ limitNano, spentNano, heldNano }: BudgetLine): Html {
  const left = limitNano - spentNano - heldNano;
  return left < 0 ? html`<span>${chip("bad", "over")} ${money(0)}</span>` : money(left);
}

export const thresholds = ({ alertPercents }: BudgetLine): Html =>
  alertPercents.length === 0 ? html`<span class="none">none</span>` : html`${alertPercents.join(", ")} %`;

/** Rolling hours have no end, but what was spent leaves them. */
export const resets = ({ resetsAtMs, window }: BudgetLine): Html =>
  resetsAtMs === null ? html`<span class="none">${window === "lifetime" ? "never" : "–"}</span>` : time(resetsAtMs);

/** Spent and held as parts of the limit. */
export function gauge({
  limitNano,
  spentNano,
  heldNano,
}: Pick<BudgetLine, "limitNano" | "spentNano" | "heldNano">): Html {
  const spent = percent(spentNano, limitNano);
  const held = Math.min(100 - spent, percent(heldNano, limitNano));
  return html`<svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${spent} % spent, ${held} % held"><title>${spent} % spent, ${held} % held</title><rect class="rest" width="100" height="6" /><rect class="${spent >= 90 ? "wrong" : "fill"}" width="${spent}" height="6" /><rect class="held" x="${spent}" width="${held}" height="6" /></svg>`;
}

const percent = (part: number, whole: number): number =>
  whole <= 0 ? 100 : Math.max(0, Math.min(100, Math.floor((part / whole) * 1000) / 10));
