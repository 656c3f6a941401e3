import { html, type Html } from "./html.ts";

export interface LoginModel {
  /** Of a one-time link; `null`: ask for the admin token. */
  readonly linkToken: string | null;
  /** Path to go to afterwards. */
  readonly next: string;
  readonly error: string | null;
  readonly hint: string | null;
}

export function login({ linkToken, next, error, hint }: LoginModel): Html {
  return html`<section class="panel card">
    <h1><span class="brand">LLM Proxy</span></h1>
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <form method="post" action="/dashboard/login">
      <input type="hidden" name="next" value="${next}">
      ${linkToken === null ? askForToken : html`<input type="hidden" name="token" value="${linkToken}"><p>You opened a sign-in link. It works once.</p>`}
      <button class="primary">Sign in</button>
    </form>
    ${hint !== null && html`<p class="hint">${hint}</p>`}
    ${linkToken === null && html`<p class="hint">The admin token was printed at the first start, or is set as <code>LLM_PROXY_ADMIN_TOKEN</code>. Lost it? Run <code>bun core/main.ts admin-token --new</code>.</p>`}
  </section>`;
}

const askForToken = html`<label>Admin token
  <input type="password" name="token" autocomplete="current-password" required autofocus maxlength="1000" spellcheck="false"></label>`;
