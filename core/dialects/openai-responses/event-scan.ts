import type { RawText } from "../dialect.ts";
import { endOfString } from "../json-text.ts";
import { contentBytes } from "../text-bytes.ts";

/*
 * What a frame is, without parsing it. Quotes within JSON strings are escaped, so that a key with its quotes and its colon
 * is found nowhere in what the model says.
 */

/** Where the type of an event stands in the text of its frame. */
export interface TypeSpan {
  readonly start: number;
  readonly end: number;
}

/** In the `event:` line, or, with vendors that leave that out, in the data. `null`: found in neither. */
export function findType({ text, start, end }: RawText): TypeSpan | null {
  if (text.startsWith(eventLine, start)) {
    const lineEnd = text.indexOf("\n", start);
    if (lineEnd < 0 || lineEnd >= end) return null;
    const isCrLf = text.charCodeAt(lineEnd - 1) === carriageReturn;
    return { start: start + eventLine.length, end: isCrLf ? lineEnd - 1 : lineEnd };
  }
  // Types of items and parts, which may stand before it, do not begin so.
  const at = text.indexOf(typeField, start);
  if (at < 0 || at >= end) return null;
  const from = at + typeField.length - "response.".length;
  return { start: from, end: endOfString(text, from) };
}

export const isDelta = ({ text }: RawText, type: TypeSpan): boolean =>
  text.startsWith(".delta", type.end - ".delta".length);

/** UTF-8 bytes of the piece that a delta has; -1: none is found. */
export function deltaBytes({ text, start, end }: RawText, typeEnd: number): number {
  // Some vendors sort the keys, so that it may come before the type.
  const at = text.indexOf(deltaField, text.startsWith(eventLine, start) ? typeEnd : start);
  if (at < 0 || at >= end) return -1;
  const from = at + deltaField.length;
  const to = endOfString(text, from);
  return to < end ? contentBytes(text, from, to) : -1;
}

/** The end of the answer, or an error. */
export const isNotable = ({ text }: RawText, { start, end }: TypeSpan): boolean =>
  notable.some((type) => type.length === end - start && text.startsWith(type, start));

const notable = ["response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"];

const eventLine = "event: ";
const typeField = '"type":"response.';
const deltaField = '"delta":"';
const carriageReturn = 0x0d;
