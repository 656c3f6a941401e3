import { change, clock, count, day, type Nano, spentNano, usd } from "./format.ts";
import { html, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { statusChip } from "./status.ts";
import { date, money, name } from "./text.ts";

/** What is summed of calls. */
export interface UsageSums {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly costNano: Nano | null;
  readonly chargeNano: Nano;
}
/** `before`: the period before; `null`: nothing is compared. */
export interface UsagePair {
  readonly now: UsageSums;
  readonly before: UsageSums | null;
}
export interface UsageLine extends UsagePair {
  /** What it is the sum of, one for each grouping. */
  readonly cells: readonly Cell[];
}
export type Cell =
  | { readonly field: "day" | "hour"; readonly startMs: number }
  | {
      readonly field: "account" | "key" | "model" | "provider" | "status";
      /** `null`: calls without one. */
      readonly id: string | null;
      readonly name: string | null;
    };
export interface UsageTableModel {
  readonly groupBy: readonly Cell["field"][];
  readonly rows: readonly UsageLine[];
  readonly others: (UsagePair & { readonly groups: number }) | null;
  readonly total: UsagePair;
  readonly costIsHidden: boolean;
  /** How much earlier the period before is. */
  readonly shiftMs: number;
}

/** The columns, which a chart can be of too. */
export const measures = [
  { id: "calls", label: "Calls", isMoney: false, of: ({ calls }: UsageSums) => calls },
  { id: "input", label: "Tokens in", isMoney: false, of: ({ inputTokens }: UsageSums) => inputTokens },
  { id: "output", label: "Tokens out", isMoney: false, of: ({ outputTokens }: UsageSums) => outputTokens },
  { id: "cache-read", label: "Cache read", isMoney: false, of: ({ cacheReadTokens }: UsageSums) => cacheReadTokens },
  {
    id: "cache-write",
    label: "Cache write",
    isMoney: false,
    of: ({ cacheWriteTokens }: UsageSums) => cacheWriteTokens,
  },
  { id: "spend", label: "Cost", isMoney: true, of: (sums: UsageSums) => spentNano(sums) },
  { id: "charge", label: "Charged", isMoney: true, of: ({ chargeNano }: UsageSums) => chargeNano },
] as const;
export type Measure = (typeof measures)[number];

/** To whom no cost is told, what is spent is what is charged. */
export const measuresFor = (costIsHidden: boolean): readonly (Omit<Measure, "label"> & { readonly label: string })[] =>
  costIsHidden
    ? measures.flatMap((one) => (one.id === "charge" ? [] : [one.id === "spend" ? { ...one, label: "Charged" } : one]))
    : measures;

export const groupLabels: Readonly<Record<Cell["field"], string>> = {
  account: "Account",
  key: "Key",
  model: "Model",
  provider: "Provider",
  status: "Status",
  day: "Day",
  hour: "Hour",
};

export const inText = (value: Nano, isMoney: boolean): string => (isMoney ? usd(value) : count(value));

export function usageTable(model: UsageTableModel): Html {
  const { groupBy, rows, others, total } = model;
  const columns = measuresFor(model.costIsHidden);
  const sums = (pair: UsagePair) => columns.map((column) => sumCell(column, pair));
  return html`<div class="scroll"${scrolls("Usage")}><table class="cards">
    <caption class="unseen">Usage by ${groupBy.map((field) => groupLabels[field].toLowerCase()).join(" and ")}, the dearest first</caption>
    <thead><tr>${groupBy.map((field) => html`<th scope="col">${groupLabels[field]}</th>`)}${columns.map(({ id, label }) => html`<th scope="col" class="num"${id === "spend" && html` aria-sort="descending"`}>${label}</th>`)}</tr></thead>
    <tbody class="total"><tr><td colspan="${groupBy.length}">Total</td>${sums(total)}</tr></tbody>
    <tbody>${rows.map((row) => html`<tr>${row.cells.map((cell, at) => groupCell(cell, at, model, row.before !== null))}${sums(row)}</tr>`)}${
      others && html`<tr><td colspan="${groupBy.length}">${count(others.groups)} others</td>${sums(others)}</tr>`
    }</tbody>
  </table></div>`;
}

function sumCell(
  { label, isMoney, of }: Pick<Measure, "isMoney" | "of"> & { readonly label: string },
  pair: UsagePair,
): Html {
  const value = of(pair.now);
  const shown = isMoney ? money(value) : count(value);
  if (pair.before === null) return html`<td data-label="${label}" class="num">${shown}</td>`;
  const before = of(pair.before);
  return html`<td data-label="${label}" class="num"><span>${shown}<span class="sub">was ${inText(before, isMoney)}</span><span class="sub">${change(value, before)}</span></span></td>`;
}

function groupCell(cell: Cell, at: number, { shiftMs }: UsageTableModel, isCompared: boolean): Html {
  const label = at > 0 && html` data-label="${groupLabels[cell.field]}"`;
  if ("startMs" in cell) {
    const beforeMs = cell.startMs - shiftMs;
    const against =
      isCompared &&
      html`<span class="sub">was ${day(beforeMs)}${cell.field === "hour" && ` ${clock(beforeMs)}`}</span>`;
    return html`<td${label}><span>${date(cell.startMs)}${cell.field === "hour" && ` ${clock(cell.startMs)}`}${against}</span></td>`;
  }
  if (cell.id === null) return html`<td${label}><span class="none">without a ${cell.field}</span></td>`;
  const shown = cell.field === "status" ? statusChip(cell.id) : name(cell.name);
  return html`<td${label} class="cut"><a href="${url("/dashboard/calls", { [cell.field]: cell.id })}">${shown}</a></td>`;
}
