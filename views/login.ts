import { html, segment, url, type Html } from "./html.ts";

export interface LoginModel {
  readonly form:
    | { readonly kind: "password" | "token" }
    /** Of the first start. */
    | { readonly kind: "link"; readonly token: string }
    /** An invitation, or a reset. */
    | { readonly kind: "person-link"; readonly token: string; readonly email: string }
    | { readonly kind: "code"; readonly ticket: string };
  /** OpenID issuers, a button each. */
  readonly issuers: readonly { readonly name: string; readonly label: string }[];
  /** Whether people sign in with passwords. */
  readonly passwords: boolean;
  /** Whether holders of API keys do. */
  readonly keys: boolean;
  /** Path to go to afterwards. */
  readonly next: string;
  /** As it was typed. */
  readonly email: string;
  readonly error: string | null;
  readonly hint: string | null;
}

export function login(model: LoginModel): Html {
  const { form, error, hint, next, keys } = model;
  return html`<section class="panel card">
    <h1><span class="brand">LLM Proxy</span></h1>
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    ${(form.kind === "token" || form.kind === "password") && buttons(model)}
    ${fields(model)}
    ${hint !== null && html`<p class="hint">${hint}</p>`}
    ${keys && (form.kind === "token" || form.kind === "password") && html`<details class="apart"><summary>Use an API key</summary>${whole(next, "Show what the key has left", apiKey)}</details>`}
    ${(form.kind === "token" || form.kind === "password") && html`<p class="hint">The admin token was printed at the first start, or is set as <code>LLM_PROXY_ADMIN_TOKEN</code>. Lost it? Run <code>bun core/main.ts admin-token --new</code>.</p>`}
  </section>`;
}

const buttons = ({ issuers, next }: LoginModel): Html =>
  html`${issuers.map(
    ({ name, label }) =>
      html`<p class="issuer"><a class="button" href="${url(`/dashboard/login/oidc/${segment(name)}`, { next })}">Sign in with ${label}</a></p>`,
  )}`;

const besideToken = (next: string): Html =>
  html`<details class="apart"><summary>Use the admin token</summary>${whole(next, "Sign in with the token", adminToken(false))}</details>`;

function fields({ form, next, email, issuers, passwords }: LoginModel): Html {
  switch (form.kind) {
    case "token":
      return issuers.length > 0 ? besideToken(next) : whole(next, "Sign in", adminToken(true));
    case "password":
      return html`${whole(
        next,
        "Sign in",
        html`<label>E-mail<input type="email" name="email" value="${email}" autocomplete="username" required autofocus maxlength="254"></label>
        <label>Password<input type="password" name="password" autocomplete="current-password" required maxlength="1000"></label>`,
      )}
      ${besideToken(next)}`;
    case "link":
      return whole(
        next,
        "Sign in",
        html`<input type="hidden" name="token" value="${form.token}">${passwords ? newOwner(email) : html`<p>You opened a sign-in link. It works once.</p>`}`,
      );
    case "person-link":
      return whole(
        next,
        "Set the password and sign in",
        html`<input type="hidden" name="token" value="${form.token}"><p>Set a password for <strong>${form.email}</strong>. This link works once.</p>
        <input type="hidden" name="username" autocomplete="username" value="${form.email}">
        <label>Password${newPassword(true)}</label>`,
      );
    case "code":
      return whole(
        next,
        "Sign in",
        html`<input type="hidden" name="ticket" value="${form.ticket}">
        <label>Code of your app, or a recovery code<input name="code" autocomplete="one-time-code" inputmode="numeric" required autofocus maxlength="32" spellcheck="false"></label>`,
      );
  }
}

const newOwner = (
  email: string,
): Html => html`<p>You opened a sign-in link. It works once. Set an address and a password to sign in with from now on, or leave both empty and keep to the admin token.</p>
        <label>E-mail<input type="email" name="email" value="${email}" autocomplete="username" maxlength="254"></label>
        <label>Password${newPassword(false)}</label>`;

const whole = (next: string, button: string, content: Html): Html => html`<form method="post" action="/dashboard/login">
      <input type="hidden" name="next" value="${next}">
      ${content}
      <button class="primary">${button}</button>
    </form>`;

const adminToken = (focus: boolean): Html => html`<label>Admin token
  <input type="password" name="token" autocomplete="${focus ? "current-password" : "off"}" required${focus && html` autofocus`} maxlength="1000" spellcheck="false"></label>`;

const apiKey = html`<label>API key
  <input type="password" name="key" autocomplete="off" required maxlength="1000" spellcheck="false"></label>`;

const newPassword = (required: boolean): Html =>
  html`<input type="password" name="password" autocomplete="new-password"${required && html` required`} minlength="12" maxlength="256" placeholder="at least 12 characters">`;
