import { html, type Html, url } from "./html.ts";

/** A page that says what went wrong and where to go on: to `back`, else to the overview. */
export function failure(heading: string, message: string, back: string | null = null): Html {
  return html`<section class="panel card">
    <h1>${heading}</h1>
    <p>${message}</p>
    <p>${back === null ? html`<a href="/dashboard">Back to the overview</a>` : html`<a href="${url(back)}">Back to the page</a>`}</p>
  </section>`;
}

/** The same inside a page that stays. */
export const notice = (message: string): Html => html`<p class="banner bad" role="alert">${message}</p>`;
