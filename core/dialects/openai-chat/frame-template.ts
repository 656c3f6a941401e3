import type { SseFrame } from "../dialect.ts";
import { utf8Length } from "../text-bytes.ts";

/**
 * Most chunks of a stream are byte for byte the one before, but for the piece of content and OpenAI's padding. One that
 * fits a chunk which held nothing else holds nothing else either. Compares bytes as they were received, in place: a text
 * of them, or an object for each chunk, would cost more than the comparison.
 */
export class FrameTemplate {
  /** Head, tail and close, one after the other; `null`: nothing is learned yet. */
  #parts: DataView | null = null;
  /** Of what stands before the content. */
  #headLength = 0;
  /** Of what stands from behind the content up to the padding's value, or to the end. */
  #tailLength = 0;
  /** Of what follows the padding's value; 0 when there is no padding. */
  #closeLength = 0;
  /** Chunks in a row that did not fit: a stream whose chunks all differ is not worth learning. */
  #misfits = 0;

  /** `data` is what `frame` carries: one piece of content, between `valueStart` and `valueEnd`, and nothing worth parsing. */
  learn(data: string, valueStart: number, valueEnd: number, frame: SseFrame): void {
    if (++this.#misfits > maxMisfits) return;
    const { raw } = frame;
    const head = `data: ${data.slice(0, valueStart)}`;
    const tail = `${data.slice(valueEnd)}\n\n`;
    // Not so with other characters than ASCII around the content, or with the field written otherwise.
    if (!raw.text.startsWith(head, raw.start) || !raw.text.endsWith(tail, raw.end)) return;
    const [, before = tail, close = ""] = /^([^]*"(?:obfuscation|p)":\s*")[^"\\]*("\s*\}\n\n)$/.exec(tail) ?? [];
    this.#parts = viewOf(new TextEncoder().encode(head + before + close));
    this.#headLength = head.length;
    this.#tailLength = before.length;
    this.#closeLength = close.length;
  }

  /** Where the chunks end that stand in `bytes` from `from` on and fit; `from` when there is none. */
  endOfFitting(bytes: Uint8Array, from: number, into: { contentBytes: number }): number {
    const parts = this.#parts;
    if (parts === null) return from;
    const headLength = this.#headLength;
    const tailLength = this.#tailLength;
    const closeLength = this.#closeLength;
    const view = viewOf(bytes);
    let end = from;
    for (;;) {
      if (!isAt(view, end, parts, 0, headLength)) break;
      const valueStart = end + headLength;
      // Escapes stand for fewer bytes than their own.
      let spared = 0;
      let at = valueStart;
      for (let byte = bytes[at]; byte !== quote; byte = bytes[at]) {
        if (byte === undefined || byte < space) return this.#taken(from, end);
        if (byte !== backslash) at += 1;
        else if (bytes[at + 1] === letterU) {
          spared += 6 - utf8Length(unitAt(bytes, at + 2));
          at += 6;
        } else {
          spared += 1;
          at += 2;
        }
      }
      const valueEnd = at;
      if (!isAt(view, at, parts, headLength, tailLength)) break;
      at += tailLength;
      if (closeLength > 0) {
        for (let byte = bytes[at]; byte !== quote; byte = bytes[at]) {
          if (byte === undefined || byte < space || byte === backslash) return this.#taken(from, end);
          at += 1;
        }
        if (!isAt(view, at, parts, headLength + tailLength, closeLength)) break;
        at += closeLength;
      }
      into.contentBytes += valueEnd - valueStart - spared;
      end = at;
    }
    return this.#taken(from, end);
  }

  #taken(from: number, end: number): number {
    if (end > from) this.#misfits = 0;
    return end;
  }
}

const maxMisfits = 16;
const quote = 0x22;
const backslash = 0x5c;
const letterU = 0x75;
const space = 0x20;
const zero = 0x30;
const letterA = 0x61;
/** Of a letter, the bit that makes it a small one. */
const lowerCase = 0x20;

/**
 * Whether at `start` stand the `length` bytes that stand in `parts` at `from`. Compares four at a time as far as that goes:
 * as signed numbers in the order of most machines, which takes half the time of the others.
 */
function isAt(view: DataView, start: number, parts: DataView, from: number, length: number): boolean {
  if (start + length > view.byteLength) return false;
  let at = 0;
  for (; at + 4 <= length; at += 4)
    if (view.getInt32(start + at, true) !== parts.getInt32(from + at, true)) return false;
  for (; at < length; at++) if (view.getUint8(start + at) !== parts.getUint8(from + at)) return false;
  return true;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The UTF-16 unit whose four hexadecimal digits stand at `at`; NaN where others do. */
function unitAt(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let offset = 0; offset < 4; offset++) unit = unit * 16 + digitOf(bytes[at + offset] ?? 0);
  return unit;
}

function digitOf(byte: number): number {
  if (byte >= zero && byte <= zero + 9) return byte - zero;
  const letter = (byte | lowerCase) - letterA;
  return letter >= 0 && letter < 6 ? letter + 10 : Number.NaN;
}
