import { endOfString } from "../json-text.ts";
import type { RawText } from "../dialect.ts";
import { contentBytes } from "../text-bytes.ts";

/**
 * Most chunks of a stream are byte for byte the one before, but for the piece of content and OpenAI's padding. One that
 * fits a chunk which held nothing else holds nothing else either, and needs no scan. Compares the frame as received: its
 * bytes need no decoding, and the content's length is known without counting.
 */
export class FrameTemplate {
  #head = "";
  #tail = "";
  /** What follows the padding's value; `null` when the tail has no padding. */
  #close: string | null = null;
  /** Chunks in a row that did not fit: a stream whose chunks all differ is not worth learning. */
  #misfits = 0;

  /** `data` is what `raw` holds: one piece of content, between `valueStart` and `valueEnd`, and nothing worth parsing. */
  learn(data: string, valueStart: number, valueEnd: number, raw: RawText): void {
    if (++this.#misfits > maxMisfits) return;
    const frame = raw.text.slice(raw.start, raw.end);
    const head = `data: ${data.slice(0, valueStart)}`;
    const tail = `${data.slice(valueEnd)}\n\n`;
    // Not so with other characters than ASCII around the content, or with the field written otherwise.
    if (!frame.startsWith(head) || !frame.endsWith(tail)) return;
    this.#head = head;
    const [, before, after] = /^([^]*"(?:obfuscation|p)":\s*")[^"\\]*("\s*\}\n\n)$/.exec(tail) ?? [];
    this.#tail = before ?? tail;
    this.#close = after ?? null;
  }

  /** The content's length in UTF-8 bytes; -1 when the chunk does not fit. */
  contentBytes({ text, start, end }: RawText): number {
    if (this.#head === "" || !text.startsWith(this.#head, start)) return -1;
    const valueStart = start + this.#head.length;
    const valueEnd = endOfString(text, valueStart);
    if (!text.startsWith(this.#tail, valueEnd)) return -1;
    const tailEnd = valueEnd + this.#tail.length;
    const close = this.#close === null ? tailEnd : endOfString(text, tailEnd);
    const expectedEnd = this.#close === null ? tailEnd : close + this.#close.length;
    if (expectedEnd !== end || (this.#close !== null && !text.startsWith(this.#close, close))) return -1;
    this.#misfits = 0;
    return contentBytes(text, valueStart, valueEnd);
  }
}

const maxMisfits = 16;
