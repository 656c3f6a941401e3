import { html, type Html } from "./html.ts";

/** Whether prompts and answers are kept: the value of each choice, the empty one to say nothing. */
export const contentChoice = (chosen: string, inherited: string, mayForbid: boolean): Html =>
  html`<select name="content">${[
    ["", inherited],
    ["on", "kept"],
    ["off", "not kept"],
    ...(mayForbid ? [["forbid", "never kept, also below"]] : []),
  ].map(
    ([value, words]) => html`<option value="${value}"${value === chosen && html` selected`}>${words}</option>`,
  )}</select>`;
