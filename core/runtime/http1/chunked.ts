import { HttpFault } from "./fault.ts";

/** Of a line with a chunk's size, extensions included, or of all trailers. */
const maxLineBytes = 16 * 1_024;

/** Of a chunk: what twelve digits can say. */
const maxSize = 2 ** 48 - 1;

/** Takes the chunked coding off a body (RFC 9112 §7.1), whatever pieces it comes in. Extensions and trailers are dropped. */
export class ChunkedBody {
  /** All of it was there, its end included. */
  isDone = false;
  /** What is wrong with it; nothing after that is read. */
  fault: HttpFault | null = null;
  /** Something came after that. */
  goesOn = false;
  #stage: "size" | "extension" | "data" | "data-end" | "trailers" = "size";
  /** Of the chunk's data. */
  #left = 0;
  #digits = 0;
  /** Of a line, its end not counted; of the trailers, all. */
  #lineBytes = 0;
  #afterReturn = false;
  /** Whether the line of the trailers has something on it. */
  #isEmptyLine = true;

  /**
   * What of `bytes` is body. It is put together in `bytes` itself, so that a piece with hundreds of chunks costs no
   * array for each.
   */
  push(bytes: Uint8Array): Uint8Array {
    let from = -1;
    let to = 0;
    let at = 0;
    while (at < bytes.byteLength && !this.isDone && !this.fault) {
      if (this.#stage !== "data") {
        this.#read(bytes[at] ?? 0);
        at += 1;
        continue;
      }
      const end = Math.min(at + this.#left, bytes.byteLength);
      if (from === -1) [from, to] = [at, end];
      else {
        bytes.copyWithin(to, at, end);
        to += end - at;
      }
      this.#left -= end - at;
      at = end;
      if (this.#left === 0) this.#stage = "data-end";
    }
    this.goesOn = at < bytes.byteLength;
    return from === -1 ? nothing : bytes.subarray(from, to);
  }

  /** A byte of a line. A bare line feed ends it too (RFC 9112 §2.2). */
  #read(byte: number): void {
    if (byte === lineFeed) {
      this.#afterReturn = false;
      this.#lineEnded();
      return;
    }
    this.#lineBytes += 1;
    if (this.#lineBytes > maxLineBytes)
      this.fault = new HttpFault("a line between two chunks of the answer is too long");
    else if (this.#afterReturn)
      this.fault = new HttpFault("a line between two chunks of the answer ends in its middle");
    else if (byte === carriageReturn) this.#afterReturn = true;
    else if (this.#stage === "size") this.#readSize(byte);
    else if (this.#stage === "data-end") this.fault = new HttpFault("a chunk of the answer is longer than it says");
    else this.#isEmptyLine = false;
  }

  #readSize(byte: number): void {
    const digit = hexadecimal(byte);
    if (digit !== -1) {
      this.#digits += 1;
      this.#left = this.#left * 16 + digit;
      // Zeros before it count for nothing: some servers fill its line up with them.
      if (this.#left > maxSize) this.fault = noSize();
    } else if (this.#digits > 0 && (byte === 0x3b || byte === 0x20 || byte === 0x09)) this.#stage = "extension";
    else this.fault = noSize();
  }

  #lineEnded(): void {
    if (this.#stage === "trailers") {
      if (this.#isEmptyLine) this.isDone = true;
      this.#isEmptyLine = true;
      return;
    }
    this.#lineBytes = 0;
    if (this.#stage === "data-end") {
      this.#stage = "size";
      this.#digits = 0;
      return;
    }
    if (this.#digits === 0) {
      this.fault = noSize();
      return;
    }
    this.#isEmptyLine = true;
    this.#stage = this.#left === 0 ? "trailers" : "data";
  }
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const nothing = new Uint8Array(0);
const noSize = (): HttpFault => new HttpFault("a chunk of the answer does not say its size");

/** -1: it is no digit. */
function hexadecimal(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const small = byte | 0x20;
  return small >= 0x61 && small <= 0x66 ? small - 0x57 : -1;
}
