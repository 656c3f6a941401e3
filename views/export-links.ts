import { html, url, type Html } from "./html.ts";

/** Files of what a page shows, by the API's own address: it takes the session too. Empty values filter nothing. */
export const exportLinks = (
  what: "audit" | "calls" | "usage" | "ledger",
  label: string,
  query: Readonly<Record<string, string>> = {},
): Html =>
  html`<span class="hint">${label} ${(["csv", "jsonl"] as const).map((format) => html`<a href="${url(`/api/${what}/export`, { ...query, format })}" download>${format.toUpperCase()}</a> `)}</span>`;
