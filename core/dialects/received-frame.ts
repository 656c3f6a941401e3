import { Buffer } from "node:buffer";
import type { RawText, SseFrame } from "./dialect.ts";

/** Stands for bytes of a chunk, and decodes them when they are asked for: a frame that is only passed on costs nothing. */
export class ReceivedFrame implements SseFrame {
  /** Whether the client may see it, as the meter has said that looked at it. */
  isShown = true;
  readonly #read: (bytes: Uint8Array) => Fields;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #text: string | null;
  #fields: Fields | null = null;

  /** `text`: all of `source` as Latin-1, where that is at hand. `read`: what the framing says such bytes carry. */
  constructor(
    read: (bytes: Uint8Array) => Fields,
    source: Uint8Array,
    start: number,
    end: number,
    text: string | null = null,
  ) {
    this.#read = read;
    this.#source = source;
    this.#start = start;
    this.#end = end;
    this.#text = text;
  }

  get bytes(): Uint8Array {
    return this.#source.subarray(this.#start, this.#end);
  }

  get data(): string | null {
    return (this.#fields ??= this.#read(this.bytes)).data;
  }

  get event(): string | null {
    return (this.#fields ??= this.#read(this.bytes)).event;
  }

  get raw(): RawText {
    if (this.#text !== null) return { text: this.#text, start: this.#start, end: this.#end };
    const text = latin1(this.bytes);
    return { text, start: 0, end: text.length };
  }

  /**
   * The bytes of those that are shown, in order. All are of one memory, and are moved together in it where one is hidden:
   * none of them is to be read any more.
   */
  static shownOf(frames: readonly ReceivedFrame[]): Uint8Array {
    const first = frames.find(isShown);
    if (!first) return nothing;
    const source = first.#source;
    let end = first.#start;
    for (const frame of frames) {
      if (!frame.isShown) continue;
      if (frame.#start > end) source.copyWithin(end, frame.#start, frame.#end);
      end += frame.#end - frame.#start;
    }
    return first.#start === 0 && end === source.length ? source : source.subarray(first.#start, end);
  }
}

const isShown = (frame: ReceivedFrame): boolean => frame.isShown;
const nothing = new Uint8Array(0);

/** What a frame carries, as in `SseFrame`. */
export interface Fields {
  readonly data: string | null;
  readonly event: string | null;
}

export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
