import { html, type Html } from "./html.ts";

/** What every form that changes something carries. */
export const formFields = (csrf: string | null): Html => html`<input type="hidden" name="csrf" value="${csrf}">`;

/** What the fields of a form show, and a mark of each as it was written. */
export interface ShownFields<Field extends string = string> {
  readonly values: Readonly<Record<Field, string>>;
  readonly marks: Readonly<Record<string, string>>;
}

/** One of those that a field lets choose from; of a `label` from outside the caller cuts what is too long. */
export const option = (value: string, label: string, chosen: string | undefined): Html =>
  html`<option value="${value}"${value === chosen && html` selected`}>${label}</option>`;

/** How each field was written with the form: what differs from it was typed since, and is all that changes. */
export const writtenFields = (marks: Readonly<Record<string, string>>): Html =>
  html`${Object.entries(marks).map(([field, mark]) => html`<input type="hidden" name="was.${field}" value="${mark}" autocomplete="off">`)}`;

/** `formFields` for one that makes something or moves money: sent twice, it is taken once. */
export const onceFields = (csrf: string): Html =>
  html`${formFields(csrf)}<input type="hidden" name="once" value="${crypto.randomUUID()}" autocomplete="off">`;
