import { exportLinks } from "./export-links.ts";
import { count } from "./format.ts";
import { option } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, name, time } from "./text.ts";

export interface AuditModel {
  readonly entries: readonly AuditLine[];
  readonly next: string | null;
  readonly first: boolean;
  /** Empty is no filter. */
  readonly filter: Readonly<Record<AuditFilterName, string>>;
}
export const auditFilters = ["actor", "action", "objectKind", "objectId", "from", "to"] as const;
type AuditFilterName = (typeof auditFilters)[number];

export interface AuditLine {
  readonly seq: number;
  readonly createdMs: number;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly actorName: string;
  readonly actorRole: string | null;
  readonly address: string | null;
  readonly route: string | null;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string | null;
  readonly accountId: string | null;
  readonly times: number;
  readonly hash: string | null;
  readonly changes: readonly AuditChange[];
}
/** `undefined`: it was not said on that side. */
export interface AuditChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

const path = "/dashboard/audit";

export const auditPage = (model: AuditModel): Html => html`<h1>Audit</h1>
  ${filterForm(model.filter)}
  ${model.entries.length === 0 ? html`<p class="panel empty">${model.next === null ? html`No entries${model.first ? "" : " before these"}.` : "None among the entries that were looked through. There are older ones."}</p>` : html`<div class="panel flush">${entryTable(model.entries)}</div>`}
  <nav class="pager" aria-label="Paging">${model.first ? html`<span class="hint">Newest first</span>` : html`<a href="${url(path, { ...model.filter })}">← Newest</a>`}
    ${exportLinks("audit", "Export all")}
    ${model.next !== null && html`<a rel="next" href="${url(path, { ...model.filter, after: model.next })}">Older →</a>`}</nav>`;

const filterForm = (filter: AuditModel["filter"]): Html => html`<form class="filter" method="get" action="${path}">
  <label>Who<input name="actor" value="${filter.actor}" placeholder="id, or as admin-token" autocomplete="off"></label>
  <label>Action<input name="action" value="${filter.action}" placeholder="as key.rotate" autocomplete="off"></label>
  <label>Kind of object<select name="objectKind"><option value="">any</option>${kinds.map((kind) => option(kind, kind, filter.objectKind))}</select></label>
  <label>Object<input name="objectId" value="${filter.objectId}" placeholder="id" autocomplete="off"></label>
  <label>From (UTC)<input type="date" name="from" value="${filter.from}"></label>
  <label>Through (UTC)<input type="date" name="to" value="${filter.to}"></label>
  <div class="actions"><button>Filter</button><a href="${path}">Clear</a></div>
</form>`;

const kinds = [
  "account",
  "budget",
  "call",
  "charge",
  "credential",
  "credit",
  "database",
  "key",
  "ledger",
  "limit",
  "person",
  "price",
  "receiver",
  "route",
  "session",
  "setting",
  "token",
];

const entryTable = (
  entries: readonly AuditLine[],
): Html => html`<div class="scroll"${scrolls("Entries")}><table class="cards">
  <thead><tr><th scope="col">Action</th><th scope="col">Object</th><th scope="col">Who</th><th scope="col">From</th><th scope="col">When</th><th scope="col">What</th></tr></thead>
  <tbody>${entries.map(
    (entry) => html`<tr>
  <td><a href="${url(`${path}/${entry.seq}`)}">${chip(toneOf(entry.action), cut(entry.action, 40))}</a>${entry.times > 1 && html` ${count(entry.times)}×`}</td>
  <td data-label="Object">${object(entry)}</td>
  <td data-label="Who">${who(entry)}</td>
  <td data-label="From">${name(entry.address)}</td>
  <td data-label="When">${time(entry.createdMs)}</td>
  <td data-label="What">${name(entry.changes.map(({ field }) => field).join(", "), 40)}</td>
</tr>`,
  )}</tbody>
</table></div>`;

export const auditEntryPage = (entry: AuditLine): Html => html`<p class="crumb"><a href="${path}">Audit</a></p>
  <div class="heading"><h1>${name(entry.action, 60)}</h1>${entry.times > 1 && chip("warn", `${count(entry.times)} times`)}</div>
  <section class="panel"><dl>${[
    ["Object", object(entry, 200)] as const,
    ["Who", who(entry)] as const,
    ["Role", name(entry.actorRole)] as const,
    ["From", name(entry.address)] as const,
    ["By", name(entry.route, 100)] as const,
    ["When", time(entry.createdMs)] as const,
    ["Account", entry.accountId === null ? name(null) : link("account", entry.accountId, 80)] as const,
    ["Number", String(entry.seq)] as const,
    ["Hash", entry.hash === null ? name(null) : html`<code>${entry.hash}</code>`] as const,
  ].map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl></section>
  <section class="panel flush"><h2>What was changed</h2>${entry.changes.length === 0 ? html`<p class="empty">Nothing is told of it.</p>` : difference(entry.changes)}</section>`;

const difference = (
  changes: readonly AuditChange[],
): Html => html`<div class="scroll"${scrolls("Changes")}><table class="cards">
  <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
  <tbody>${changes.map(
    ({ field, before, after }) => html`<tr>
  <td>${name(field, 60)}</td>
  <td data-label="Before">${shown(field, before)}</td>
  <td data-label="After">${shown(field, after)}</td>
</tr>`,
  )}</tbody>
</table></div>`;

function shown(field: string, value: unknown): Html {
  if (value === undefined) return html`<span class="none">not there</span>`;
  if (typeof value === "number" && field.endsWith("Ms")) return time(value);
  return name(typeof value === "string" ? value : JSON.stringify(value), 400);
}

const who = ({ actorKind, actorId, actorName }: AuditLine): Html =>
  actorId === null
    ? html`<span>${name(actorName)} ${actorKind !== "admin-token" && chip("quiet", cut(actorKind, 20))}</span>`
    : html`<span><a href="${url(path, { actor: actorId })}">${name(actorName)}</a>${actorKind === "api-token" && html` ${chip("quiet", "token")}`}</span>`;

const object = ({ objectKind, objectId }: AuditLine, most = 18): Html =>
  html`<span>${cut(objectKind, 20)} ${objectId !== null && link(objectKind, objectId, most)}</span>`;

const link = (kind: string, id: string, most: number): Html => {
  const place = places.get(kind);
  return place === undefined
    ? name(id, most)
    : html`<a href="${url(`/dashboard/${place}/${segment(id)}`)}">${name(id, most)}</a>`;
};

/** What has a page of its own. */
const places: ReadonlyMap<string, string> = new Map([
  ["account", "accounts"],
  ["budget", "budgets"],
  ["call", "calls"],
  ["key", "keys"],
  ["limit", "limits"],
  ["person", "people"],
]);

/** Below the page of something: what was done to it. */
export const historyLink = (kind: string, id: string): Html =>
  html`<p class="hint"><a href="${url(path, { objectKind: kind, objectId: id })}">History: who changed this, and what</a></p>`;

const toneOf = (action: string): "bad" | "warn" | "good" | "info" | "quiet" => {
  const what = action.slice(action.indexOf(".") + 1);
  if (["fail", "refuse", "deny"].includes(what)) return "bad";
  if (["remove", "revoke", "end"].includes(what)) return "warn";
  if (["create", "add", "set", "open"].includes(what)) return "good";
  return what === "done" ? "quiet" : "info";
};
