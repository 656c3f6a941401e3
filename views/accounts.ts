import { count, type Nano } from "./format.ts";
import { onceFields, option } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { offered } from "./offered.ts";
import { scrolls } from "./scrolls.ts";
import { money, name } from "./text.ts";

export interface AccountTreeModel {
  /** Depth first. */
  readonly tree: readonly BranchLine[];
  /** There are more than these. */
  readonly more: boolean;
  readonly form: { readonly name: string; readonly parentId: string; readonly error: string | null };
  readonly csrf: string;
}
export interface BranchLine {
  readonly id: string;
  readonly name: string;
  /** 0 for a root. */
  readonly depth: number;
  readonly keys: number;
  /** Of the account and all below it. */
  readonly calls: number;
  readonly chargeNano: Nano;
}

export const accountsPage = ({ tree, more, form, csrf }: AccountTreeModel): Html => html`<h1>Accounts</h1>
  <details class="panel new" id="new-account"${form.error !== null && html` open`}>
    <summary>New account</summary>
    <form method="post" action="/dashboard/accounts">
      ${onceFields(csrf)}
      ${form.error !== null && html`<p class="error" role="alert">${form.error}</p>`}
      <div class="fields">
        <label>Name<input name="name" value="${form.name}" required maxlength="100" autocomplete="off"></label>
        <label>Under${placeChoice(tree, form.parentId)}</label>
      </div>
      <button class="primary">Create account</button>
    </form>
  </details>
  <div class="panel flush">${branchTable(tree)}</div>
  <p class="hint">Sums of the last 30 days, each with all below it.${more && html` Only the newest accounts are shown.`}</p>`;

export const branchTable = (
  tree: readonly BranchLine[],
): Html => html`<div class="scroll"${scrolls("Accounts")}><table class="cards">
  <thead><tr><th scope="col">Account</th><th scope="col" class="num">Keys</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Charged</th></tr></thead>
  <tbody>${tree.map(row)}</tbody>
</table></div>`;

const row = (branch: BranchLine): Html => html`<tr>
  <td class="depth${Math.min(branch.depth, 7)}"><a href="${url(`/dashboard/accounts/${segment(branch.id)}`)}">${name(branch.name)}</a></td>
  <td data-label="Keys" class="num">${count(branch.keys)}</td>
  <td data-label="Calls" class="num">${count(branch.calls)}</td>
  <td data-label="Charged" class="num">${money(branch.chargeNano)}</td>
</tr>`;

/** Where an account may stand: no-break spaces show the depth. */
export const placeChoice = (places: readonly Pick<BranchLine, "id" | "name" | "depth">[], chosen: string): Html =>
  html`<select name="parentId"><option value="">none</option>${offered(places, chosen).map(
    ({ id, name: label, depth = 0 }) => option(id, `${"\u00a0\u00a0".repeat(depth)}${label}`, chosen),
  )}</select>`;
