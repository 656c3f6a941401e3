import { html, type Html } from "./html.ts";

/** A page that says what went wrong and where to go on. */
export function failure(heading: string, message: string): Html {
  return html`<section class="panel card">
    <h1>${heading}</h1>
    <p>${message}</p>
    <p><a href="/dashboard">Back to the overview</a></p>
  </section>`;
}

/** The same inside a page that stays. */
export const notice = (message: string): Html => html`<p class="banner bad" role="alert">${message}</p>`;
