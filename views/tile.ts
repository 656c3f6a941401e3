import { html, type Html } from "./html.ts";

/** One figure with its name, and a second line below. */
export const tile = (
  label: string,
  value: Html,
  below: Html | null,
  tone: "bad" | "" = "",
): Html => html`<div class="tile">
  <span class="label">${label}</span><span class="value ${tone}">${value}</span><span class="below">${below}</span>
</div>`;
