import type { RedactionCounts, Redactor } from "./redact.ts";
import { noteOfMedia, restOfRun, shortestMedia, withoutMedia } from "./media.ts";

/** What was done to a text before it was stored. */
export interface Findings {
  readonly redacted: RedactionCounts;
  media: number;
  /** There was more than was looked at. */
  isCut: boolean;
}

/** Read beyond the end, so that a secret that lies across it is seen whole. In UTF-16 units. */
export const slack = 8_192;
/** Of a text that was cut, how much of its end is dropped: a half of a secret looks like nothing. */
export const lastBegun = 256;

/**
 * JSON as it was sent, but for what is redacted and for media. Strings are read as what they say, so that an escape hides
 * nothing; every other byte stays, and it works on half a document too. Stops when `limit` UTF-16 units are there.
 */
export function shownJson(text: string, limit: number, redact: Redactor, findings: Findings): string {
  let shown = "";
  let at = 0;
  while (at < text.length) {
    if (shown.length >= limit) {
      findings.isCut = true;
      break;
    }
    const room = limit - shown.length + slack;
    const quote = text.indexOf('"', at);
    const end = quote < 0 ? text.length : quote;
    shown += shownGap(text.slice(at, Math.min(end, at + room)), redact, findings);
    if (end - at > room) findings.isCut = true;
    if (quote < 0 || findings.isCut) break;
    const close = closingQuote(text, quote);
    const before = text.slice(Math.max(0, quote - 160), quote);
    shown += `"${shownString(text.slice(quote + 1, close), before, room, redact, findings)}${close < text.length ? '"' : ""}`;
    if (findings.isCut) break;
    at = close + 1;
  }
  return shown;
}

/** Between the strings: a number may be a card's. */
function shownGap(gap: string, redact: Redactor, { redacted }: Findings): string {
  if (gap.length < 4) return gap;
  const shown = redact(gap, redacted);
  return shown === gap ? gap : shown.replace(/\[redacted: [^\]]*\]/g, (mark) => `"${mark}"`);
}

/** `source`: between the quotes, as it was sent. */
function shownString(source: string, before: string, room: number, redact: Redactor, findings: Findings): string {
  const note = noteOfMedia(source, before);
  if (note !== null) {
    findings.media += 1;
    return note;
  }
  const { searched, isRest } = searchedFor(source, room, findings);
  const isCut = isRest || searched.length > room;
  if (isCut) findings.isCut = true;
  const kept = isCut ? searched.slice(0, room) : searched;
  if (kept.length < 4) return kept;
  const said = kept.includes("\\") ? unescaped(kept) : kept;
  const shown = redact(said, findings.redacted);
  // What was begun there cannot be known for what it is.
  if (isCut) return JSON.stringify(shown.slice(0, -lastBegun)).slice(1, -1);
  return shown === said ? kept : JSON.stringify(shown).slice(1, -1);
}

/** Without media, as far as there is room. `isRest`: there is more. */
function searchedFor(
  source: string,
  room: number,
  findings: Findings,
): { readonly searched: string; readonly isRest: boolean } {
  if (source.length < shortestMedia) return { searched: source, isRest: false };
  const found = () => void (findings.media += 1);
  let searched = "";
  let from = 0;
  while (from < source.length && searched.length <= room) {
    restOfRun.lastIndex = Math.min(from + room, source.length);
    const end = restOfRun.lastIndex + (restOfRun.exec(source)?.[0].length ?? 0);
    searched += withoutMedia(source.slice(from, end), found);
    from = end;
  }
  return { searched, isRest: from < source.length };
}

/** What was cut may end within an escape. */
function unescaped(source: string): string {
  for (let cut = source.length; cut >= Math.max(0, source.length - 6); cut--) {
    try {
      return String(JSON.parse(`"${source.slice(0, cut)}"`));
    } catch {
      // One character less.
    }
  }
  return source;
}

/** The end of the text where the string has none. */
function closingQuote(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
