import { type ExplainModel, explainPanels, type Names } from "./explain.ts";
import { option } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { cut, name, time } from "./text.ts";

/** A call that is asked about, as it was typed. */
export interface DryRunFields {
  /** Id; empty: none. */
  readonly key: string;
  readonly account: string;
  readonly model: string;
  readonly input: string;
  readonly output: string;
  readonly stream: boolean;
}
export interface DryRunModel extends ExplainModel {
  readonly asked: { readonly model: string; readonly atMs: number };
  readonly principal: { readonly name: string; readonly accountId: string };
  readonly outcome: ExplainModel["outcome"] & {
    readonly status: string;
    readonly httpStatus: number | null;
    readonly message: string | null;
  };
  readonly warnings: readonly string[];
}
export interface DryRunPage {
  readonly fields: DryRunFields;
  readonly keys: readonly { readonly id: string; readonly label: string }[];
  readonly accounts: readonly { readonly id: string; readonly label: string }[];
  readonly models: readonly string[];
  /** What is wrong with what was typed; `null`: nothing. */
  readonly error: string | null;
  /** `null`: nothing was asked yet. */
  readonly told: DryRunModel | null;
  readonly names: Names;
}

export const dryRunPage = (model: DryRunPage): Html => html`<p class="crumb"><a href="/dashboard/calls">Calls</a></p>
  <h1>What would become of a call</h1>
  <p class="hint">As things stand now. Nothing is sent, held, counted or recorded.</p>
  ${form(model)}
  ${model.told !== null && answer(model.told, model.names)}`;

const form = ({
  fields,
  keys,
  accounts,
  models,
  error,
}: DryRunPage): Html => html`<form class="panel" method="get" action="/dashboard/explain" autocomplete="off">
  ${error !== null && html`<p class="error" role="alert">${cut(error, 300)}</p>`}
  <div class="fields">
    <label>Model<input name="model" value="${fields.model}" required maxlength="256" list="asked-models" spellcheck="false" placeholder="as a client names it"></label>
    <label>Key<select name="key">${option("", "none", fields.key)}${keys.map(({ id, label }) => option(id, cut(label, 60), fields.key))}</select></label>
    <label>Account, without a key<select name="account">${option("", "none", fields.account)}${accounts.map(({ id, label }) => option(id, cut(label, 60), fields.account))}</select></label>
    <label>Input tokens<input name="input" value="${fields.input}" inputmode="numeric" maxlength="8" placeholder="1000"></label>
    <label>Cap on the output<input name="output" value="${fields.output}" inputmode="numeric" maxlength="8" placeholder="none"></label>
    <label>Answer<select name="stream">${option("", "in one piece", fields.stream ? "yes" : "")}${option("yes", "as a stream", fields.stream ? "yes" : "")}</select></label>
  </div>
  <div class="actions"><button class="primary">Ask</button></div>
  <datalist id="asked-models">${models.map((one) => html`<option value="${one}"></option>`)}</datalist>
</form>`;

function answer(told: DryRunModel, names: Names): Html {
  const { status, httpStatus, message } = told.outcome;
  return html`${
    status === "would-pass"
      ? html`<p class="banner" role="status">It would be admitted. ${name(told.principal.name, 60)} asks for ${name(told.asked.model, 80)} at ${time(told.asked.atMs)}.</p>`
      : html`<p class="banner bad" role="status">It would be refused with ${httpStatus}: ${name(message, 600)}</p>`
  }
  ${told.warnings.length > 0 && html`<section class="panel"><h2>Warnings</h2><ul class="plain-list">${told.warnings.map((warning) => html`<li>${name(warning, 300)}</li>`)}</ul></section>`}
  ${explainPanels(told, "Why", names)}`;
}
