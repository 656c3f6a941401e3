import { accountTermsPanel, type AccountTermsModel } from "./account-terms.ts";
import { type BranchLine, branchTable, placeChoice } from "./accounts.ts";
import { type BudgetLine, budgetTable } from "./budget-table.ts";
import { contentChoice } from "./content-choice.ts";
import { count, type Nano } from "./format.ts";
import { formFields, onceFields, type ShownFields, writtenFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { type LimitLine, limitTable } from "./limit-table.ts";
import { money, name, time } from "./text.ts";
import { tile } from "./tile.ts";

export interface AccountModel {
  readonly account: {
    readonly id: string;
    readonly name: string;
    readonly parentId: string | null;
    readonly keys: number;
    readonly disabled: boolean;
  };
  /** The nearest one above it that is disabled. */
  readonly disabledBy: { readonly id: string; readonly name: string } | null;
  /** From the root down to its parent. */
  readonly path: readonly { readonly id: string; readonly name: string }[];
  /** Of the last 30 days, with all below it. */
  readonly total: { readonly calls: number; readonly chargeNano: Nano };
  readonly children: readonly BranchLine[];
  /** Where it may be moved to. */
  readonly places: readonly BranchLine[];
  readonly budgets: readonly BudgetLine[];
  readonly limits: readonly LimitLine[];
  /** `null`: it is not prepaid. */
  readonly balance: { readonly balanceNano: number; readonly heldNano: number; readonly sinceMs: number } | null;
  /** The form of its name, its place and whether prompts and answers are kept. `open`: it came back with a fault. */
  readonly place: ShownFields<"name" | "parentId" | "content"> & { readonly open: boolean };
  readonly terms: AccountTermsModel;
  readonly error: string | null;
  /** `null`: whoever looks may not change it. */
  readonly csrf: string | null;
}

export function accountPage(model: AccountModel): Html {
  const { account, path, total, children, budgets, limits, balance, error, disabledBy } = model;
  return html`<p class="crumb"><a href="/dashboard/accounts">Accounts</a>${path.map(
    (above) => html`<span class="slash">/</span><a href="${pathOf(above.id)}">${name(above.name)}</a>`,
  )}</p>
  <div class="heading"><h1>${name(account.name, 60)}</h1><code>${account.id}</code></div>
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  ${account.disabled && html`<p class="banner bad">This account is disabled: calls on it and on all accounts below it are refused.</p>`}
  ${disabledBy !== null && html`<p class="banner bad">Calls on this account are refused, because <a href="${pathOf(disabledBy.id)}">${name(disabledBy.name)}</a> above it is disabled.</p>`}
  <div class="tiles">
    ${tile("Charged in 30 days", money(total.chargeNano), html`with all below it`)}
    ${tile("Calls in 30 days", html`${count(total.calls)}`, html`with all below it`)}
    ${tile("Keys", html`${count(account.keys)}`, html`its own, not revoked`)}
    ${balance !== null && tile("Balance", money(balance.balanceNano), html`${money(balance.heldNano)} held, prepaid since ${time(balance.sinceMs)}`)}
  </div>
  ${budgets.length > 0 && html`<section class="panel flush"><h2>Budgets on it</h2>${budgetTable(budgets)}</section>`}
  ${limits.length > 0 && html`<section class="panel flush"><h2>Limits on it</h2>${limitTable(limits)}</section>`}
  ${children.length > 0 && html`<section class="panel flush"><h2>Right below it</h2>${branchTable(children.map((child) => ({ ...child, depth: 0 })))}</section>`}
  ${accountTermsPanel(model.terms, pathOf(account.id), model.csrf)}
  ${model.csrf !== null && changes(model, model.csrf)}
  <p class="hint">${model.csrf !== null && html`<a href="${url("/dashboard/budgets", { kind: "account", id: account.id })}">Put a budget on it</a> · <a href="${url("/dashboard/limits", { kind: "account", id: account.id })}">Put a limit on it</a> · `}<a href="${url("/dashboard/calls", { account: account.id })}">Its own calls</a> · <a href="${url("/dashboard/usage", { under: account.id, by: "account" })}">Usage of it and of all below it</a> · <a href="${url("/dashboard/ledger", { account: account.id })}">Its entries in the ledger, and credits</a></p>`;
}

const pathOf = (id: string): string => url(`/dashboard/accounts/${segment(id)}`);

const changes = (
  { account, places, place: { values, marks, open } }: AccountModel,
  csrf: string,
): Html => html`<details class="panel new"${open && html` open`}>
  <summary>Rename, move, content, disable or remove</summary>
  <form method="post" action="${pathOf(account.id)}">
    ${formFields(csrf)}${writtenFields(marks)}
    <div class="fields">
      <label>Name<input name="name" value="${values.name}" required maxlength="100" autocomplete="off"></label>
      <label>Under${placeChoice(places, values.parentId)}</label>
      <label>Prompts and answers${contentChoice(values.content, "as the account above says", true)}</label>
    </div>
    <div class="actions"><button class="primary">Save</button><span class="hint">Calls in flight end where they were admitted.</span></div>
  </form>
  <form method="post" action="${pathOf(account.id)}/state" class="apart"${!account.disabled && html` data-confirm="Disable this account? Calls on it and on all accounts below it are refused from the next one on."`}>
    ${formFields(csrf)}
    <input type="hidden" name="disabled" value="${account.disabled ? "false" : "true"}">
    <button class="plain${!account.disabled && html` danger`}">${account.disabled ? "Take calls again" : "Disable this account"}</button>
    <span class="hint">${account.disabled ? "Then its keys and tokens work as before." : "Calls on it and on all accounts below it are refused from the next one on."}</span>
  </form>
  <form method="post" action="${pathOf(account.id)}/removal" class="apart" data-confirm="Remove this account? It cannot be undone.">
    ${onceFields(csrf)}
    <button class="plain danger">Remove this account</button>
  </form>
</details>`;
