import type { RawText } from "../dialect.ts";
import { contentBytes } from "../text-bytes.ts";
import { endOfString } from "../json-text.ts";

/**
 * The pieces of one block come in frames that are byte for byte alike up to the piece, and end in braces, line ends and
 * padding (Anthropic writes random blanks behind the JSON). One that fits the frame before holds nothing else, and needs no
 * parse. Compares the frame as received: its bytes need no decoding.
 */
export class DeltaScan {
  /** What stands before the piece; empty: nothing is learnt. */
  #head = "";

  /** `raw` is a frame with a piece under `field`, the last string in it. */
  learn(raw: RawText, field: string): void {
    const frame = raw.text.slice(raw.start, raw.end);
    const start = frame.lastIndexOf(`"${field}"`) + field.length + 2;
    const [opening] = /^\s*:\s*"/.exec(frame.slice(start)) ?? [];
    if (opening === undefined) return;
    const head = frame.slice(0, start + opening.length);
    const end = endOfString(frame, head.length);
    this.#head = isTail(frame, end + 1, frame.length) ? head : "";
  }

  /** The piece's length in UTF-8 bytes; -1 when the frame does not fit. */
  contentBytes({ text, start, end }: RawText): number {
    if (this.#head === "" || !text.startsWith(this.#head, start)) return -1;
    const from = start + this.#head.length;
    const to = endOfString(text, from);
    return to < end && isTail(text, to + 1, end) ? contentBytes(text, from, to) : -1;
  }
}

/** Nothing but closing braces and blanks. */
function isTail(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const c = text.charCodeAt(at);
    if (c > space && c !== brace) return false;
  }
  return true;
}

const brace = 0x7d;
const space = 0x20;
