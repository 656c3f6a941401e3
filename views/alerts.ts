import { count } from "./format.ts";
import { onceFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, name, time } from "./text.ts";

export interface AlertsModel {
  readonly receivers: readonly ReceiverLine[];
  readonly alerts: readonly AlertLine[];
  readonly next: string | null;
  readonly first: boolean;
  /** What was given up, by receiver. */
  readonly dead: readonly { readonly name: string; readonly letters: readonly DeadLine[] }[];
  /** The test that somebody has just sent; `error` `null`: it was taken. */
  readonly tested: { readonly receiver: string; readonly error: string | null } | null;
  /** `null`: whoever looks may change nothing. */
  readonly csrf: string | null;
}
export interface ReceiverLine {
  readonly name: string;
  /** Empty: it is not in the config any more. */
  readonly events: readonly string[];
  readonly waiting: number;
  readonly behind: number;
  readonly oldestMs: number | null;
  readonly dead: number;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
  readonly lastDeliveredMs: number | null;
}
export interface AlertLine {
  readonly type: string;
  readonly text: string;
  readonly createdMs: number;
  readonly deliveries: readonly {
    readonly receiver: string;
    readonly state: "waiting" | "delivered" | "dead";
    readonly attempts: number;
    readonly nextMs: number | null;
    readonly endedMs: number | null;
    readonly lastError: string | null;
  }[];
}
export interface DeadLine {
  readonly id: string;
  readonly type: string;
  readonly text: string;
  readonly attempts: number;
  readonly endedMs: number | null;
  readonly lastError: string | null;
}

export const alertsPage = (model: AlertsModel): Html => html`<h1>Alerts</h1>
  ${model.tested !== null && told(model.tested)}
  ${
    model.receivers.length === 0
      ? html`<p class="panel empty">Nobody is told anything: the observer section of the config has no receiver, such as webhook, slack or smtp.</p>`
      : html`<section class="panel flush"><h2>Receivers</h2>${receiverTable(model)}</section>`
  }
  ${model.dead.map(({ name: receiver, letters }) => html`<section class="panel flush"><h2>Given up for ${name(receiver)}</h2>${deadTable(letters)}</section>`)}
  ${model.alerts.length === 0 ? html`<p class="panel empty">No alerts${model.first ? " yet" : " before these"}.</p>` : html`<section class="panel flush"><h2>Alerts</h2>${alertTable(model.alerts)}</section>`}
  <nav class="pager" aria-label="Paging">${model.first ? html`<span class="hint">Newest first</span>` : html`<a href="/dashboard/alerts">← Newest</a>`}
    ${model.next !== null && html`<a rel="next" href="${url("/dashboard/alerts", { after: model.next })}">Older →</a>`}</nav>`;

const told = ({ receiver, error }: NonNullable<AlertsModel["tested"]>): Html =>
  error === null
    ? html`<p class="banner" role="status">${name(receiver)} took the test.</p>`
    : html`<p class="banner bad" role="alert">${name(receiver)} did not take the test: ${cut(error, 200)}</p>`;

const receiverTable = ({
  receivers,
  csrf,
}: AlertsModel): Html => html`<div class="scroll"${scrolls("Receivers")}><table class="cards">
  <thead><tr><th scope="col">Receiver</th><th scope="col">State</th><th scope="col" class="num">Waiting</th><th scope="col" class="num">Given up</th><th scope="col">Last delivered</th><th scope="col">Last failure</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${receivers.map(
    (line) => html`<tr>
  <td><span>${name(line.name)}${(line.events.length === 0 ? ["not in the config"] : line.events).map((event) => html`<span class="sub">${event}</span>`)}</span></td>
  <td data-label="State">${state(line)}</td>
  <td data-label="Waiting" class="num"><span>${count(line.waiting + line.behind)}${line.oldestMs !== null && html`<span class="sub">since ${time(line.oldestMs)}</span>`}</span></td>
  <td data-label="Given up" class="num">${count(line.dead)}</td>
  <td data-label="Last delivered">${time(line.lastDeliveredMs)}</td>
  <td data-label="Last failure"><span>${time(line.lastErrorMs)}${line.lastError !== null && html`<span class="sub">${cut(line.lastError, 40)}</span>`}</span></td>
  <td>${csrf !== null && html`<div class="actions">${line.events.length > 0 && action(line.name, "test", "Send a test", csrf)}${(line.dead > 0 || failing(line)) && action(line.name, "retry", "Try again now", csrf)}</div>`}</td>
</tr>`,
  )}</tbody>
</table></div>`;

/** Its last delivery went wrong. */
const failing = ({ lastErrorMs, lastDeliveredMs, waiting, behind }: ReceiverLine): boolean =>
  waiting + behind > 0 && (lastErrorMs ?? 0) > (lastDeliveredMs ?? 0);

function state(line: ReceiverLine): Html {
  if (line.events.length === 0) return chip("quiet", "gone");
  if (failing(line)) return chip("bad", "failing");
  if (line.dead > 0) return chip("warn", "gave up some");
  return line.waiting + line.behind > 0 ? chip("info", "delivering") : chip("good", "up to date");
}

const action = (receiver: string, verb: "test" | "retry", label: string, csrf: string): Html =>
  html`<form method="post" action="${url(`/dashboard/alerts/${segment(receiver)}/${verb}`)}">${onceFields(csrf)}<button>${label}</button></form>`;

const alertTable = (
  alerts: readonly AlertLine[],
): Html => html`<div class="scroll"${scrolls("Alerts")}><table class="cards">
  <thead><tr><th scope="col">What</th><th scope="col">When</th><th scope="col">Told to</th></tr></thead>
  <tbody>${alerts.map(
    ({ type, text, createdMs, deliveries }) => html`<tr>
  <td class="prose"><span><bdi>${cut(text, 300)}</bdi><span class="sub">${type}</span></span></td>
  <td data-label="When">${time(createdMs)}</td>
  <td data-label="Told to"><span>${deliveries.map((delivery) => html`<span class="sub">${name(delivery.receiver)} ${delivered(delivery)}</span>`)}</span></td>
</tr>`,
  )}</tbody>
</table></div>`;

function delivered({ state: how, attempts, nextMs, endedMs }: AlertLine["deliveries"][number]): Html {
  if (how === "delivered") return html`${chip("good", "delivered")} ${time(endedMs)}`;
  if (how === "dead") return html`${chip("bad", "given up")} ${time(endedMs)}`;
  return attempts === 0
    ? chip("info", "waiting")
    : html`${chip("warn", `failed ${count(attempts)} ×`)} again ${time(nextMs)}`;
}

const deadTable = (
  letters: readonly DeadLine[],
): Html => html`<div class="scroll"${scrolls("Given up")}><table class="cards">
  <thead><tr><th scope="col">Event</th><th scope="col">Given up</th><th scope="col" class="num">Tries</th><th scope="col">Why</th></tr></thead>
  <tbody>${letters.map(
    ({ id, type, text, attempts, endedMs, lastError }) => html`<tr>
  <td class="prose"><span><bdi>${cut(text, 200)}</bdi><span class="sub">${type} ${cut(id, 80)}</span></span></td>
  <td data-label="Given up">${time(endedMs)}</td>
  <td data-label="Tries" class="num">${count(attempts)}</td>
  <td data-label="Why" class="prose">${cut(lastError ?? "", 200)}</td>
</tr>`,
  )}</tbody>
</table></div>`;
