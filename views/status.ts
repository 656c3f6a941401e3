import type { Html } from "./html.ts";
import { chip } from "./text.ts";

/** The states of a call, in the order in which a filter offers them. */
export const statuses: readonly string[] = [
  "open",
  "ok",
  "client_aborted",
  "upstream_error",
  "refused",
  "interrupted",
  "shutdown",
];

export function statusChip(status: string): Html {
  return chip(tones[status] ?? "quiet", statusWord(status));
}

export const statusWord = (status: string): string => status.replaceAll("_", " ");

const tones: Readonly<Record<string, "good" | "bad" | "warn" | "info" | "quiet">> = {
  open: "info",
  ok: "good",
  client_aborted: "warn",
  upstream_error: "bad",
  refused: "quiet",
  interrupted: "bad",
  shutdown: "warn",
};
