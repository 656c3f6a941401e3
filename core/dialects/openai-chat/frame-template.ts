import { Buffer } from "node:buffer";
import type { SseFrame } from "../dialect.ts";
import { utf8Length } from "../text-bytes.ts";

/**
 * Most chunks of a stream are byte for byte the one before, but for the piece of content and OpenAI's padding. One that
 * fits a chunk which held nothing else holds nothing else either. Compares bytes as they were received, in place: a text
 * of them, or an object for each chunk, would cost more than the comparison.
 */
export class FrameTemplate {
  /** Up to the content; `null`: nothing is learned yet. */
  #head: Part | null = null;
  /** From behind the content up to the padding's value, or to the end. */
  #tail: Part | null = null;
  /** What follows the padding's value; `null` when the tail has no padding. */
  #close: Part | null = null;
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
    const [, before, after] = /^([^]*"(?:obfuscation|p)":\s*")[^"\\]*("\s*\}\n\n)$/.exec(tail) ?? [];
    this.#head = new Part(head);
    this.#tail = new Part(before ?? tail);
    this.#close = after === undefined ? null : new Part(after);
  }

  /** Where the chunks end that stand in `bytes` from `from` on and fit; `from` when there is none. */
  endOfFitting(bytes: Uint8Array, from: number, into: { contentBytes: number }): number {
    const [head, tail, close] = [this.#head, this.#tail, this.#close];
    if (head === null || tail === null) return from;
    const view = viewOf(bytes);
    let end = from;
    for (;;) {
      const valueStart = end + head.length;
      if (!head.isAt(view, end)) break;
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
      if (!tail.isAt(view, at)) break;
      at += tail.length;
      if (close !== null) {
        for (let byte = bytes[at]; byte !== quote; byte = bytes[at]) {
          if (byte === undefined || byte < space || byte === backslash) return this.#taken(from, end);
          at += 1;
        }
        if (!close.isAt(view, at)) break;
        at += close.length;
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

/** Bytes to compare with, four at a time as far as that goes. */
class Part {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(text: string) {
    this.#bytes = Buffer.from(text, "latin1");
    this.length = this.#bytes.length;
    const view = viewOf(this.#bytes);
    this.#words = Uint32Array.from({ length: this.length >> 2 }, (_, at) => view.getUint32(4 * at));
  }

  isAt(view: DataView, start: number): boolean {
    const { length } = this;
    const words = this.#words;
    const bytes = this.#bytes;
    if (start + length > view.byteLength) return false;
    let at = 0;
    for (let word = 0; word < words.length; word++, at += 4)
      if (view.getUint32(start + at) !== words[word]) return false;
    for (; at < length; at++) if (view.getUint8(start + at) !== bytes[at]) return false;
    return true;
  }
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
