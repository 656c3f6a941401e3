import { clock, day, isTime, none, splitUsd, year } from "./format.ts";
import { html, type Html } from "./html.ts";

/** A value from outside: isolated, so that its writing direction cannot reorder the row, and cut, with the rest as tooltip. */
export function name(text: string | null, maxCharacters = 40): Html {
  if (text === null || text === "") return html`<span class="none">${none}</span>`;
  return html`<bdi class="name" title="${text.length > 16 ? cut(text, 200) : ""}">${cut(text, maxCharacters)}</bdi>`;
}

/** Without what would show the rest in another order than it was written. */
export const visible = (text: string): string =>
  text.replace(
    /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );

/** The first characters, and an ellipsis when there are more. */
export function cut(text: string, maxCharacters: number): string {
  const characters = Array.from(visible(text.slice(0, maxCharacters * 2 + 2)));
  return characters.length > maxCharacters ? `${characters.slice(0, maxCharacters).join("")}…` : characters.join("");
}

/** Nano-USD, every digit kept; those below a cent are set smaller. */
export function money(nano: number | bigint | null): Html {
  const parts = splitUsd(nano);
  if (parts === null) return html`<span class="none" title="No price is known.">${none}</span>`;
  // Its table has no room for the digits below a cent beside it.
  const isLong = parts.whole.length > "$9,999.99".length;
  return html`<span class="money${isLong && " long"}">${parts.whole}<span class="fine">${parts.fine}</span></span>`;
}

/** `23 Nov 14:26:05`, UTC; the machine-readable time and the year are in the element. */
export const time = (atMs: number | null): Html =>
  timeAs(atMs, (valid) => `${day(valid)} ${clock(valid)}:${new Date(valid).toISOString().slice(-7, -5)}`);

/** `23 Nov 2025`, UTC; the time of day is in the element. */
export const date = (atMs: number | null): Html => timeAs(atMs, (valid) => `${day(valid)} ${year(valid)}`);

/** `23 Nov 2025 14:26`, UTC. */
export const moment = (atMs: number | null): Html =>
  timeAs(atMs, (valid) => `${day(valid)} ${year(valid)} ${clock(valid)}`);

/** A short word with a colour; the colour never says more than the word. */
export const chip = (tone: "good" | "bad" | "warn" | "info" | "quiet", word: string): Html =>
  html`<span class="chip ${tone}">${word}</span>`;

function timeAs(atMs: number | null, format: (validMs: number) => string): Html {
  if (atMs === null || !isTime(atMs)) return html`<span class="none">${none}</span>`;
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}" title="${iso.replace("T", " ").replace("Z", " UTC")}">${format(atMs)}</time>`;
}
