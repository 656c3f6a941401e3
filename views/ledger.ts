import { exportLinks } from "./export-links.ts";
import { count } from "./format.ts";
import { onceFields, option } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, date, money, name, time } from "./text.ts";

export interface LedgerModel {
  readonly entries: readonly EntryLine[];
  /** Cursors of this page, `null` for the first, and of the next one. */
  readonly after: string | null;
  readonly next: string | null;
  /** Empty is no filter. */
  readonly filter: { readonly account: string; readonly kind: string };
  /** Paged for itself. */
  readonly balances: {
    readonly lines: readonly BalanceLine[];
    readonly after: string | null;
    readonly next: string | null;
  };
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
  /** `null`: whoever looks may give no credit. */
  readonly form: CreditFormModel | null;
  readonly retention: RetentionModel;
}
/** How long calls are kept, in days; `null`: for ever. Times in ms; `null`: there is no such call. */
export interface RetentionModel {
  readonly keepDays: number | null;
  readonly oldestMs: number | null;
  readonly goneBeforeMs: number | null;
  readonly goneCalls: number;
  readonly lastMs: number | null;
}
export interface EntryLine {
  readonly kind: "charge" | "adjustment" | "credit" | "expiry";
  readonly accountId: string;
  readonly accountName: string;
  readonly callId: string | null;
  readonly deltaNano: number;
  readonly createdMs: number;
  readonly expiresMs: number | null;
  readonly note: string | null;
}
export interface BalanceLine {
  readonly accountId: string;
  readonly accountName: string;
  readonly balanceNano: number;
  readonly heldNano: number;
  readonly sinceMs: number;
}
export interface CreditFormModel {
  readonly values: Readonly<Record<string, string>>;
  readonly error: string | null;
  readonly csrf: string;
}

export const ledgerPage = (model: LedgerModel): Html => html`<h1>Ledger</h1>
  ${model.form !== null && creditForm(model.form, model.accounts)}
  ${model.balances.lines.length > 0 && html`<section class="panel flush" id="balances"><h2>Balances</h2>${balanceTable(model.balances.lines)}${balancePager(model)}</section>`}
  ${filterForm(model)}
  ${model.entries.length === 0 ? html`<p class="panel empty">No entries${model.after === null ? "" : " before these"}.</p>` : html`<div class="panel flush">${entryTable(model.entries)}</div>`}
  <nav class="pager" aria-label="Paging">${model.after === null ? html`<span class="hint">Newest first</span>` : html`<a href="${pageOf(model, { after: null })}">← Newest</a>`}
    ${exportLinks("ledger", "Export", { ...model.filter })}
    ${model.next !== null && html`<a rel="next" href="${pageOf(model, { after: model.next })}">Older →</a>`}</nav>
  <p class="hint">${retention(model.retention)}</p>`;

/** One of entries or balances, with the other as it is. */
const pageOf = (
  { filter, after, balances }: LedgerModel,
  to: { readonly after: string | null } | { readonly balances: string | null },
): string => url("/dashboard/ledger", { ...filter, after, balances: balances.after, ...to });

const balancePager = (model: LedgerModel): Html | false => {
  const { after, next } = model.balances;
  if (after === null && next === null) return false;
  return html`<nav class="pager" aria-label="Paging of balances">
    ${after === null ? html`<span class="hint">Prepaid most recently first</span>` : html`<a href="${pageOf(model, { balances: null })}#balances">← Newest</a>`}
    ${next !== null && html`<a href="${pageOf(model, { balances: next })}#balances">Older balances →</a>`}</nav>`;
};

/** What the entries can still be traced to. */
const retention = ({ keepDays, oldestMs, goneBeforeMs, goneCalls, lastMs }: RetentionModel): Html =>
  html`Calls are kept ${keepDays === null ? "for ever" : `for ${keepDays} ${keepDays === 1 ? "day" : "days"}`}${oldestMs !== null && html`; the oldest is of ${date(oldestMs)}`}.${
    goneBeforeMs !== null &&
    lastMs !== null &&
    html` ${count(goneCalls)} from before ${date(goneBeforeMs)} were deleted, the last ${time(lastMs)}: their entries here and their sums stay.`
  }`;

const creditForm = (
  { values, error, csrf }: CreditFormModel,
  accounts: LedgerModel["accounts"],
): Html => html`<details class="panel new" id="new-credit"${error !== null && html` open`}>
  <summary>Credit an account</summary>
  <form method="post" action="/dashboard/ledger/credits">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Account${accountChoice("accountId", accounts, values["accountId"], "choose one", true)}</label>
      <label>USD<input name="usd" value="${values["usd"]}" required inputmode="decimal" autocomplete="off"></label>
      <label>Expires after (UTC)<input type="date" name="expires" value="${values["expires"]}"></label>
      <label>Note<input name="note" value="${values["note"]}" maxlength="100" autocomplete="off" placeholder="e.g. an invoice's number"></label>
    </div>
    <div class="actions"><button class="primary">Credit</button><span class="hint">With its first credit an account is prepaid: its calls stop when the balance is used.</span></div>
  </form>
</details>`;

const accountChoice = (
  field: string,
  accounts: LedgerModel["accounts"],
  chosen: string | undefined,
  none: string,
  required = false,
): Html =>
  html`<select name="${field}"${required && html` required`}><option value="">${none}</option>${accounts.map(
    ({ id, name: label }) => option(id, label, chosen),
  )}</select>`;

const filterForm = ({
  filter,
  accounts,
}: LedgerModel): Html => html`<form class="filter" method="get" action="/dashboard/ledger">
  <label>Account${accountChoice("account", accounts, filter.account, "any")}</label>
  <label>Kind<select name="kind"><option value="">any</option>${["charge", "adjustment", "credit", "expiry"].map((kind) => option(kind, kind, filter.kind))}</select></label>
  <div class="actions"><button>Filter</button><a href="/dashboard/ledger">Clear</a></div>
</form>`;

const balanceTable = (
  balances: readonly BalanceLine[],
): Html => html`<div class="scroll"${scrolls("Balances")}><table class="cards">
  <thead><tr><th scope="col">Account</th><th scope="col" class="num">Balance</th><th scope="col" class="num">Held</th><th scope="col">Prepaid since</th></tr></thead>
  <tbody>${balances.map(
    (balance) => html`<tr>
  <td><a href="${accountPath(balance)}">${name(balance.accountName)}</a></td>
  <td data-label="Balance" class="num">${balance.balanceNano <= 0 && chip("bad", "used")} ${money(balance.balanceNano)}</td>
  <td data-label="Held" class="num">${money(balance.heldNano)}</td>
  <td data-label="Prepaid since">${date(balance.sinceMs)}</td>
</tr>`,
  )}</tbody>
</table></div>`;

const entryTable = (
  entries: readonly EntryLine[],
): Html => html`<div class="scroll"${scrolls("Entries")}><table class="cards">
  <thead><tr><th scope="col">Account</th><th scope="col">Kind</th><th scope="col" class="num">Amount</th><th scope="col">When</th><th scope="col">What for</th></tr></thead>
  <tbody>${entries.map(
    (entry) => html`<tr>
  <td><a href="${accountPath(entry)}">${name(entry.accountName)}</a></td>
  <td data-label="Kind">${chip(tones[entry.kind], entry.kind)}</td>
  <td data-label="Amount" class="num">${money(entry.deltaNano)}</td>
  <td data-label="When">${time(entry.createdMs)}</td>
  <td data-label="What for">${whatFor(entry)}</td>
</tr>`,
  )}</tbody>
</table></div>`;

function whatFor({ kind, callId, note, expiresMs }: EntryLine): Html {
  if (callId === null && kind === "charge") return html`<span class="sub">a call that is not kept any more</span>`;
  if (callId !== null) return html`<a href="${url(`/dashboard/calls/${segment(callId)}`)}">call</a>`;
  return html`<span>${note !== null && name(note)}${expiresMs !== null && html`<span class="sub">expires ${time(expiresMs)}</span>`}</span>`;
}

const accountPath = ({ accountId }: { readonly accountId: string }): string =>
  url(`/dashboard/accounts/${segment(accountId)}`);

const tones = { charge: "quiet", adjustment: "info", credit: "good", expiry: "warn" } as const;
