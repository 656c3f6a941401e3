import { formFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { keyForm, type KeyFormModel } from "./key-form.ts";
import { scrolls } from "./scrolls.ts";
import { chip, date, name, time } from "./text.ts";

export type KeyState = "active" | "disabled" | "expired" | "revoked";
export interface KeyListModel {
  readonly keys: readonly KeyLine[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly csrf: string;
  readonly form: KeyFormModel;
  /** Who may own a new one. */
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
  /** Only on the answer that made the key, never again. */
  readonly created: { readonly name: string; readonly secret: string } | null;
}
export interface KeyLine {
  readonly id: string;
  readonly name: string;
  /** `null`: the account `default`. */
  readonly accountName: string | null;
  readonly prefix: string;
  readonly last4: string;
  /** What the key itself says of prompts and answers; `null`: nothing. */
  readonly content: "on" | "off" | null;
  readonly state: KeyState;
  readonly declaredAs: string | null;
  readonly models: readonly string[] | "all";
  /** Written out: `60 requests a minute`. */
  readonly limits: readonly string[];
  readonly expiresMs: number | null;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
}

export const keysPage = (model: KeyListModel): Html => html`<div id="keys">
  <h1>Keys</h1>
  ${model.created !== null && secretPanel(model.created)}
  ${keyForm(model.form, model.accounts, model.csrf)}
  ${model.keys.length === 0 ? html`<p class="panel empty">No keys yet.</p>` : table(model)}
  <nav class="pager" aria-label="Paging"><span></span>${model.next !== null && html`<a rel="next" href="${url("/dashboard/keys", { after: model.next })}">Older →</a>`}</nav>
</div>`;

export const secretPanel = (created: {
  readonly name: string;
  readonly secret: string;
}): Html => html`<section class="panel secret" role="status">
  <h2>Key ${name(created.name, 60)} is ready</h2>
  <p><code class="copied" id="secret">${created.secret}</code><button class="primary" data-copy hidden>Copy</button></p>
  <p class="hint">Copy it now: it is shown only here and only once. The proxy keeps no copy that could be read.</p>
</section>`;

const table = ({
  keys,
  csrf,
}: KeyListModel): Html => html`<div class="panel flush"><div class="scroll"${scrolls("Keys")}><table class="cards">
  <thead><tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Models</th><th scope="col">Limits</th>
    <th scope="col">Created</th><th scope="col">Expires</th><th scope="col">Last used</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${keys.map((key) => keyRow(key, csrf))}</tbody>
</table></div></div>`;

/** The row that a revocation swaps. */
export const keyRow = (key: KeyLine, csrf: string): Html => html`<tr>
  <td class="cut"><a href="${url(`/dashboard/keys/${segment(key.id)}`)}">${name(key.name, 32)}</a><code class="sub">${key.prefix}…${key.last4}</code>${key.accountName !== null && html`<span class="sub">${name(key.accountName)}</span>`}</td>
  <td class="wraps" data-label="State">${chip(keyTones[key.state], key.state)}${key.content !== null && html`<span class="sub">${key.content === "on" ? "prompts and answers kept" : "nothing kept of calls"}</span>`}</td>
  <td class="cut" data-label="Models">${name(key.models === "all" ? "all" : key.models.join(", "), 36)}</td>
  <td data-label="Limits">${limits(key)}${key.state !== "revoked" && html`<a class="sub" href="${url("/dashboard/limits", { kind: "key", id: key.id })}">Put a limit on it</a>`}</td>
  <td data-label="Created">${date(key.createdMs)}</td>
  <td data-label="Expires">${date(key.expiresMs)}</td>
  <td data-label="Last used">${time(key.lastUsedMs)}</td>
  <td class="num">${key.state !== "revoked" && key.declaredAs === null && revocation(key.id, csrf)}</td>
</tr>`;

export const revocationQuestion = "Revoke this key? Calls with it are refused at once, and it cannot be undone.";

const revocation = (id: string, csrf: string): Html => {
  const path = url(`/dashboard/keys/${segment(id)}/revocation`);
  return html`<form method="post" action="${path}" hx-post="${path}" hx-target="closest tr" hx-swap="outerHTML" data-confirm="${revocationQuestion}">
    ${formFields(csrf)}<button class="plain danger">Revoke</button></form>`;
};

const limits = (key: KeyLine): Html =>
  key.limits.length === 0
    ? name(null)
    : html`<span>${key.limits.map((limit) => html`<span class="line">${limit}</span>`)}</span>`;

export const keyTones = { active: "good", disabled: "bad", expired: "warn", revoked: "quiet" } as const;
