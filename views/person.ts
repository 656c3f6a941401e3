import { onceFields, type ShownFields, writtenFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { choice, type MadeSecret, type PeopleModel, type PersonLine, placeOf, secretPanel, stateOf } from "./people.ts";
import { scrolls } from "./scrolls.ts";
import { date, name, time } from "./text.ts";

export interface SessionLine {
  readonly id: string;
  readonly createdMs: number;
  readonly seenMs: number | null;
  readonly address: string | null;
  readonly agent: string | null;
  /** The one that looks. */
  readonly current: boolean;
}
export interface TokenLine {
  readonly id: string;
  readonly name: string;
  readonly last4: string;
  readonly createdMs: number;
  readonly expiresMs: number | null;
}
export type TokenFields = Readonly<Record<"name" | "expires", string>>;
export interface PersonModel extends Pick<PeopleModel, "roles" | "accounts" | "whole" | "csrf"> {
  readonly person: PersonLine & { readonly accountId: string | null; readonly issuers: readonly string[] };
  readonly sessions: readonly SessionLine[];
  readonly tokens: readonly TokenLine[];
  readonly made: MadeSecret | null;
  /** What the forms of themselves and of a new token show. */
  readonly shown: ShownFields<"name" | "email" | "role" | "accountId">;
  readonly token: TokenFields;
  readonly error: string | null;
}

export function personPage(model: PersonModel): Html {
  const { person, sessions, tokens, made, error, csrf } = model;
  const path = url(`/dashboard/people/${segment(person.id)}`);
  return html`<p class="crumb"><a href="/dashboard/people">People</a></p>
  <div class="heading"><h1>${name(person.name, 60)}</h1>${stateOf(person)}${person.email !== null && html`<code>${person.email}</code>`}</div>
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  ${made !== null && secretPanel(made)}
  ${changes(model, path)}
  ${issuerList(person.issuers, path, csrf)}
  ${person.kind === "person" && html`<section class="panel flush"><h2>Sessions</h2>${sessionTable(sessions, path, csrf)}</section>`}
  <section class="panel flush"><h2>API tokens</h2>${tokenTable(tokens, path, csrf)}</section>
  ${person.kind === "service" && newToken(`${path}/tokens`, model.token, csrf)}`;
}

const changes = (
  { person, roles, accounts, whole, shown: { values, marks }, csrf }: PersonModel,
  path: string,
): Html => html`<section class="panel">
  <form method="post" action="${path}">
    ${onceFields(csrf)}${writtenFields(marks)}
    <div class="fields">
      <label>Name<input name="name" value="${values.name}" required maxlength="100" autocomplete="off"></label>
      ${person.email !== null && html`<label>E-mail<input type="email" name="email" value="${values.email}" required maxlength="254" autocomplete="off"></label>`}
      <label>Role<select name="role">${choice(roles, values.role)}</select></label>
      <label>Sees${placeOf(accounts, whole, values.accountId)}</label>
    </div>
    <div class="actions"><button class="primary">Save</button><span class="hint">Counts from the next request on, also in open sessions. Whoever gets more than before begins anew: with a new link, without password, second factor, sessions, tokens and links to issuers.</span></div>
  </form>
  <div class="actions apart">
    ${person.kind === "person" && act(`${path}/link`, csrf, person.hasPassword ? "Make a link to set a new password" : "Make the invitation anew")}
    ${person.hasTotp && act(`${path}/totp-removal`, csrf, "Take off the second factor", "Take off their second factor? Their password alone signs in then.")}
    ${act(`${path}/removal`, csrf, "Remove", `Remove this ${person.kind}? Their sessions and tokens end at once, and it cannot be undone.`)}
  </div>
</section>`;

export const issuerList = (issuers: readonly string[], path: string, csrf: string): Html | false =>
  issuers.length > 0 &&
  html`<section class="panel flush"><h2>Signs in through</h2><div class="scroll"${scrolls("Signs in through")}><table class="cards">
  <thead><tr><th scope="col">Issuer</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${issuers.map(
    (issuer) => html`<tr>
    <td>${name(issuer, 100)}</td>
    <td class="num"><form method="post" action="${path}/issuer-removal" data-confirm="Unlink this issuer? They cannot sign in through it any more.">${onceFields(csrf)}<input type="hidden" name="issuer" value="${issuer}"><button class="plain danger">Unlink</button></form></td>
  </tr>`,
  )}</tbody></table></div></section>`;

/** A form that is one button. With a question, it ends something. */
const act = (path: string, csrf: string, label: string, question: string | null = null): Html =>
  html`<form method="post" action="${path}"${question !== null && html` data-confirm="${question}"`}>${onceFields(csrf)}<button class="plain${question !== null && " danger"}">${label}</button></form>`;

export const sessionTable = (sessions: readonly SessionLine[], path: string, csrf: string): Html =>
  sessions.length === 0
    ? html`<p class="empty">Not signed in.</p>`
    : html`<div class="scroll"${scrolls("Sessions")}><table class="cards">
  <thead><tr><th scope="col">From</th><th scope="col">Browser</th><th scope="col">Since</th><th scope="col">Last seen</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${sessions.map(
    (session) => html`<tr>
    <td>${name(session.address)}${session.current && html`<span class="sub">this one</span>`}</td>
    <td data-label="Browser">${name(session.agent, 60)}</td>
    <td data-label="Since">${time(session.createdMs)}</td>
    <td data-label="Last seen">${time(session.seenMs)}</td>
    <td class="num">${act(`${path}/sessions/${segment(session.id)}/removal`, csrf, "End", "End this session? Whoever uses it must sign in again.")}</td>
  </tr>`,
  )}</tbody></table></div>`;

export const tokenTable = (tokens: readonly TokenLine[], path: string, csrf: string): Html =>
  tokens.length === 0
    ? html`<p class="empty">No tokens.</p>`
    : html`<div class="scroll"${scrolls("Tokens")}><table class="cards">
  <thead><tr><th scope="col">Name</th><th scope="col">Created</th><th scope="col">Expires</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
  <tbody>${tokens.map(
    (token) => html`<tr>
    <td>${name(token.name)}<code class="sub">llmp_pat_…${token.last4}</code></td>
    <td data-label="Created">${date(token.createdMs)}</td>
    <td data-label="Expires">${date(token.expiresMs)}</td>
    <td class="num">${act(`${path}/tokens/${segment(token.id)}/removal`, csrf, "Revoke", "Revoke this token? Requests with it are refused at once, and it cannot be undone.")}</td>
  </tr>`,
  )}</tbody></table></div>`;

export const newToken = (
  path: string,
  { name: typedName, expires }: TokenFields,
  csrf: string,
): Html => html`<details class="panel new"${typedName + expires !== "" && html` open`}>
  <summary>New API token</summary>
  <form method="post" action="${path}">
    ${onceFields(csrf)}
    <div class="fields">
      <label>Name<input name="name" value="${typedName}" required maxlength="100" autocomplete="off"></label>
      <label>Valid through (UTC)<input type="date" name="expires" value="${expires}"></label>
    </div>
    <button class="primary">Create token</button>
  </form>
</details>`;
