import { html, type Html } from "./html.ts";

/** `there`: where the session at the issuer ends, to which the browser goes on by itself. */
export const signedOut = (there: { readonly url: string; readonly label: string }): Html => html`<section class="panel">
  <h1>You are signed out here</h1>
  <p>Your browser goes on to end the session at the issuer too. <a href="${there.url}">Sign out at ${there.label}</a></p>
</section>`;
