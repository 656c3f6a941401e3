import { type Bar, chart } from "./chart.ts";
import { exportLinks } from "./export-links.ts";
import { option } from "./form-fields.ts";
import { html, url, type Html } from "./html.ts";
import { offered } from "./offered.ts";
import { cut, date } from "./text.ts";
import {
  type Cell,
  groupLabels,
  inText,
  type Measure,
  measuresFor,
  usageTable,
  type UsageTableModel,
} from "./usage-table.ts";

export interface UsageModel {
  readonly fields: UsageFields;
  /** Those that the form offers. */
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
  readonly costIsHidden: boolean;
  /** `null`: what was asked is not understood, as `error` says. */
  readonly report: UsageReportModel | null;
  readonly error: string | null;
}
/** What the address of the page says, as it was typed. Empty is none. */
export interface UsageFields {
  /** Empty: two dates. */
  readonly range: string;
  readonly from: string;
  readonly to: string;
  readonly by: string;
  readonly and: string;
  /** Id of an account, for it with all below it. */
  readonly under: string;
  readonly measure: string;
  readonly compare: string;
}
export interface UsageReportModel extends Omit<UsageTableModel, "shiftMs"> {
  /** In epoch ms, half-open. */
  readonly span: Span;
  readonly before: Span | null;
  /** Today is in it. */
  readonly isRunning: boolean;
  readonly under: string | null;
  readonly measure: Measure;
  readonly unit: "hour" | "day";
  /** Oldest first. */
  readonly bars: readonly Bar[];
}
interface Span {
  readonly from: number;
  readonly to: number;
}

export const usageRanges = [
  { id: "today", label: "Today" },
  { id: "7d", label: "7 days" },
  { id: "30d", label: "30 days" },
  { id: "month", label: "This month" },
  { id: "last-month", label: "Last month" },
] as const;
export type UsageGroupName = Cell["field"];
// The keys of the table are its type.
export const usageGroups = (Object.keys(groupLabels) as UsageGroupName[]).map((id) => ({ id, label: groupLabels[id] }));

export const usagePage = (
  model: UsageModel,
): Html => html`<div class="heading"><h1>Usage</h1>${model.report && html`<span class="hint">${period(model.report)}</span>`}</div>
  <nav class="tabs" aria-label="Range">${usageRanges.map(
    ({ id, label }) =>
      html`<a href="${url("/dashboard/usage", { ...model.fields, range: id, from: "", to: "" })}"${id === model.fields.range && html` aria-current="page"`}>${label}</a>`,
  )}</nav>
  ${model.error !== null && html`<p class="banner bad" role="alert">${model.error}</p>`}
  ${form(model)}
  ${model.report && report(model.report)}`;

const period = ({ span, before, isRunning }: UsageReportModel): Html =>
  html`${days(span)}${isRunning && ", today so far"}${before && html`; before: ${days(before)}`}`;

function days({ from, to }: Span): Html {
  const last = to - 1;
  return to - from <= dayMs ? date(from) : html`${date(from)} – ${date(last)}`;
}

const dayMs = 24 * 3_600_000;

const form = ({
  fields,
  accounts,
  costIsHidden,
}: UsageModel): Html => html`<form class="filter four" method="get" action="/dashboard/usage">
  ${fields.range !== "" && html`<input type="hidden" name="range" value="${fields.range}">`}
  <label>First day (UTC)<input type="date" name="from" value="${fields.from}"></label>
  <label>Last day (UTC)<input type="date" name="to" value="${fields.to}"></label>
  <label>Group by<select name="by">${usageGroups.map(({ id, label }) => option(id, label, fields.by))}</select></label>
  <label>And by<select name="and">${option("", "nothing else", fields.and)}${usageGroups.map(({ id, label }) => option(id, label, fields.and))}</select></label>
  <label>Account, with all below it<select name="under">${option("", "all", fields.under)}${offered(accounts, fields.under).map(({ id, name }) => option(id, cut(name, 60), fields.under))}</select></label>
  <label>Chart of<select name="measure">${measuresFor(costIsHidden).map(({ id, label }) => option(id, label, fields.measure))}</select></label>
  <label>Compare with<select name="compare">${option("", "nothing", fields.compare)}${option("before", "the days before", fields.compare)}</select></label>
  <div class="actions"><button>Show</button><a href="/dashboard/usage">Clear</a></div>
</form>`;

function report(model: UsageReportModel): Html {
  const { span, before, measure, unit, bars, total } = model;
  if (total.now.calls === 0 && (total.before?.calls ?? 0) === 0)
    return html`<p class="panel empty">Nothing was used in these days.</p>`;
  const caption = `${measuresFor(model.costIsHidden).find(({ id }) => id === measure.id)?.label ?? measure.label} per ${unit}`;
  const figures = chart({ caption, axis: groupLabels[unit], bars, format: (value) => inText(value, measure.isMoney) });
  return html`<section class="panel"><h2>${caption}</h2>${figures}</section>
  <section class="panel flush"><h2>By ${model.groupBy.map((field) => groupLabels[field].toLowerCase()).join(" and ")} <span class="hint">the dearest first</span><span class="more">${files(model, span, before ? "This period" : "Export")}${before && html` ${files(model, before, "Before")}`}</span></h2>
    ${usageTable({ ...model, shiftMs: span.to - span.from })}</section>`;
}

/** No call is from before 1970, and the API takes no such time. */
const files = ({ groupBy, under }: UsageReportModel, { from, to }: Span, label: string): Html =>
  exportLinks("usage", label, {
    from: String(Math.max(0, from)),
    to: String(Math.max(0, to)),
    groupBy: groupBy.join(),
    under: under ?? "",
  });
