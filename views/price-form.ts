import { onceFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";

/** What was typed, as it was typed, and what is wrong with it. */
export interface PriceFormModel {
  readonly values: Readonly<Record<PriceField, string>>;
  readonly error: string | null;
}
export type PriceField = "target" | "from" | "withdraw" | Field[0] | Lack[0];
type Field = (typeof tokens | typeof media | typeof units | typeof long | typeof tiers | typeof sizes)[number];

/** Each with its label and what holds where it is left out. */
const tokens = [
  ["input", "Input", ""],
  ["output", "Output", ""],
  ["cacheRead", "Read from cache", "as input"],
  ["cacheWrite", "Written to cache", "as input"],
  ["cacheWrite1h", "Written for 1 hour", "as for 5 minutes"],
  ["reasoning", "Reasoning", "as output"],
] as const;
const media = [
  ["inputAudio", "Audio in", "as input"],
  ["outputAudio", "Audio out", "as output"],
  ["inputImage", "Images in", "as input"],
  ["outputImage", "Images out", "as output"],
] as const;
/** What is bounded by no text has a field for the most of it behind its price. */
const units = [
  ["request", "USD per call", "none"],
  ["webSearch", "USD per search", "none"],
  ["fileSearch", "USD per file search", "none"],
  ["image", "USD per image", "none"],
  ["most.image", "Most images a call", "with a price"],
  ["second", "USD per second", "none"],
  ["most.second", "Most seconds a call", "with a price"],
  ["character", "USD per million characters", "none"],
  ["most.character", "Most characters a call", "with a price"],
] as const;
const long = [
  ["long.above", "Longer than, tokens", "no other prices"],
  ["long.input", "Long, input", "as for shorter"],
  ["long.output", "Long, output", "as for shorter"],
  ["long.cacheRead", "Long, read from cache", "as for shorter"],
  ["long.cacheWrite", "Long, written to cache", "as for shorter"],
  ["long.cacheWrite1h", "Long, written for 1 hour", "as for shorter"],
  ["long.reasoning", "Long, reasoning", "as for shorter"],
] as const;
/** The names that vendors use. */
const tiers = [
  ["batch.input", "Batch, input", "as without a tier"],
  ["batch.output", "Batch, output", "with its input"],
  ["batch.cacheRead", "Batch, read from cache", "as its input"],
  ["batch.cacheWrite", "Batch, written to cache", "as its input"],
  ["flex.input", "Flex, input", "as batch, or no tier"],
  ["flex.output", "Flex, output", "with its input"],
  ["flex.cacheRead", "Flex, read from cache", "as its input"],
  ["flex.cacheWrite", "Flex, written to cache", "as its input"],
  ["priority.input", "Priority, input", "as without a tier"],
  ["priority.output", "Priority, output", "with its input"],
  ["priority.cacheRead", "Priority, read from cache", "as its input"],
  ["priority.cacheWrite", "Priority, written to cache", "as its input"],
] as const;
const sizes = [
  ["contextWindow", "Context window, tokens", "as the price data says"],
  ["maxOutputTokens", "Most output, tokens", "as the price data says"],
] as const;

type Values = PriceFormModel["values"];
type Lack = (typeof lacks)[number];
const lacks = [
  ["lacks.images", "images"],
  ["lacks.audio", "audio"],
  ["lacks.files", "files"],
  ["lacks.tools", "tools"],
  ["lacks.reasoning", "reasoning"],
  ["lacks.structuredOutput", "a JSON schema for the answer"],
] as const;

/** In the order of the form. A point in a name: what is before it holds what is behind it. */
export const priceFields: readonly PriceField[] = [
  "target",
  ...[...tokens, ...media, ...units, ...long, ...tiers, ...sizes, ...lacks].map(([field]) => field),
  "from",
  "withdraw",
];

/** By their fields, of all that take an amount. */
export const priceLabels: Readonly<Record<string, string>> = Object.fromEntries(
  [...tokens, ...media, ...units, ...long, ...tiers, ...sizes].map(([field, label]) => [field, label]),
);

/** Works as a plain form; htmx only spares the reload. What is rarer still is set through the API. */
export const priceForm = (
  { values, error }: PriceFormModel,
  csrf: string,
): Html => html`<details class="panel new" id="new-price"${error !== null && html` open`}>
  <summary>New price</summary>
  <form method="post" action="/dashboard/prices" hx-post="/dashboard/prices" hx-target="#prices" hx-swap="outerHTML" hx-disable="find button">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Target<input name="target" value="${values.target}" required maxlength="300" autocomplete="off" spellcheck="false" placeholder="openai/gpt-5, lab/*"></label>
      <label>In effect from (UTC)<input type="datetime-local" name="from" value="${values.from}"></label>
      <label>Instead of prices<select name="withdraw"><option value="">set them</option><option value="yes"${values.withdraw !== "" && html` selected`}>end what was set here</option></select></label>
    </div>
    <p class="hint">USD per million tokens</p>
    ${amounts(tokens, values)}
    ${group("Tokens of audio and images", media, values, amounts(media, values))}
    ${group("Calls, searches, images, seconds, characters", units, values, amounts(units, values))}
    ${group("Other prices for long inputs", long, values, amounts(long, values))}
    ${group("Service tiers", tiers, values, amounts(tiers, values))}
    ${group("What the model takes", [...sizes, ...lacks], values, html`${amounts(sizes, values)}${lacking(values)}`)}
    <p class="hint">Without a time it holds from now on; calls that have ended keep their price. It replaces all prices of the target: those that only the API takes, such as a second tier of long inputs, end with it.</p>
    <button class="primary">Set price</button>
  </form>
</details>`;

/** Open where something was typed. */
const group = (title: string, fields: readonly (Field | Lack)[], values: Values, content: Html): Html =>
  html`<details class="group"${fields.some(([field]) => values[field] !== "") && html` open`}><summary>${title}</summary>${content}</details>`;

const amounts = (fields: readonly Field[], values: Values): Html =>
  html`<div class="fields">${fields.map(
    ([field, label, placeholder]) =>
      html`<label>${label}<input name="${field}" value="${values[field]}" inputmode="decimal" autocomplete="off" placeholder="${placeholder}"></label>`,
  )}</div>`;

const lacking = (values: Values): Html =>
  html`<fieldset class="choices"><legend>It takes no</legend>${lacks.map(([field, label]) => html`<label><input type="checkbox" name="${field}" value="yes"${values[field] !== "" && html` checked`}>${label}</label>`)}</fieldset>`;
