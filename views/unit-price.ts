import { html, type Html } from "./html.ts";
import { cut } from "./text.ts";

/** What is not paid by the token, and what its price buys. */
export const unitWords = {
  request: "per call",
  webSearch: "per search",
  fileSearch: "per file search",
  image: "per image",
  second: "per second",
  character: "per million characters",
} as const;

/** Of a price line, which says USD per million of whatever its item is: as people say it. */
export function unitPrice(item: string, perMillion: string): Html {
  const words = Object.hasOwn(unitWords, item) ? unitWords[item as keyof typeof unitWords] : null;
  const text = words === null || item === "character" ? perMillion : millionth(perMillion);
  return html`<bdi>${cut(text, 40)}</bdi> <span class="hint">${words ?? "per million tokens"}</span>`;
}

/** Of a decimal without exponent, digit for digit. */
function millionth(text: string): string {
  const [whole = "", fraction = ""] = text.split(".");
  const digits = whole.padStart(7, "0");
  const rest = `${digits.slice(-6)}${fraction}`.replace(/0+$/, "");
  return rest === "" ? digits.slice(0, -6) : `${digits.slice(0, -6)}.${rest}`;
}
