import { GatewayError } from "../chat/error.ts";
import type { SseFrame, StreamMeter } from "./dialect.ts";
import { type Fields, latin1, ReceivedFrame } from "./received-frame.ts";

const defaultMaxFrameBytes = 4 * 1024 * 1024;
const nothing = new Uint8Array(0);

/**
 * Cuts a byte stream into SSE frames by the WHATWG rules, wherever the chunks end. The frames' bytes, then those of
 * `rest`, are the input exactly. A frame that came whole within one chunk shares its memory.
 */
export class SseSplitter {
  readonly #maxFrameBytes: number;
  /** Holds the bytes of the frame that is not complete yet: the first `#length` of it. */
  #buffer: Uint8Array = nothing;
  #length = 0;
  /** Offsets in that frame: the next byte to look at, and where its line starts. */
  #at = 0;
  #lineStart = 0;
  /** What ended the line before; `CR` is one without an LF. */
  #previous: LineEnd = none;

  /** `maxFrameBytes`: the largest frame, and so the most that is buffered. */
  constructor(maxFrameBytes = defaultMaxFrameBytes) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * The frames that `chunk` completes. Throws `upstream-invalid` when one is too large. `meter`: looks at each as it is
   * found, and takes some in a row as one.
   */
  push(chunk: Uint8Array, meter?: StreamMeter): ReceivedFrame[] {
    const buffered = this.#length > 0;
    if (buffered) this.#append(chunk);
    const bytes = buffered ? this.#buffer.subarray(0, this.#length) : chunk;

    const frames: ReceivedFrame[] = [];
    let start = 0;
    let triesForRun = meter?.run ? maxTriesForRun : 0;
    // Searched for once, not once a frame: most streams have no CR at all. Most chunks are a run and need not be searched.
    let nextCr: number | null = null;
    for (;;) {
      const atBoundary = this.#previous === none && this.#at === start && start < bytes.length;
      if (atBoundary && triesForRun > 0) {
        const end = meter?.run?.(bytes, start) ?? start;
        triesForRun = end > start ? maxTriesForRun : triesForRun - 1;
        if (end > start) {
          frames.push(new ReceivedFrame(readFields, bytes, start, end));
          start = end;
          this.#at = end;
          this.#lineStart = end;
          if (end === bytes.length) break;
        }
      }
      nextCr ??= bytes.indexOf(CR, this.#at);
      if (atBoundary && triesForRun === 0 && nextCr < 0) {
        // From a boundary on, the usual chunk has whole frames with LF ends only.
        start = this.#takeWhole(bytes, start, frames, meter);
        break;
      }
      const end = this.#endOfFrame(bytes, nextCr);
      if (end < 0) break;
      frames.push(this.#frame(bytes, start, end, null, meter));
      start = end;
      this.#at = end;
      this.#lineStart = end;
      if (nextCr >= 0 && nextCr < end) nextCr = bytes.indexOf(CR, end);
    }
    this.#keep(bytes, start, buffered);
    return frames;
  }

  /**
   * What the input ended with instead of a complete frame; `null` when nothing is left. A parser by the book drops such an
   * event, the SDKs of vendors do not. Its `data` may be cut off in the middle.
   */
  rest(): SseFrame | null {
    if (this.#length === 0) return null;
    const frame = this.#frame(this.#buffer.slice(0, this.#length), 0, this.#length);
    this.#length = 0;
    this.#at = 0;
    this.#lineStart = 0;
    return frame;
  }

  /** Takes the frames from `from` on, a boundary with no CR behind it, and returns where the unfinished one starts. */
  #takeWhole(bytes: Uint8Array, from: number, frames: ReceivedFrame[], meter: StreamMeter | undefined): number {
    const text = latin1(bytes);
    let start = from;
    while (start < text.length) {
      const end = endOfWhole(text, start);
      if (end < 0) break;
      frames.push(this.#frame(bytes, start, end, text, meter));
      start = end;
    }
    this.#at = text.length;
    this.#lineStart = Math.max(start, text.lastIndexOf("\n") + 1);
    return start;
  }

  /**
   * The end of the frame, or -1 to wait for more. CR LF is one line end, so after a CR the next byte is awaited. The one
   * exception is a blank line that ends in CR after a line that ended in a bare CR: such a stream may be silent for minutes
   * now, so the frame ends here, and if an LF comes after all it opens the next frame, where it means nothing.
   */
  #endOfFrame(bytes: Uint8Array, firstCr: number): number {
    if (this.#previous === openCr && this.#at < bytes.length) {
      if (bytes[this.#at] === LF) this.#lineStart = ++this.#at;
      this.#previous = none;
    }
    let nextCr = firstCr;
    let nextLf = bytes.indexOf(LF, this.#at);
    for (;;) {
      if (nextCr >= 0 && nextCr < this.#at) nextCr = bytes.indexOf(CR, this.#at);
      if (nextLf >= 0 && nextLf < this.#at) nextLf = bytes.indexOf(LF, this.#at);
      const isCr = nextCr >= 0 && (nextLf < 0 || nextCr < nextLf);
      const lineEnd = isCr ? nextCr : nextLf;
      if (lineEnd < 0) {
        this.#at = bytes.length;
        return -1;
      }
      const isBlank = lineEnd === this.#lineStart;
      if (isCr && isBlank && this.#previous === CR) {
        this.#previous = openCr;
        return lineEnd + 1;
      }
      if (isCr && lineEnd + 1 === bytes.length) {
        this.#at = lineEnd;
        return -1;
      }
      const isPair = isCr && bytes[lineEnd + 1] === LF;
      this.#at = lineEnd + (isPair ? 2 : 1);
      if (isBlank) {
        this.#previous = none;
        return this.#at;
      }
      this.#lineStart = this.#at;
      this.#previous = isCr && !isPair ? CR : none;
    }
  }

  #frame(
    bytes: Uint8Array,
    start: number,
    end: number,
    text: string | null = null,
    meter?: StreamMeter,
  ): ReceivedFrame {
    if (end - start > this.#maxFrameBytes) throw tooLarge(this.#maxFrameBytes);
    const frame = new ReceivedFrame(readFields, bytes, start, end, text);
    frame.isShown = meter?.frame(frame) ?? true;
    return frame;
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
    this.#buffer = left === 0 ? nothing : bytes.slice(start);
    this.#length = left;
    this.#at -= start;
    this.#lineStart -= start;
  }
}

/** Frames that stand alone, one after the other, until all that follow are taken for such: then a text of them all is cheaper. */
const maxTriesForRun = 4;
const LF = 0x0a;
const CR = 0x0d;
const none = 0;
/** The frame before ended in a CR whose LF, if it has one, has not come yet. */
const openCr = 1;
type LineEnd = typeof none | typeof openCr | typeof CR;

const tooLarge = (maxFrameBytes: number) =>
  new GatewayError("upstream-invalid", `The provider sent an event of more than ${maxFrameBytes} bytes.`);

/** Where the frame ends that starts at `start`, in text without CR; -1: not yet. A blank line of its own is a frame. */
function endOfWhole(text: string, start: number): number {
  if (text.charCodeAt(start) === LF) return start + 1;
  const lastLine = text.indexOf("\n\n", start);
  return lastLine < 0 ? -1 : lastLine + 2;
}

const decoder = new TextDecoder(); // Drops a BOM at the start, as the rules ask of the first frame.

function readFields(bytes: Uint8Array): Fields {
  const text = decoder.decode(bytes);
  // The usual frame is a line of data, perhaps after one with its event's name.
  const dataStart = text.startsWith("event: ") ? text.indexOf("\n") + 1 : 0;
  if (text.startsWith("data: ", dataStart)) {
    const lineEnd = text.indexOf("\n", dataStart);
    if (lineEnd === text.length - 2 && !text.includes("\r")) {
      const event = dataStart === 0 ? "" : text.slice("event: ".length, dataStart - 1);
      return { data: text.slice(dataStart + "data: ".length, lineEnd), event: event === "" ? null : event };
    }
  }
  return readLines(text);
}

function readLines(text: string): Fields {
  const data: string[] = [];
  let event: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    if (colon === 0) continue; // A comment.
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
  }
  return { data: data.length > 0 ? data.join("\n") : null, event: event === "" ? null : event };
}
