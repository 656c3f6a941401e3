import { gauge } from "./budget-table.ts";
import { chart } from "./chart.ts";
import { count, day, type Nano, usd } from "./format.ts";
import { onceFields } from "./form-fields.ts";
import { html, url, type Html } from "./html.ts";
import { secretPanel } from "./keys.ts";
import { limitGauge } from "./limit-table.ts";
import { scrolls } from "./scrolls.ts";
import { statusChip } from "./status.ts";
import { chip, date, money, name, time } from "./text.ts";
import { tile } from "./tile.ts";

export interface KeyHolderModel {
  readonly facts: KeyFacts;
  /** Of the last 30 days. */
  readonly total: Sums;
  readonly models: readonly (Sums & { readonly model: string })[];
  /** Left to right, without a gap. */
  readonly days: readonly { readonly startMs: number; readonly calls: number; readonly chargeNano: Nano }[];
  /** Newest first. */
  readonly calls: readonly HolderCall[];
  /** Of the next page. */
  readonly next: string | null;
  /** The new secret, on the answer that made it and never again. */
  readonly made: { readonly name: string; readonly secret: string } | null;
  readonly error: string | null;
  readonly csrf: string;
}
interface Sums {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly chargeNano: Nano;
}
export interface KeyFacts {
  readonly name: string;
  readonly prefix: string;
  readonly last4: string;
  readonly account: string;
  readonly expiresMs: number | null;
  readonly lastUsedMs: number | null;
  /** When the secret of this session ends; `null`: it is the present one. */
  readonly secretUntilMs: number | null;
  readonly olderSecrets: readonly { readonly prefix: string; readonly last4: string; readonly untilMs: number }[];
  /** What it may use, and what each of its accounts leaves of that; in words. */
  readonly allowed: readonly { readonly what: string; readonly of: string; readonly words: string }[];
  readonly budgets: readonly HolderBudget[];
  readonly balance: { readonly balanceNano: number; readonly heldNano: number; readonly binds: boolean } | null;
  readonly limits: readonly HolderLimit[];
  readonly mayRotate: boolean;
}
interface HolderBudget {
  /** `key`, `account` or `global`. */
  readonly on: string;
  readonly window: string;
  readonly limitNano: number;
  readonly spentNano: number;
  readonly heldNano: number;
  readonly resetsAtMs: number | null;
  readonly binds: boolean;
}
interface HolderLimit {
  readonly on: string;
  /** `60 requests a minute`. */
  readonly text: string;
  readonly enforce: boolean;
  readonly binds: boolean;
  /** `null`: nobody tells. */
  readonly use: {
    readonly amount: number;
    readonly used: number;
    readonly held: number;
    readonly left: string;
    readonly freeAtMs: number | null;
  } | null;
}
interface HolderCall {
  readonly callId: string;
  readonly createdMs: number;
  readonly model: string;
  readonly status: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly chargeNano: number | null;
}

const path = "/dashboard/me/key";

export function keyHolderPage(model: KeyHolderModel): Html {
  const { facts, total, made, error } = model;
  const { balance, secretUntilMs } = facts;
  return html`<div class="heading"><h1>${name(facts.name, 60)}</h1><code>${facts.prefix}…${facts.last4}</code></div>
  ${made !== null && secretPanel(made)}
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  ${secretUntilMs !== null && html`<p class="banner">You signed in with an older secret of this key. It works until ${time(secretUntilMs)}.</p>`}
  <div class="tiles">
    ${tile("Charged in 30 days", money(total.chargeNano), html`to ${name(facts.account, 32)}`)}
    ${tile("Calls in 30 days", html`${count(total.calls)}`, html`${count(total.inputTokens + total.outputTokens)} tokens`)}
    ${balance !== null && tile("Paid in advance", money(balance.balanceNano), html`${money(balance.heldNano)} held${balance.binds && html` ${binding()}`}`, balance.balanceNano <= 0 ? "bad" : "")}
    ${tile("Expires", date(facts.expiresMs), html`last used ${time(facts.lastUsedMs)}`)}
  </div>
  ${budgets(facts.budgets)}
  ${limits(facts.limits)}
  ${use(model)}
  ${calls(model)}
  ${facts.allowed.length > 0 && allowed(facts.allowed)}
  ${facts.olderSecrets.length > 0 && older(facts.olderSecrets)}
  ${facts.mayRotate && rotation(model.csrf)}`;
}

/** The colour never says more than the word. */
const binding = (): Html => chip("warn", "binds");

const budgets = (all: KeyFacts["budgets"]): Html =>
  html`<section class="panel flush"><h2>Budgets</h2>${
    all.length === 0
      ? html`<p class="empty">No budget counts the calls of this key.</p>`
      : html`<div class="scroll"${scrolls("Budgets")}><table class="cards">
  <thead><tr><th scope="col">On</th><th scope="col">Window</th><th scope="col">Used</th><th scope="col" class="num">Left</th><th scope="col" class="num">Of</th><th scope="col" class="num">Held</th><th scope="col">Resets</th></tr></thead>
  <tbody>${all.map(
    (budget) => html`<tr>
    <td><span>${chip("quiet", budget.on)}${budget.binds && html` ${binding()}`}</span></td>
    <td data-label="Window">${budget.window}</td>
    <td data-label="Used">${gauge(budget)}</td>
    <td data-label="Left" class="num">${money(Math.max(0, budget.limitNano - budget.spentNano - budget.heldNano))}</td>
    <td data-label="Of" class="num">${money(budget.limitNano)}</td>
    <td data-label="Held" class="num">${money(budget.heldNano)}</td>
    <td data-label="Resets">${budget.resetsAtMs === null ? html`<span class="none">${budget.window === "lifetime" ? "never" : "–"}</span>` : time(budget.resetsAtMs)}</td>
  </tr>`,
  )}</tbody></table></div>`
  }</section>`;

const limits = (all: KeyFacts["limits"]): Html =>
  html`<section class="panel flush"><h2>Limits</h2>${
    all.length === 0
      ? html`<p class="empty">No limit counts the calls of this key.</p>`
      : html`<div class="scroll"${scrolls("Limits")}><table class="cards">
  <thead><tr><th scope="col">On</th><th scope="col">Limit</th><th scope="col">Used now</th><th scope="col" class="num">Left</th><th scope="col">All free again</th></tr></thead>
  <tbody>${all.map(
    ({ on, text, enforce, binds, use: now }) => html`<tr>
    <td><span>${chip("quiet", on)}${binds && html` ${binding()}`}${!enforce && html` ${chip("info", "is only told of")}`}</span></td>
    <td data-label="Limit">${text}</td>
    <td data-label="Used now">${now === null ? html`<span class="none">–</span>` : limitGauge(now)}</td>
    <td data-label="Left" class="num">${now === null ? html`<span class="none">–</span>` : now.left}</td>
    <td data-label="All free again">${now === null || now.freeAtMs === null ? html`<span class="none">–</span>` : time(now.freeAtMs)}</td>
  </tr>`,
  )}</tbody></table></div>`
  }</section>`;

const use = ({ days, models }: KeyHolderModel): Html | false =>
  models.length > 0 &&
  html`<section class="panel"><h2>Charged per day</h2>${chart({
    caption: "Charged per day",
    axis: "Day (UTC)",
    bars: days.map(({ startMs, calls: made, chargeNano }) => ({
      label: day(startMs),
      value: Number(chargeNano),
      detail: `${usd(chargeNano)}, ${count(made)} calls`,
    })),
    format: (nano) => usd(Math.round(nano)),
  })}</section>
  <section class="panel flush"><h2>Models in 30 days</h2><div class="scroll"${scrolls("Models in 30 days")}><table class="lines">
    <thead><tr><th scope="col">Model</th><th scope="col" class="num">Calls</th><th scope="col" class="num wide">In</th><th scope="col" class="num wide">Out</th><th scope="col" class="num">Charged</th></tr></thead>
    <tbody>${models.map(
      (one) =>
        html`<tr><td>${name(one.model)}</td><td class="num">${count(one.calls)}</td><td class="num wide">${count(one.inputTokens)}</td><td class="num wide">${count(one.outputTokens)}</td><td class="num">${money(one.chargeNano)}</td></tr>`,
    )}</tbody></table></div></section>`;

const calls = ({ calls: all, next }: KeyHolderModel): Html => html`<section class="panel flush"><h2>Calls</h2>${
  all.length === 0
    ? html`<p class="empty">No calls.</p>`
    : html`<div class="scroll"${scrolls("Latest calls")}><table class="lines">
    <thead><tr><th scope="col">Time</th><th scope="col">Model</th><th scope="col">Status</th><th scope="col" class="num wide">In</th><th scope="col" class="num wide">Out</th><th scope="col" class="num">Charged</th></tr></thead>
    <tbody>${all.map(
      (call) => html`<tr>
      <td title="${call.callId}">${time(call.createdMs)}</td>
      <td>${name(call.model)}</td>
      <td>${statusChip(call.status)}</td>
      <td class="num wide">${count(call.inputTokens)}</td>
      <td class="num wide">${count(call.outputTokens)}</td>
      <td class="num">${money(call.chargeNano)}</td>
    </tr>`,
    )}</tbody></table></div>`
}</section>
  <nav class="pager" aria-label="Paging"><span></span>${next !== null && html`<a rel="next" href="${url(path, { after: next })}">Older →</a>`}</nav>`;

const allowed = (lines: KeyFacts["allowed"]): Html => html`<section class="panel"><h2>What it may use</h2>
  <ul class="plain">${lines.map(({ what, of, words }) => html`<li>${chip("quiet", of)} ${what}: ${name(words, 200)}</li>`)}</ul>
</section>`;

const older = (secrets: KeyFacts["olderSecrets"]): Html => html`<section class="panel">
  <h2>Older secrets that still work</h2>
  <ul class="plain">${secrets.map(({ prefix, last4, untilMs }) => html`<li><code>${prefix}…${last4}</code> until ${time(untilMs)}</li>`)}</ul>
</section>`;

const graces = [
  ["3600", "in an hour"],
  ["86400", "in a day"],
  ["604800", "in a week"],
  ["0", "at once"],
] as const;

const rotation = (csrf: string): Html => html`<details class="panel new">
  <summary>Rotate the secret</summary>
  <form method="post" action="${path}/rotation">
    ${onceFields(csrf)}
    <div class="fields"><label>The secrets until now end<select name="graceSeconds">${graces.map(([seconds, words]) => html`<option value="${seconds}">${words}</option>`)}</select></label></div>
    <div class="actions"><button class="primary">Make a new secret</button><span class="hint">Budgets, limits and records of the key go on.</span></div>
  </form>
</details>`;
