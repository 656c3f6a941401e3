import { html, type Html } from "./html.ts";

/** What every form that changes something carries. */
export const formFields = (csrf: string | null): Html => html`<input type="hidden" name="csrf" value="${csrf}">`;

/** The same for one that makes something or moves money: sent twice, it is taken once. */
export const onceFields = (csrf: string): Html =>
  html`${formFields(csrf)}<input type="hidden" name="once" value="${crypto.randomUUID()}" autocomplete="off">`;
