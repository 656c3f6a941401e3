import { onceFields, option } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { offered } from "./offered.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name, time } from "./text.ts";

export interface PersonLine {
  readonly id: string;
  readonly kind: "person" | "service";
  readonly name: string;
  readonly email: string | null;
  readonly role: string;
  /** `null`: everything. */
  readonly accountName: string | null;
  readonly hasPassword: boolean;
  readonly hasTotp: boolean;
  /** OpenID issuers that they sign in with. */
  readonly issuers: readonly string[];
  readonly signedInMs: number | null;
}
export interface PersonFormModel {
  readonly values: Readonly<Partial<Record<"kind" | "name" | "email" | "role" | "accountId", string>>>;
  readonly error: string | null;
}
export interface PeopleModel {
  readonly people: readonly PersonLine[];
  /** Cursor of the next page; `null` at the end. */
  readonly next: string | null;
  readonly form: PersonFormModel;
  readonly roles: readonly string[];
  readonly accounts: readonly { readonly id: string; readonly name: string }[];
  /** Whether the visitor sees everything, and so may let others. */
  readonly whole: boolean;
  /** Whether the visitor may change people. */
  readonly csrf: string;
  /** Only on the answer that made it, never again. */
  readonly made: MadeSecret | null;
}
export interface MadeSecret {
  readonly title: string;
  readonly secret: string;
  readonly hint: string;
}

export const peoplePage = (model: PeopleModel): Html => html`<h1>People</h1>
  ${model.made !== null && secretPanel(model.made)}
  ${newPerson(model)}
  ${model.people.length === 0 ? html`<p class="panel empty">Nobody yet: only the admin token signs in.</p>` : table(model.people)}
  <nav class="pager" aria-label="Paging"><span></span>${model.next !== null && html`<a rel="next" href="${url("/dashboard/people", { after: model.next })}">Older →</a>`}</nav>`;

export const secretPanel = ({
  title,
  secret,
  hint,
}: MadeSecret): Html => html`<section class="panel secret" role="status">
  <h2>${title}</h2>
  <p><code class="copied" id="secret">${secret}</code><button class="primary" data-copy hidden>Copy</button></p>
  <p class="hint">${hint}</p>
</section>`;

const table = (
  people: readonly PersonLine[],
): Html => html`<div class="panel flush"><div class="scroll"${scrolls("People")}><table class="cards">
  <thead><tr><th scope="col">Who</th><th scope="col">Role</th><th scope="col">Sees</th><th scope="col">State</th><th scope="col">Last sign-in</th></tr></thead>
  <tbody>${people.map(row)}</tbody>
</table></div></div>`;

const row = (person: PersonLine): Html => html`<tr>
  <td><a href="${url(`/dashboard/people/${segment(person.id)}`)}">${name(person.name)}</a>${person.email !== null && html`<span class="sub">${name(person.email, 60)}</span>`}</td>
  <td data-label="Role">${person.role}</td>
  <td data-label="Sees">${person.accountName === null ? "everything" : name(person.accountName)}</td>
  <td data-label="State">${stateOf(person)}</td>
  <td data-label="Last sign-in">${time(person.signedInMs)}</td>
</tr>`;

export function stateOf({ kind, hasPassword, hasTotp, issuers }: PersonLine): Html {
  if (kind === "service") return chip("info", "service");
  const linked = issuers.map((issuer) => chip("good", URL.parse(issuer)?.host ?? issuer));
  if (!hasPassword) return issuers.length > 0 ? html`${linked}` : chip("warn", "invited");
  return html`${linked}${hasTotp ? chip("good", "two factors") : chip("quiet", "password")}`;
}

const newPerson = ({
  form,
  roles,
  accounts,
  whole,
  csrf,
}: PeopleModel): Html => html`<details class="panel new" id="new-person"${form.error !== null && html` open`}>
  <summary>Invite somebody, or make a service</summary>
  <form method="post" action="/dashboard/people">
    ${onceFields(csrf)}
    ${form.error !== null && html`<p class="error" role="alert">${form.error}</p>`}
    <div class="fields">
      <label>Kind<select name="kind">${choice(["person", "service"], form.values.kind ?? "person")}</select></label>
      <label>Name<input name="name" value="${form.values.name}" required maxlength="100" autocomplete="off"></label>
      <label>E-mail<input type="email" name="email" value="${form.values.email}" maxlength="254" autocomplete="off" placeholder="not for a service"></label>
      <label>Role<select name="role">${choice(roles, form.values.role ?? "viewer")}</select></label>
      <label>Sees${placeOf(accounts, whole, form.values.accountId ?? "")}</label>
    </div>
    <div class="actions"><button class="primary">Create</button><span class="hint">Somebody invited sets a password by a link that you hand over. A service only holds API tokens.</span></div>
  </form>
</details>`;

export const choice = (options: readonly string[], chosen: string): Html =>
  html`${options.map((word) => option(word, word, chosen))}`;

/** The account whose part of the tree somebody sees. */
export const placeOf = (accounts: PeopleModel["accounts"], whole: boolean, chosen: string): Html =>
  html`<select name="accountId">${whole && html`<option value="">everything</option>`}${offered(accounts, chosen).map(
    (account) => option(account.id, `${account.name} and below`, chosen),
  )}</select>`;
