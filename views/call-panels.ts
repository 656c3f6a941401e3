import type { AdjustmentLine, AttemptLine, CallModel } from "./call.ts";
import { target } from "./call-table.ts";
import { termsInWords } from "./charges.ts";
import { costIsHidden, count, duration } from "./format.ts";
import { html, type Html, segment, url, type Value } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, money, name, time } from "./text.ts";
import { unitPrice } from "./unit-price.ts";

/** The parts of the page of one call, below its figures. */
export const callPanels = (call: CallModel): Html => html`
  ${call.error !== null && html`<p class="banner bad">${name(call.error, 600)}</p>`}
  ${call.warnings.length > 0 && html`<section class="panel"><h2>Warnings</h2><ul class="plain-list">${call.warnings.map((warning) => html`<li>${name(warning, 300)}</li>`)}</ul></section>`}
  <div class="columns">
    <section class="panel"><h2>Who asked</h2>${facts(who(call))}</section>
    <section class="panel"><h2>What answered</h2>${facts(answer(call))}</section>
    <section class="panel"><h2>Tokens</h2>${tokens(call)}</section>
    <section class="panel"><h2>${costIsHidden(call) ? "Charge" : "Cost"}</h2>${cost(call)}</section>
  </div>
  ${call.adjustments.length > 0 && html`<section class="panel"><h2>Adjustments</h2>${adjustments(call.adjustments, costIsHidden(call))}</section>`}
  <section class="panel"><h2>Attempts</h2>${attempts(call)}</section>`;

const facts = (entries: readonly (readonly [string, Value])[]): Html =>
  html`<dl>${entries.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;

const who = (call: CallModel): readonly (readonly [string, Value])[] => [
  ["Key", name(call.keyName)],
  ["Principal", name(call.principal, 60)],
  ...Object.entries(call.labels ?? {}).map(([label, value]) => [`Label ${label}`, name(value, 100)] as const),
  ["Account", account(call)],
  ["Dialect", name(call.dialect)],
  ["Operation", html`${name(call.operation)} ${call.stream && chip("quiet", "stream")}`],
  ["Model asked", name(call.model, 80)],
];

/** One that was removed since is known by its id. */
function account({ accountId, line }: CallModel): Html {
  const its = line.find(({ id }) => id === accountId)?.name;
  if (its === undefined) return name(accountId, 60);
  return html`<a href="${url(`/dashboard/accounts/${segment(accountId)}`)}">${name(its, 60)}</a>`;
}

const answer = (call: CallModel): readonly (readonly [string, Value])[] => [
  ["Target", target(call.provider, call.upstreamModel)],
  ["HTTP status", name(call.httpStatus === null ? null : String(call.httpStatus))],
  ["Finish reason", name(call.finishReason)],
  ["Error kind", name(call.errorKind)],
  ["Admitted", time(call.createdMs)],
  [
    "First byte",
    html`${time(call.ttftMs === null ? null : call.createdMs + call.ttftMs)}${call.ttftMs !== null && html` <span class="hint">after ${duration(call.ttftMs)}</span>`}`,
  ],
  [
    "Finished",
    html`${time(call.finishedMs)}${call.durationMs !== null && html` <span class="hint">after ${duration(call.durationMs)}</span>`}`,
  ],
  ...(call.replays === 0
    ? []
    : [["Replayed", html`${count(call.replays)}× <span class="hint">for its Idempotency-Key</span>`] as const]),
];

/** A part is always contained in its total, so the fresh input is what the cache did not serve or take. */
function tokens(call: CallModel): Html {
  const { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWrite1hTokens } = call;
  const fresh =
    inputTokens === null ? null : Math.max(0, inputTokens - (cacheReadTokens ?? 0) - (cacheWriteTokens ?? 0));
  const rows: readonly (readonly [string, number | null, boolean])[] = [
    ["Input", inputTokens, false],
    ["fresh", fresh, true],
    ["read from cache", cacheReadTokens, true],
    ["written to cache", cacheWriteTokens, true],
    ["of that for one hour", cacheWrite1hTokens, true],
    ["Output", call.outputTokens, false],
    ["reasoning", call.reasoningTokens, true],
  ];
  return html`<table><tbody>${rows.map(([label, value, part]) => html`<tr class="${part && "part"}"><th scope="row">${label}</th><td class="num">${count(value)}</td></tr>`)}</tbody></table>
    ${facts([["Counted by", html`${name(call.source)} ${call.anomalous && chip("warn", "corrected")}`]])}`;
}

const cost = (call: CallModel): Html => html`${
  call.lines.length > 0 &&
  html`<div class="scroll"${scrolls("Cost")}><table><thead><tr><th scope="col">Item</th><th scope="col" class="num">Quantity</th><th scope="col" class="num">USD</th></tr></thead>
      <tbody>${call.lines.map((line) => html`<tr><td>${name(line.item)} ${line.tier !== undefined && chip("quiet", cut(line.tier, 20))}</td><td class="num">${count(line.quantity)}</td><td class="num">${unitPrice(line.item, line.price)}</td></tr>`)}</tbody></table></div>`
}
  ${facts([
    ...(costIsHidden(call) ? [] : [["Cost", money(call.costNano)] as const]),
    ["Charged", money(call.chargeNano)],
    ...(call.terms === null ? [] : [["Terms", terms(call.terms)] as const]),
    ...(call.serviceTier === null ? [] : [["Service tier", name(call.serviceTier, 40)] as const]),
    ["Held at admission", money(call.heldNano)],
    ["Price version", name(call.priceVersion, 60)],
  ])}`;

/** Those that were set through the API or a page have a page; those of the file are named by their digest. */
const terms = ({ version, ...rest }: NonNullable<CallModel["terms"]>): Html =>
  html`${termsInWords(rest)}<span class="sub">${version.startsWith("database:") ? html`<a href="/dashboard/prices/charges">${name(version, 60)}</a>` : name(version, 60)}</span>`;

/** What re-rating has changed since; cost and charge have it in them. */
const adjustments = (
  entries: readonly AdjustmentLine[],
  hidden: boolean,
): Html => html`<div class="scroll"${scrolls("Adjustments")}><table>
  <thead><tr><th scope="col">When</th><th scope="col">Why</th>${!hidden && html`<th scope="col" class="num">Cost</th>`}<th scope="col" class="num">Charge</th><th scope="col">Price version</th></tr></thead>
  <tbody>${entries.map(
    (
      entry,
    ) => html`<tr><td>${time(entry.createdMs)}</td><td>${name(entry.reason, 80)}<span class="sub">by ${cut(entry.author, 40)}</span></td>
    ${!hidden && html`<td class="num">${money(entry.costDeltaNano)}</td>`}<td class="num">${money(entry.chargeDeltaNano)}</td><td>${name(entry.priceVersion, 60)}</td></tr>`,
  )}</tbody></table></div>`;

function attempts(call: CallModel): Html {
  if (call.attempts.length === 0)
    return html`<p class="hint">${withoutAttempts[call.status] ?? "The call was not sent to a provider."}</p>`;
  return html`<div class="scroll"${scrolls("Attempts")}><table>
    <thead><tr><th scope="col" class="num">#</th><th scope="col">Target</th><th scope="col">Status</th><th scope="col">Sent</th><th scope="col">Answer began</th><th scope="col">Billed</th><th scope="col">Upstream id</th></tr></thead>
    <tbody>${call.attempts.map(attempt)}</tbody>
  </table></div>`;
}

/** They are recorded when a call ends. */
const withoutAttempts: Readonly<Record<string, string>> = {
  open: "Told when the call has ended.",
  interrupted: "Not known: the proxy ended before the call.",
};

const attempt = (entry: AttemptLine, index: number): Html => html`<tr>
  <td class="num">${index + 1}</td><td>${target(entry.provider, entry.upstreamModel)}</td>
  <td>${statusOf(entry)}${entry.fault && html`<span class="sub">${cut(entry.fault, 60)}</span>`}</td><td>${after(entry.sentMs)}</td><td>${entry.fault ? name(null) : after(entry.tookMs)}</td><td>${entry.billed ? "yes" : "no"}</td><td>${name(entry.upstreamId, 60)}</td>
</tr>`;

/** A provider that answers itself has no HTTP status. */
const statusOf = ({ status, tookMs = null, fault = null }: AttemptLine): number | string =>
  status ?? (tookMs !== null && fault === null ? "answered" : "no answer");

const after = (ms: number | null | undefined): Html =>
  ms === null || ms === undefined ? name(null) : html`after ${duration(ms)}`;
