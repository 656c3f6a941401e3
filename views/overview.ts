import { callTable, type CallLine } from "./call-table.ts";
import { chart, type Bar } from "./chart.ts";
import { exportLinks } from "./export-links.ts";
import { count, duration, type Nano, share, spentNano, usd } from "./format.ts";
import { html, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { money, name } from "./text.ts";
import { tile } from "./tile.ts";

export interface OverviewModel {
  readonly today: Sum & Ends;
  readonly month: Sum & Ends;
  readonly open: number;
  /** Of today's good calls, in ms: half and 95 % of them took at most this; `null`: longer than any bucket. */
  readonly latency: { readonly p50: number | null; readonly p95: number | null } | null;
  /** Of `month`, in epoch ms, half-open. */
  readonly range: { readonly from: number; readonly to: number };
  /** Oldest first. */
  readonly spendByDay: readonly Bar[];
  /** 24 bars, from midnight UTC. */
  readonly callsByHour: readonly Bar[];
  readonly models: readonly Ranked[];
  readonly keys: readonly Ranked[];
  readonly recent: readonly CallLine[];
}
export interface Sum {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costNano: Nano | null;
  readonly chargeNano: Nano;
}
/** Calls that did not end well, by whose doing it was. */
export interface Ends {
  /** The provider failed, or the process stopped or died. */
  readonly failed: number;
  /** Never sent: a limit, a budget, a bad request. */
  readonly refused: number;
  /** The client went away before the end. */
  readonly left: number;
}
export interface Ranked extends Sum {
  readonly name: string;
}

export const overview = (
  model: OverviewModel,
): Html => html`<div class="heading"><h1>Overview</h1><span class="hint">${model.open === 1 ? "1 call" : `${count(model.open)} calls`} open now</span></div>
  ${figures(model)}
  <div class="columns">
    <section class="panel"><h2>Spend per day <span class="hint">30 days</span>${more(model, "day")}</h2>${chart({ caption: "Spend per day", axis: "Day", bars: model.spendByDay, format: usd })}</section>
    <section class="panel"><h2>Calls per hour <span class="hint">today</span></h2>${chart({ caption: "Calls per hour", axis: "Hour", bars: model.callsByHour, format: count })}</section>
    <section class="panel flush"><h2>Models <span class="hint">30 days, by spend</span>${more(model, "model")}</h2>${ranking("Model", model.models)}</section>
    <section class="panel flush"><h2>Keys <span class="hint">30 days, by spend</span>${more(model, "key")}</h2>${ranking("Key", model.keys)}</section>
  </div>
  <section class="panel flush"><h2>Latest calls <a class="more" href="/dashboard/calls">All calls</a></h2>
    ${model.recent.length === 0 ? html`<p class="empty">No calls yet. Point an SDK at this proxy and they appear here.</p>` : callTable(model.recent)}</section>`;

const more = ({ range }: OverviewModel, groupBy: string): Html =>
  html`<span class="more"><a href="${url("/dashboard/usage", { range: "30d", by: groupBy })}">Usage by ${groupBy}</a> ${exportLinks("usage", "", { from: String(range.from), to: String(range.to), groupBy })}</span>`;

const figures = ({
  today,
  month,
  latency,
}: OverviewModel): Html => html`<section class="tiles" aria-label="Today and the last 30 days">
  ${tile("Spend today", money(spentNano(today)), html`${money(spentNano(month))} in 30 days${charged(month)}`)}
  ${tile("Calls today", html`${count(today.calls)}`, html`${count(month.calls)} in 30 days${apart(today)}`)}
  ${tile("Tokens today", html`${count(today.inputTokens + today.outputTokens)}`, html`${count(month.inputTokens + month.outputTokens)} in 30 days`)}
  ${tile("Failed today", html`${count(today.failed)}`, html`${today.calls > 0 && html`${share(today.failed, today.calls)} of calls; `}${count(month.failed)} in 30 days`, today.failed > 0 ? "bad" : "")}
  ${latency && tile("Latency today", html`≤ ${took(latency.p50)}`, html`95 % of the good calls ≤ ${took(latency.p95)}`)}
</section>`;

const took = (ms: number | null): string => (ms === null ? "∞" : duration(ms));

/** What did not end well and is nobody's failure. */
const apart = ({ refused, left }: Ends): Html | null =>
  refused + left === 0
    ? null
    : html`; of today's, ${[refused > 0 && `${count(refused)} refused`, left > 0 && `${count(left)} left by the client`].filter(Boolean).join(", ")}`;

/** Cost is what the providers bill, charge what the accounts are billed; one figure is enough while they agree. */
const charged = ({ costNano, chargeNano }: Sum): Html | null =>
  costNano === null || costNano === chargeNano ? null : html`, ${money(chargeNano)} charged`;

function ranking(head: string, rows: readonly Ranked[]): Html {
  if (rows.length === 0) return html`<p class="empty">Nothing used yet.</p>`;
  return html`<div class="scroll"${scrolls(`${head}s`)}><table class="amounts">
    <thead><tr><th scope="col">${head}</th><th scope="col" class="num">Calls</th><th scope="col" class="num wide">Tokens</th><th scope="col" class="num">Spend</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><td>${name(row.name)}</td><td class="num">${count(row.calls)}</td><td class="num wide">${count(row.inputTokens + row.outputTokens)}</td><td class="num">${money(spentNano(row))}</td></tr>`)}</tbody>
  </table></div>`;
}
