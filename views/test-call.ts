import { count, duration } from "./format.ts";
import { formFields } from "./form-fields.ts";
import { html, type Html, segment, url } from "./html.ts";
import { statusChip } from "./status.ts";
import { cut, money, name } from "./text.ts";

export interface TestedLine {
  readonly callId: string;
  readonly httpStatus: number;
  readonly text: string | null;
  readonly error: string | null;
  readonly record: {
    readonly status: string;
    readonly provider: string | null;
    readonly upstreamModel: string | null;
    readonly inputTokens: number | null;
    readonly outputTokens: number | null;
    readonly costNano: number | null;
    readonly ttftMs: number | null;
    readonly durationMs: number | null;
    readonly finishReason: string | null;
    readonly attempts: readonly unknown[];
  } | null;
}
export interface TestCallModel {
  readonly model: string;
  /** Names to choose from. */
  readonly models: readonly string[];
  readonly csrf: string;
  /** `null`: none has been made. */
  readonly tested: TestedLine | null;
  /** What is wrong with what was typed. */
  readonly error: string | null;
}

export const testCallPage = (
  model: TestCallModel,
): Html => html`<p class="crumb"><a href="/dashboard/providers">Providers</a></p>
  <h1>Test call</h1>
  ${testCallForm(model)}`;

/** The result comes below the form; without a script on a page of its own. */
export const testCallForm = ({
  model,
  models,
  csrf,
  tested,
  error,
}: TestCallModel): Html => html`<section class="panel">
  <h2>Make a test call <span class="hint">one small call in your name: recorded, limited and billed like any other, to the account test-calls</span></h2>
  <form method="post" action="/dashboard/test-call" hx-post="/dashboard/test-call" hx-target="#tested" hx-swap="innerHTML" hx-disable="find button" class="filter test-call">
    ${formFields(csrf)}
    <label>Model<input name="model" value="${model}" required maxlength="512" list="test-models" autocomplete="off" spellcheck="false" placeholder="an alias, or provider/model"></label>
    <div class="actions"><button class="primary">Call</button></div>
    <datalist id="test-models">${models.map((one) => html`<option value="${one}"></option>`)}</datalist>
  </form>
  <div id="tested" aria-live="polite">${error !== null ? testCallError(error) : tested !== null && testedCall(tested)}</div>
</section>`;

export const testCallError = (text: string): Html => html`<p class="error" role="alert">${text}</p>`;

export function testedCall({ callId, httpStatus, text, error, record }: TestedLine): Html {
  const path = url(`/dashboard/calls/${segment(callId)}`);
  return html`<dl>
  <div><dt>Result</dt><dd>${record === null ? `HTTP ${httpStatus}` : statusChip(record.status)}${error !== null && html` ${httpStatus}: <bdi>${cut(error, 400)}</bdi>`}</dd></div>
  ${error === null && html`<div><dt>Answer</dt><dd>${text === null || text === "" ? html`no text${record?.finishReason !== null && html`, ended by ${name(record?.finishReason ?? null)}`}` : html`<bdi>${cut(text, 200)}</bdi>`}</dd></div>`}
  ${record !== null && figures(record)}
  <div><dt>Call</dt><dd><a href="${path}">${cut(callId, 60)}</a></dd></div>
</dl>`;
}

const figures = (record: NonNullable<TestedLine["record"]>): Html => html`
  <div><dt>Answered by</dt><dd>${record.provider === null ? name(null) : html`${name(record.provider)}<span class="slash">/</span>${name(record.upstreamModel)}`}${record.attempts.length > 1 && html` <span class="hint">at attempt ${count(record.attempts.length)}</span>`}</dd></div>
  <div><dt>First byte</dt><dd>${duration(record.ttftMs)} <span class="hint">of ${duration(record.durationMs)}</span></dd></div>
  <div><dt>Tokens</dt><dd>${count(record.inputTokens)} in, ${count(record.outputTokens)} out</dd></div>
  <div><dt>Cost</dt><dd>${money(record.costNano)}</dd></div>`;
