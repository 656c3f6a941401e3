import { Buffer } from "node:buffer";
import { type Findings, lastBegun, shownJson, slack } from "./json-text.ts";
import type { Redactor } from "./redact.ts";
import type { StreamText } from "./stream-text.ts";

/** What is kept of one side of a call. */
export interface ContentSide {
  readonly text: string;
  /** UTF-8 bytes of what the client sent or got: of a stream, of the text in its events. */
  readonly bytes: number;
  readonly truncated: boolean;
  /** By the name of a rule, how often it was found in what is kept. */
  readonly redacted: Readonly<Record<string, number>>;
  /** Images, sounds and files that a note stands for. */
  readonly media: number;
}

export interface SideOptions {
  /** UTF-8 bytes of text that are kept. */
  readonly maxBytes: number;
  readonly redact: Redactor;
}

/** Of a document as it was sent. `bytes`: its length in UTF-8. */
export function jsonSide(json: string, bytes: number, { maxBytes, redact }: SideOptions): ContentSide {
  const findings = noFindings();
  return sideOf(shownJson(json, maxBytes, redact, findings), bytes, findings, maxBytes);
}

/** Of a stream that was collected with at least `collectedUnits` of room. */
export function streamSide(stream: StreamText, { maxBytes, redact }: SideOptions): ContentSide {
  const findings = noFindings();
  const text = stream.end(redact, findings);
  return sideOf(findings.isCut ? text.slice(0, -lastBegun) : text, stream.bytes, findings, maxBytes);
}

/** UTF-16 units to collect, so that what lies across the end is seen whole. */
export const collectedUnits = (maxBytes: number): number => maxBytes + slack;

const noFindings = (): Findings => ({ redacted: new Map(), media: 0, isCut: false });

function sideOf(text: string, bytes: number, { redacted, media, isCut }: Findings, maxBytes: number): ContentSide {
  const whole = text.toWellFormed();
  const kept = firstBytes(whole, maxBytes);
  const truncated = isCut || kept.length < whole.length;
  return {
    text: truncated ? `${kept}… [cut here, ${bytes.toLocaleString("en-US")} bytes in all]` : kept,
    bytes,
    truncated,
    redacted: Object.fromEntries(redacted),
    media,
  };
}

/** Never half a character. */
function firstBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
