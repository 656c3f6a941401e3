import { GatewayError } from "../chat/error.ts";
import type { SseFrame, StreamMeter } from "./dialect.ts";
import { type Fields, ReceivedFrame } from "./received-frame.ts";

/*
 * The other framing of Gemini's streams: without `alt=sse` an answer is one JSON array of chunks, sent as they come,
 * `[{…}\n,\r\n{…}\n]`. Both ways in have the interface of their SSE counterparts.
 */

const defaultMaxFrameBytes = 4 * 1024 * 1024;

/** How an array stands after the frames, or the text, so far: what may still be written to it. */
export type ArrayStage = "before" | "open" | "closed";

/**
 * As `SseSplitter`: cuts a JSON array of objects into frames, wherever the chunks end. A frame is one element with what
 * stands before it (`[`, commas, white space); the closing bracket is a frame without data. The frames' bytes, then those
 * of `rest`, are the input exactly. The JSON itself is not checked.
 */
export class JsonArraySplitter {
  readonly #maxFrameBytes: number;
  /** Holds the bytes of the frame that is not complete yet: the first `#length` of it. */
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** Offset in that frame of the next byte to look at. */
  #at = 0;
  /** Brackets that are open: 0 outside of the array, 1 between its elements. */
  #depth = 0;
  #inString = false;
  #stage: ArrayStage = "before";

  /** `maxFrameBytes`: the largest frame, and so the most that is buffered. */
  constructor(maxFrameBytes = defaultMaxFrameBytes) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** After the frames that were handed out: pass it to a `JsonArrayWriter` that is to go on with the same array. */
  get stage(): ArrayStage {
    return this.#stage;
  }

  /**
   * The frames that `chunk` completes. Throws `upstream-invalid` when one is too large, or no array of objects comes.
   * `meter` looks at each.
   */
  push(chunk: Uint8Array, meter?: StreamMeter): ReceivedFrame[] {
    const buffered = this.#length > 0;
    if (buffered) this.#append(chunk);
    const bytes = buffered ? this.#buffer.subarray(0, this.#length) : chunk;
    const frames: ReceivedFrame[] = [];
    let start = 0;
    for (;;) {
      const end = this.#endOfFrame(bytes);
      if (end < 0) break;
      if (end - start > this.#maxFrameBytes) throw tooLarge(this.#maxFrameBytes);
      frames.push(new ReceivedFrame(this.#stage === "closed" ? noFields : elementOf, bytes, start, end));
      start = end;
    }
    this.#keep(bytes, start, buffered);
    if (meter) for (const frame of frames) frame.isShown = meter.frame(frame);
    return frames;
  }

  /** What the input ended with instead of a complete frame; `null` when nothing is left. Its `data` may be cut off. */
  rest(): SseFrame | null {
    if (this.#length === 0) return null;
    const frame = new ReceivedFrame(elementOf, this.#buffer.slice(0, this.#length), 0, this.#length);
    this.#length = 0;
    this.#at = 0;
    return frame;
  }

  /** Where the frame ends that is looked at, or -1 to wait for more. */
  #endOfFrame(bytes: Uint8Array): number {
    if (this.#stage === "closed") {
      // What follows an array means nothing; it is passed on.
      const hasMore = this.#at < bytes.length;
      this.#at = bytes.length;
      return hasMore ? bytes.length : -1;
    }
    while (this.#at < bytes.length) {
      if (this.#inString) {
        if (this.#leaveString(bytes)) continue;
        return -1;
      }
      const byte = bytes[this.#at++];
      if (byte === quote && this.#depth > 1) this.#inString = true;
      else if (byte === openBrace || byte === openBracket) this.#open(byte);
      else if (byte === closeBrace || byte === closeBracket) {
        this.#depth--;
        if (this.#depth > 1) continue;
        this.#stage = this.#depth === 1 ? "open" : "closed";
        return this.#depth === 1 ? this.#spaceFrom(bytes) : this.#at;
      } else if (this.#depth < 2 && !isFiller(byte)) throw notAnArray();
    }
    return -1;
  }

  #open(byte: number): void {
    if (this.#depth === 0 && byte !== openBracket) throw notAnArray();
    if (this.#depth === 1 && byte !== openBrace) throw notAnArray();
    this.#depth++;
  }

  /** Goes behind the string's end; `false`: it is not there yet. */
  #leaveString(bytes: Uint8Array): boolean {
    for (;;) {
      const close = bytes.indexOf(quote, this.#at);
      // A backslash at the very end waits for the byte that it stands before.
      const end = close < 0 ? bytes.length : close;
      let slashes = 0;
      while (end - 1 - slashes >= this.#at && bytes[end - 1 - slashes] === backslash) slashes++;
      const isEscaped = slashes % 2 === 1;
      if (close < 0) {
        this.#at = isEscaped ? bytes.length - 1 : bytes.length;
        return false;
      }
      this.#at = close + 1;
      if (isEscaped) continue;
      this.#inString = false;
      return true;
    }
  }

  /** Takes white space behind an element with it, as far as it is there: Google ends its lines that way. */
  #spaceFrom(bytes: Uint8Array): number {
    while (isSpace(bytes[this.#at])) this.#at++;
    return this.#at;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, 1024));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  /** Keeps what is left from `start` on, in memory of its own: frames that were handed out share the old one. */
  #keep(bytes: Uint8Array, start: number, buffered: boolean): void {
    const left = bytes.length - start;
    if (left > this.#maxFrameBytes) throw tooLarge(this.#maxFrameBytes);
    if (buffered && start === 0) return;
    this.#buffer = bytes.slice(start);
    this.#length = left;
    this.#at -= start;
  }
}

/** Writes what a `StreamEncoder` says in SSE as one JSON array, laid out as Google does. */
export class JsonArrayWriter {
  #stage: ArrayStage;

  /** `stage`: of an array that others have begun. */
  constructor(stage: ArrayStage = "before") {
    this.#stage = stage;
  }

  /** `sse`: whole events. One without data (a `: ping`) becomes a line break, which an open array may have anywhere. */
  write(sse: string): string {
    let text = "";
    for (const frame of sse.split("\n\n")) {
      if (frame === "" || this.#stage === "closed") continue;
      const lines = frame.split("\n").filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5)).join("\n");
      if (data === "") {
        text += this.#stage === "open" ? "\n" : "";
        continue;
      }
      text += (this.#stage === "before" ? "[" : ",\r\n") + data.trimStart();
      this.#stage = "open";
    }
    return text;
  }

  /** Closes the array; nothing can be written behind it. */
  end(): string {
    const text = this.#stage === "closed" ? "" : this.#stage === "open" ? "]" : "[]";
    this.#stage = "closed";
    return text;
  }
}

/** An array of chunks, and no SSE: JSON may have white space before it. */
export const startsLikeArray = (bytes: Uint8Array): boolean =>
  /^\uFEFF?\s*\[/.test(decoder.decode(bytes.subarray(0, 64)));

const decoder = new TextDecoder();

function elementOf(bytes: Uint8Array): Fields {
  const text = decoder.decode(bytes);
  const start = text.indexOf("{");
  return { data: start < 0 ? null : text.slice(start).trimEnd(), event: null };
}

const noFields = (): Fields => ({ data: null, event: null });

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const byteOrderMark: readonly (number | undefined)[] = [0xef, 0xbb, 0xbf];

const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isFiller = (byte: number | undefined) => isSpace(byte) || byte === comma || byteOrderMark.includes(byte);

const tooLarge = (maxFrameBytes: number) =>
  new GatewayError("upstream-invalid", `The provider sent an event of more than ${maxFrameBytes} bytes.`);

const notAnArray = () =>
  new GatewayError("upstream-invalid", "The provider's stream is not a JSON array of objects.", {
    code: "invalid_answer",
  });
