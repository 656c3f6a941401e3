import { callTable, type CallLine } from "./call-table.ts";
import { exportLinks } from "./export-links.ts";
import { option } from "./form-fields.ts";
import { html, url, type Html } from "./html.ts";
import { statuses, statusWord } from "./status.ts";
import { cut } from "./text.ts";

export interface CallListModel {
  readonly calls: readonly CallLine[];
  readonly filter: CallListFilter;
  /** Whether this is the newest page, which keeps itself up to date. */
  readonly first: boolean;
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
}
/** Empty is no filter. */
export interface CallListFilter {
  readonly model: string;
  readonly provider: string;
  readonly status: string;
  readonly key: string;
  /** Id; only its own calls, not those of accounts below it. */
  readonly account: string;
}
const filterFields = ["model", "provider", "status", "key", "account"] as const;

/** What the filter form offers. */
export interface CallChoices {
  readonly keys: readonly { readonly id: string; readonly label: string }[];
  readonly models: readonly string[];
  readonly providers: readonly string[];
}

export const callsPage = (
  list: CallListModel,
  choices: CallChoices,
): Html => html`<div class="heading"><h1>Calls</h1><a class="more" href="/dashboard/explain">What would become of a call</a></div>
  ${filterForm(list.filter, choices)}
  ${callList(list)}`;

/**
 * The part that is swapped. It carries the filter that it shows as hidden fields, so that a refresh asks for the same
 * rows whatever is being typed in the form meanwhile, and so that no data stands in an `hx-` attribute.
 */
export function callList({ calls, filter, first, next }: CallListModel): Html {
  return html`<div id="calls">
    ${
      first &&
      html`<fieldset id="shown" hidden data-poll hx-get="/dashboard/calls" hx-trigger="every 5s" hx-include="#shown" hx-target="#calls" hx-swap="outerMorph" hx-headers='{"x-poll":"1"}'>
      ${filterFields.map((field) => html`<input type="hidden" name="${field}" value="${filter[field]}">`)}
    </fieldset>`
    }
    ${calls.length === 0 ? empty(filter, first) : html`<div class="panel flush">${callTable(calls)}</div>`}
    <nav class="pager" aria-label="Paging">
      ${first ? html`<span class="hint">Latest ended first, refreshed every 5 seconds</span>` : html`<a href="${url("/dashboard/calls", { ...filter })}">← Newest</a>`}
      ${filter.status !== "open" && exportLinks("calls", "Export", { ...filter })}
      ${next !== null && html`<a rel="next" href="${url("/dashboard/calls", { ...filter, after: next })}">Older →</a>`}
    </nav>
  </div>`;
}

function empty(filter: CallListFilter, first: boolean): Html {
  const filtered = Object.values(filter).some((value) => value !== "");
  if (filtered)
    return html`<p class="panel empty">No call fits this filter. <a href="/dashboard/calls">Show all calls</a></p>`;
  return html`<p class="panel empty">${first ? "No calls yet. Point an SDK at this proxy and they appear here." : "No older calls."}</p>`;
}

const filterForm = (
  filter: CallListFilter,
  { keys, models, providers }: CallChoices,
): Html => html`<form id="filter" class="filter" method="get" action="/dashboard/calls" hx-get="/dashboard/calls" hx-trigger="change, submit" hx-target="#calls" hx-swap="outerHTML" hx-replace-url="true">
  <label>Model (whole name)<input name="model" value="${filter.model}" list="models" autocomplete="off" spellcheck="false" placeholder="any"></label>
  <label>Provider (whole name)<input name="provider" value="${filter.provider}" list="providers" autocomplete="off" spellcheck="false" placeholder="any"></label>
  <label>Status<select name="status">${option("", "any", filter.status)}${statuses.map((status) => option(status, statusWord(status), filter.status))}</select></label>
  <label>Key<select name="key">${option("", "any", filter.key)}${keys.map(({ id, label }) => option(id, cut(label, 60), filter.key))}</select></label>
  ${filter.account !== "" && html`<label>Account<input name="account" value="${filter.account}" readonly></label>`}
  <div class="actions"><button>Filter</button><a href="/dashboard/calls">Clear</a></div>
  <datalist id="models">${models.map((model) => html`<option value="${model}"></option>`)}</datalist>
  <datalist id="providers">${providers.map((provider) => html`<option value="${provider}"></option>`)}</datalist>
</form>`;
