import { endOfString } from "../json-text.ts";
import { utf8Bytes } from "./frame-scan.ts";

/**
 * Most chunks of a stream are byte for byte the one before, but for the piece of content and OpenAI's padding. One that
 * fits a chunk which held nothing else holds nothing else either, and needs no scan.
 */
export class FrameTemplate {
  #head = "";
  #tail = "";
  /** What follows the padding's value; `null` when the tail has no padding. */
  #close: string | null = null;
  /** Chunks in a row that did not fit: a stream whose chunks all differ is not worth learning. */
  #misfits = 0;

  /** `data` holds one piece of content, between `valueStart` and `valueEnd`, and nothing worth parsing. */
  learn(data: string, valueStart: number, valueEnd: number): void {
    if (++this.#misfits > maxMisfits) return;
    this.#head = data.slice(0, valueStart);
    const tail = data.slice(valueEnd);
    const [, before, after] = /^([^]*"(?:obfuscation|p)":\s*")[^"\\]*("\s*\})$/.exec(tail) ?? [];
    this.#tail = before ?? tail;
    this.#close = after ?? null;
  }

  /** The content's length in UTF-8 bytes; -1 when the chunk does not fit. */
  contentBytes(data: string): number {
    if (this.#head === "" || !data.startsWith(this.#head)) return -1;
    const valueStart = this.#head.length;
    const valueEnd = endOfString(data, valueStart);
    if (!data.startsWith(this.#tail, valueEnd)) return -1;
    const tailEnd = valueEnd + this.#tail.length;
    const end = this.#close === null ? tailEnd : endOfString(data, tailEnd) + this.#close.length;
    if (end !== data.length || (this.#close !== null && !data.endsWith(this.#close))) return -1;
    this.#misfits = 0;
    return utf8Bytes(data, valueStart, valueEnd);
  }
}

const maxMisfits = 16;
