import { HttpFault } from "./fault.ts";

/** Of a line with a chunk's size, extensions included, or of all trailers. */
const maxLineBytes = 16 * 1_024;

/** Takes the chunked coding off a body (RFC 9112 §7.1), whatever pieces it comes in. Extensions and trailers are dropped. */
export class ChunkedBody {
  /** All of it was there, its end included. */
  isDone = false;
  /** What is wrong with it; nothing after that is read. */
  fault: HttpFault | null = null;
  /** Something came after that. */
  goesOn = false;
  #stage: "size" | "data" | "data-end" | "trailers" = "size";
  /** Of the chunk. */
  #left = 0;
  /** Bytes of a line that had not ended. */
  #line = "";
  #trailerBytes = 0;

  /**
   * What of `bytes` is body. It is put together in `bytes` itself, so that a piece with hundreds of chunks costs no
   * array for each.
   */
  push(bytes: Uint8Array): Uint8Array {
    let from = -1;
    let to = 0;
    let at = 0;
    while (at < bytes.byteLength && !this.isDone && !this.fault) {
      if (this.#stage === "data") {
        const end = Math.min(at + this.#left, bytes.byteLength);
        if (from === -1) [from, to] = [at, end];
        else {
          bytes.copyWithin(to, at, end);
          to += end - at;
        }
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#stage = "data-end";
      } else at = this.#lineAt(bytes, at);
    }
    this.goesOn = at < bytes.byteLength;
    return from === -1 ? nothing : bytes.subarray(from, to);
  }

  /** Reads to the end of a line, or of what there is of it. */
  #lineAt(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(0x0a, at);
    const stop = end === -1 ? bytes.byteLength : end;
    if (this.#line.length + stop - at > maxLineBytes)
      this.fault = new HttpFault("a chunk of the answer has no end of its size");
    if (this.fault) return bytes.byteLength;
    let line = this.#line;
    for (let index = at; index < stop; index += 1) line += String.fromCharCode(bytes[index] ?? 0);
    if (end === -1) {
      this.#line = line;
      return bytes.byteLength;
    }
    this.#line = "";
    this.#ended(line.endsWith("\r") ? line.slice(0, -1) : line);
    return end + 1;
  }

  #ended(line: string): void {
    if (this.#stage === "data-end") {
      if (line !== "") this.fault = new HttpFault("a chunk of the answer is longer than it says");
      this.#stage = "size";
    } else if (this.#stage === "trailers") {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > maxLineBytes) this.fault = new HttpFault("the answer's trailers are too long");
      if (line === "") this.isDone = true;
    } else {
      const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;|$)/.exec(line)?.[1];
      if (size === undefined) this.fault = new HttpFault("a chunk of the answer does not say its size");
      this.#left = Number.parseInt(size ?? "0", 16);
      this.#stage = this.#left === 0 ? "trailers" : "data";
    }
  }
}

const nothing = new Uint8Array(0);
