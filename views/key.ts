import { type BudgetLine, budgetTable } from "./budget-table.ts";
import { contentChoice } from "./content-choice.ts";
import { count, type Nano } from "./format.ts";
import { formFields, onceFields, writtenFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { type LimitLine, limitTable } from "./limit-table.ts";
import { type KeyState, keyTones, revocationQuestion, secretPanel } from "./keys.ts";
import { chip, date, moment, money, name, time } from "./text.ts";
import { tile } from "./tile.ts";

export interface KeyModel {
  readonly key: {
    readonly id: string;
    readonly name: string;
    readonly prefix: string;
    readonly last4: string;
    readonly imported: boolean;
    /** Its name in the config file, which alone may change it. */
    readonly declaredAs: string | null;
    readonly state: KeyState;
    readonly expiresMs: number | null;
    readonly createdMs: number;
    readonly lastUsedMs: number | null;
  };
  readonly account: { readonly id: string; readonly name: string };
  /** Of the last 30 days. */
  readonly total: { readonly calls: number; readonly chargeNano: Nano };
  readonly olderSecrets: readonly { readonly prefix: string; readonly last4: string; readonly untilMs: number }[];
  readonly budgets: readonly BudgetLine[];
  readonly limits: readonly LimitLine[];
  /** What stands in the form, as it was typed. */
  readonly values: Readonly<Record<KeyTermField, string>>;
  readonly operations: readonly { readonly name: string; readonly chosen: boolean }[];
  /** Of each of these fields as it was written. */
  readonly marks: Readonly<Record<string, string>>;
  /** The new secret, on the answer that made it and never again. */
  readonly secret: string | null;
  readonly error: string | null;
  readonly csrf: string;
}

type KeyTermField = "name" | "models" | "routes" | "cidrs" | "metadata" | "expires" | "content";

export function keyPage(model: KeyModel): Html {
  const { key, account, total, budgets, limits, olderSecrets, secret, error } = model;
  const ended = key.state === "revoked";
  return html`<p class="crumb"><a href="/dashboard/keys">Keys</a></p>
  <div class="heading"><h1>${name(key.name, 60)}</h1>${chip(keyTones[key.state], key.state)}<code>${key.prefix}…${key.last4}</code></div>
  ${secret !== null && secretPanel({ name: key.name, secret })}
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  ${key.declaredAs !== null && html`<p class="banner">The config file declares this key as <code>keys.${key.declaredAs}</code> and alone may change it.</p>`}
  <div class="tiles">
    ${tile("Charged in 30 days", money(total.chargeNano), html`<a href="${url("/dashboard/accounts/" + segment(account.id))}">${name(account.name, 32)}</a> pays`)}
    ${tile("Calls in 30 days", html`${count(total.calls)}`, html`<a href="${url("/dashboard/calls", { key: key.id })}">its calls</a>`)}
    ${tile("Last used", time(key.lastUsedMs), html`created ${date(key.createdMs)}`)}
    ${tile("Expires", date(key.expiresMs), html`${key.imported && html`made elsewhere, known by its hash`}`)}
  </div>
  ${olderSecrets.length > 0 && older(olderSecrets)}
  ${budgets.length > 0 && html`<section class="panel flush"><h2>Budgets on it</h2>${budgetTable(budgets)}</section>`}
  ${limits.length > 0 && html`<section class="panel flush"><h2>Limits on it</h2>${limitTable(limits)}</section>`}
  ${key.declaredAs === null && !ended && html`${terms(model)}${rotation(model)}${ends(model)}`}
  ${!ended && html`<p class="hint"><a href="${url("/dashboard/budgets", { kind: "key", id: key.id })}">Put a budget on it</a> · <a href="${url("/dashboard/limits", { kind: "key", id: key.id })}">Put a limit on it</a></p>`}`;
}

const pathOf = (id: string): string => url(`/dashboard/keys/${segment(id)}`);

const older = (secrets: KeyModel["olderSecrets"]): Html => html`<section class="panel">
  <h2>Older secrets that still work</h2>
  <ul class="plain">${secrets.map(({ prefix, last4, untilMs }) => html`<li><code>${prefix}…${last4}</code> until ${time(untilMs)}</li>`)}</ul>
</section>`;

const terms = ({
  key,
  values,
  operations,
  marks,
  csrf,
  error,
}: KeyModel): Html => html`<details class="panel new"${error !== null && html` open`}>
  <summary>What it may do</summary>
  <form method="post" action="${pathOf(key.id)}">
    ${formFields(csrf)}${writtenFields(marks)}
    <div class="fields">
      <label>Name<input name="name" value="${values.name}" required maxlength="100" autocomplete="off"></label>
      <label>Models<input name="models" value="${values.models}" autocomplete="off" spellcheck="false" placeholder="all, or names with commas; * for any part"></label>
      <label>Routes<input name="routes" value="${values.routes}" autocomplete="off" spellcheck="false" placeholder="every one, or paths as /v1/messages"></label>
      <label>Networks<input name="cidrs" value="${values.cidrs}" autocomplete="off" spellcheck="false" placeholder="everywhere, or as 10.0.0.0/8"></label>
      <label>Valid through (UTC)${key.expiresMs !== null && html`<span>ends ${moment(key.expiresMs)}</span>`}<input type="date" name="expires" value="${values.expires}"></label>
      <label>Prompts and answers${contentChoice(values.content, "as the account says", false)}</label>
      <label>Metadata<input name="metadata" value="${values.metadata}" autocomplete="off" spellcheck="false" placeholder="owner=platform, ticket=42"></label>
    </div>
    <fieldset class="choices"><legend>Operations</legend>${operations.map(
      ({ name: operation, chosen }) =>
        html`<label><input type="checkbox" name="operations" value="${operation}"${chosen && html` checked`}>${operation}</label>`,
    )}</fieldset>
    <div class="actions"><button class="primary">Save</button><span class="hint">Holds for the next call. No operation chosen: all of them.</span></div>
  </form>
</details>`;

const graces = [
  ["0", "at once"],
  ["3600", "in an hour"],
  ["86400", "in a day"],
  ["604800", "in a week"],
] as const;

const rotation = ({ key, csrf }: KeyModel): Html => html`<details class="panel new">
  <summary>Rotate its secret</summary>
  <form method="post" action="${pathOf(key.id)}/rotation">
    ${onceFields(csrf)}
    <div class="fields"><label>The secrets until now end<select name="graceSeconds">${graces.map(([seconds, words]) => html`<option value="${seconds}">${words}</option>`)}</select></label></div>
    <div class="actions"><button class="primary">Make a new secret</button><span class="hint">Its budgets, limits and records go on.</span></div>
  </form>
</details>`;

const ends = ({ key, csrf }: KeyModel): Html => html`<details class="panel new">
  <summary>Disable or revoke it</summary>
  <form method="post" action="${pathOf(key.id)}/state"${key.state !== "disabled" && html` data-confirm="Disable this key? Calls with it are refused until it is enabled again."`}>
    ${formFields(csrf)}
    <input type="hidden" name="disabled" value="${key.state === "disabled" ? "false" : "true"}">
    <button class="plain${key.state !== "disabled" && html` danger`}">${key.state === "disabled" ? "Enable this key" : "Disable this key"}</button>
    <span class="hint">${key.state === "disabled" ? "Then it works as before." : "Calls with it are refused until it is enabled again."}</span>
  </form>
  <form method="post" action="${pathOf(key.id)}/revocation" class="apart" data-confirm="${revocationQuestion}">
    ${formFields(csrf)}
    <button class="plain danger">Revoke this key</button>
    <span class="hint">For good; its calls and its budget's history stay.</span>
  </form>
</details>`;
