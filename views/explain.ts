import { target as targetName } from "./call-table.ts";
import { count, took } from "./format.ts";
import { html, type Html, segment, url, type Value } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, money, name } from "./text.ts";
import { unitPrice } from "./unit-price.ts";

/** Why a call went as it did, or would go. `null`: not known; `unknown` says why. */
export interface ExplainModel {
  /** `dry-run`: the call was not made. */
  readonly kind: "recorded" | "dry-run";
  readonly outcome: { readonly stage: string | null; readonly code: string | null };
  readonly estimate: {
    readonly expectedInputTokens: number;
    readonly mostInputTokens: number;
    readonly mostOutputTokens: number | null;
  } | null;
  readonly limits: readonly ExplainedLimitLine[] | null;
  readonly budgets: readonly ExplainedBudgetLine[] | null;
  /** How many more there are, which are not for whoever looks. */
  readonly limitsAbove: number;
  readonly budgetsAbove: number;
  readonly hold: {
    readonly heldNano: number;
    readonly target: string | null;
    readonly lines: readonly { readonly item: string; readonly quantity: number; readonly price: string }[] | null;
  } | null;
  readonly targets: readonly ExplainedTargetLine[] | null;
  readonly plugins: readonly { readonly plugin: string; readonly tookUs: number }[] | null;
  readonly unknown: readonly { readonly field: string; readonly because: string }[];
}
export type Names = ReadonlyMap<string, string>;
interface ExplainedLimitLine {
  readonly text: string;
  readonly scope: { readonly kind: string; readonly id: string };
  readonly measure: string;
  readonly left: number | null;
  readonly needed?: number;
  /** `false`: it refuses nothing. */
  readonly enforced?: boolean;
}
interface ExplainedBudgetLine {
  readonly id: string;
  readonly kind: "budget" | "balance";
  readonly scope: { readonly kind: string; readonly id: string } | null;
  readonly window: string | null;
  readonly limitNano: number | null;
  readonly heldNano: number;
  readonly leftNano: number;
}
interface ExplainedTargetLine {
  readonly target: string;
  readonly state: "chosen" | "failed" | "passed-over" | "not-asked" | "next" | "excluded";
  readonly reason: string | null;
  /** The reason in words, where it has some of its own. */
  readonly words: string | null;
  /** What the alias's strategy went by. */
  readonly score: number | null;
}

/** `names`: of keys and accounts, by id. */
export const explainPanels = (model: ExplainModel, title: string, names: Names): Html => html`<section id="why">
  <div class="heading"><h2>${title}</h2></div>
  ${model.outcome.stage !== null && html`<p class="banner bad">${stages[model.outcome.stage] ?? "It was refused."} ${reason(model.outcome.code)}</p>`}
  ${unknown(model.unknown)}
  <div class="columns">
    ${model.targets !== null && html`<section class="panel"><h2>Targets, in order</h2>${targets(model.targets, model.kind)}</section>`}
    ${(model.estimate ?? model.hold) !== null && html`<section class="panel"><h2>Estimate and hold</h2>${estimate(model)}</section>`}
    ${model.plugins !== null && html`<section class="panel"><h2>Hooks of plugins</h2>${plugins(model.plugins)}</section>`}
  </div>
  ${model.limits !== null && html`<section class="panel"><h2>Limits that count it</h2>${limits(model.limits, model.limitsAbove, names)}</section>`}
  ${model.budgets !== null && html`<section class="panel"><h2>Budgets that hold for it</h2>${budgets(model.budgets, model.budgetsAbove, names)}</section>`}
</section>`;

const stages: Readonly<Record<string, string>> = {
  authentication: "The caller was not known.",
  request: "The request was not understood.",
  route: "There was no way to the model for this caller.",
  overload: "The proxy had too much to do.",
  limits: "A limit refused it.",
  budgets: "A budget refused it.",
  admission: "It was not admitted.",
  targets: "No target served it.",
};

const reasons: Readonly<Record<string, string>> = {
  breaker_open: "it failed too often lately, and was left alone",
  provider_busy: "too many calls waited for its provider",
  not_carried: "it cannot carry what was asked",
  provider_error: "it answered with an error",
  provider_refused: "it refused the request",
  provider_unreachable: "it could not be reached",
  provider_overloaded: "it was overloaded",
  provider_credential: "it refused our credential",
  provider_broke_off: "its answer broke off",
  client_left: "the client left",
};
const reason = (code: string | null): Value =>
  code === null ? null : html`${reasons[code] ?? html`code <code>${cut(code, 60)}</code>`}`;

const states: Readonly<Record<ExplainedTargetLine["state"], Html>> = {
  chosen: chip("good", "answered"),
  failed: chip("bad", "failed"),
  "passed-over": chip("warn", "passed over"),
  "not-asked": chip("quiet", "not asked"),
  next: chip("quiet", "if those before fail"),
  excluded: chip("warn", "not for this call"),
};

const targets = (lines: readonly ExplainedTargetLine[], kind: ExplainModel["kind"]): Html =>
  lines.length === 0
    ? html`<p class="hint">None.</p>`
    : html`<ol class="plain-list">${lines.map(
        (line) =>
          html`<li>${targetOf(line.target)} ${kind === "dry-run" && line.state === "chosen" ? chip("good", "asked first") : states[line.state]}${line.score !== null && html` <span class="hint">score ${line.score}</span>`}${(line.words ?? line.reason) !== null && html`<span class="sub">${line.words === null ? reason(line.reason) : cut(line.words, 200)}</span>`}</li>`,
      )}</ol>`;

/** Of an alias that is passed over whole, its name. */
function targetOf(full: string): Html {
  const slash = full.indexOf("/");
  if (slash < 0) return name(full, 60);
  return targetName(full.slice(0, slash), full.slice(slash + 1));
}

const estimate = ({ estimate: guess, hold }: ExplainModel): Html => html`
  ${
    hold?.lines &&
    html`<div class="scroll"${scrolls("The most it may cost")}><table><thead><tr><th scope="col">At most</th><th scope="col" class="num">Quantity</th><th scope="col" class="num">USD</th></tr></thead>
      <tbody>${hold.lines.map((line) => html`<tr><td>${name(line.item)}</td><td class="num">${count(line.quantity)}</td><td class="num">${unitPrice(line.item, line.price)}</td></tr>`)}</tbody></table></div>`
  }
  <dl>
    ${
      guess !== null &&
      html`<div><dt>Input expected</dt><dd>${count(guess.expectedInputTokens)} tokens</dd></div>
    <div><dt>Input at most</dt><dd>${count(guess.mostInputTokens)} tokens</dd></div>
    <div><dt>Output at most</dt><dd>${guess.mostOutputTokens === null ? html`<span class="none">nothing bounds it</span>` : html`${count(guess.mostOutputTokens)} tokens`}</dd></div>`
    }
    <div><dt>Held</dt><dd>${hold === null ? html`<span class="none">nothing</span>` : money(hold.heldNano)}</dd></div>
    ${hold !== null && hold.target !== null && html`<div><dt>By the price of</dt><dd>${targetOf(hold.target)}</dd></div>`}
  </dl>`;

const plugins = (lines: readonly { readonly plugin: string; readonly tookUs: number }[]): Html =>
  lines.length === 0
    ? html`<p class="hint">None took part.</p>`
    : html`<table><tbody>${lines.map(({ plugin, tookUs }) => html`<tr><th scope="row">${name(plugin, 60)}</th><td class="num">${took(tookUs)}</td></tr>`)}</tbody></table>`;

/** Most hooks take less than a millisecond. */
function limits(lines: readonly ExplainedLimitLine[], above: number, names: Names): Html {
  const needs = lines.some(({ needed }) => needed !== undefined);
  if (lines.length === 0) return html`<p class="hint">None.${more(above)}</p>`;
  return html`<div class="scroll"${scrolls("Limits")}><table class="cards">
    <thead><tr><th scope="col">On</th><th scope="col">Limit</th>${needs && html`<th scope="col" class="num">Needed</th>`}<th scope="col" class="num">Left${!needs && " after it"}</th></tr></thead>
    <tbody>${lines.map(
      (line) => html`<tr><td><span>${chip("quiet", line.scope.kind)} ${named(line.scope, names)}</span></td>
      <td data-label="Limit">${line.text} ${line.enforced === false && chip("warn", "is only told of")}</td>
      ${needs && html`<td data-label="Needed" class="num">${amount(line.measure, line.needed ?? null)}</td>`}
      <td data-label="Left" class="num">${amount(line.measure, line.left)}</td></tr>`,
    )}</tbody></table></div>${above > 0 && html`<p class="hint">${more(above)}</p>`}`;
}

const amount = (measure: string, value: number | null): Html =>
  measure === "spend" ? money(value) : html`${count(value)}`;

function budgets(lines: readonly ExplainedBudgetLine[], above: number, names: Names): Html {
  if (lines.length === 0) return html`<p class="hint">None.${more(above)}</p>`;
  return html`<div class="scroll"${scrolls("Budgets")}><table class="cards">
    <thead><tr><th scope="col">On</th><th scope="col">Window</th><th scope="col" class="num">Held</th><th scope="col" class="num">Left after it</th><th scope="col" class="num">Limit now</th></tr></thead>
    <tbody>${lines.map(
      (line) => html`<tr><td>${budgetName(line, names)}</td><td data-label="Window">${line.window ?? "–"}</td>
      <td data-label="Held" class="num">${money(line.heldNano)}</td><td data-label="Left after it" class="num">${money(line.leftNano)}</td>
      <td data-label="Limit now" class="num">${money(line.limitNano)}</td></tr>`,
    )}</tbody></table></div>${above > 0 && html`<p class="hint">${more(above)}</p>`}`;
}

function budgetName({ id, kind, scope }: ExplainedBudgetLine, names: Names): Html {
  if (kind === "balance") return html`<span>${chip("info", "balance")} ${name(names.get(id) ?? id, 40)}</span>`;
  if (scope === null) return html`<span>${name(id, 40)} ${chip("quiet", "removed since")}</span>`;
  return html`<span>${chip("quiet", scope.kind)} <a href="${url(`/dashboard/budgets/${segment(id)}`)}">${named(scope, names)}</a></span>`;
}

const named = ({ kind, id }: { readonly kind: string; readonly id: string }, names: Names): Html =>
  kind === "global" ? html`everything` : name(names.get(id) ?? id, 40);

const more = (above: number): Value =>
  above > 0 && ` ${above === 1 ? "One more is" : `${count(above)} more are`} set above your account.`;

/** One sentence a reason. */
function unknown(lines: ExplainModel["unknown"]): Value {
  const byReason = Map.groupBy(lines, ({ because }) => because);
  return [...byReason].map(
    ([because, fields]) =>
      html`<p class="hint">Not recorded, because ${because}: ${fields.map(({ field }) => fieldWords[field] ?? field).join(", ")}.</p>`,
  );
}

const fieldWords: Readonly<Record<string, string>> = { plugins: "hooks of plugins", estimate: "the estimate" };
