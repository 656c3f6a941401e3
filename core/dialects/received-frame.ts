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

  /** Both as one frame, where `next` follows in the same memory. */
  with(next: ReceivedFrame): ReceivedFrame | null {
    if (next.#source !== this.#source || next.#start !== this.#end) return null;
    return new ReceivedFrame(this.#read, this.#source, this.#start, next.#end, this.#text);
  }
}

/** The frames' bytes in order, in as few pieces as the memory they came in allows. */
export function piecesOf(frames: readonly ReceivedFrame[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let piece: ReceivedFrame | null = null;
  for (const frame of frames) {
    const longer: ReceivedFrame | null = piece && piece.with(frame);
    if (piece && !longer) pieces.push(piece.bytes);
    piece = longer ?? frame;
  }
  if (piece) pieces.push(piece.bytes);
  return pieces;
}

/** What a frame carries, as in `SseFrame`. */
export interface Fields {
  readonly data: string | null;
  readonly event: string | null;
}

export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
