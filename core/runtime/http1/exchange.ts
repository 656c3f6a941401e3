import type { Interrupt } from "../abort.ts";
import { decoded } from "../decoded.ts";
import { joined } from "../read-body.ts";
import type { Pieces, ResponseHeaders, UpstreamResponse, Waiter } from "../upstream-response.ts";
import { ChunkedBody } from "./chunked.ts";
import { asError, brokeOff, HttpFault } from "./fault.ts";
import { mayEndHead, parseHead } from "./response-head.ts";

/** What lies unread before the connection is told to wait: a slow reader must not fill memory. */
const maxUnreadBytes = 256 * 1_024;
/** A piece of that size is followed by more at once, up to 512 KB in the next: that much waits for the reader where it can. */
const largeBytes = 64 * 1_024;

/** Head and body of a request, and how many bytes they are; text goes out as UTF-8. */
export interface Outgoing {
  readonly data: string | Uint8Array;
  readonly byteLength: number;
  /** It says that nothing follows it on its connection: it gets one of its own, whatever the answer says. */
  readonly isAlone?: boolean;
}

/** The connection that an exchange has to itself. */
export interface Line {
  pause(): void;
  resume(): void;
  /** Nothing of the exchange is wanted any more. */
  cut(): void;
}

/**
 * One request and its answer, read as it comes. One object, which is also the answer and its body: thousands of them
 * wait at once.
 */
export class Exchange implements UpstreamResponse, Pieces {
  /** `null`: it is on its way. */
  outgoing: Outgoing | null;
  /** How long a new connection for it is waited for. */
  readonly connectMs: number;
  /** Resolves with the head of the answer. */
  readonly answered: Promise<UpstreamResponse>;
  status = 0;
  headers: ResponseHeaders = none;
  length: number | null = null;
  /** The answer allows another request on the connection. */
  keepsOpen = false;
  /** The answer is whole, or there will be no more of it. */
  isOver = false;
  /** How long the connection is kept for it, as the peer says. */
  keptMs = Infinity;
  readonly signal: Interrupt;
  #line: Line | null = null;
  /** Of `answered`, until it is. */
  #answer: ((response: UpstreamResponse) => void) | null = null;
  #refuse: ((error: Error) => void) | null = null;
  /** Of a head that has not ended. */
  #head: Uint8Array | null = null;
  /** Of the body; `null`: until the connection ends. */
  #leftBytes: number | null = 0;
  #chunked: ChunkedBody | null = null;
  #isCoded = false;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #isPaused = false;
  /** All of the body is wanted at once. */
  #isGathered = false;
  #failure: Error | null = null;
  #waiter: Waiter | null = null;

  constructor(outgoing: Outgoing, connectMs: number, signal: Interrupt) {
    this.outgoing = outgoing;
    this.connectMs = connectMs;
    this.signal = signal;
    this.answered = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
    });
    signal.addEventListener("abort", this);
    if (signal.aborted) this.handleEvent();
  }

  /** Something of an answer has come. */
  get hasBegun(): boolean {
    return this.status !== 0 || this.#head !== null;
  }

  // ── by the connection ───────────────────────────────────────────────────────────────────────────────────────────────

  /** It was given a connection. */
  begin(line: Line): void {
    this.#line = line;
  }

  /** `bytes` are the exchange's from here on. Throws `HttpFault`. */
  received(bytes: Uint8Array): void {
    let body = bytes;
    if (this.status === 0) {
      const rest = this.#readHead(bytes);
      if (rest === null) return;
      body = rest;
      this.#answer?.(this.#isCoded ? decoded(this) : this);
      // Not kept as long as the body takes.
      this.#answer = null;
      this.#refuse = null;
    }
    this.#readBody(body);
  }

  /** The connection has ended; `error`: not as it should. */
  closed(error: Error | null): void {
    if (this.isOver) return;
    const endsSo = this.status !== 0 && this.#leftBytes === null && this.#chunked === null;
    if (error === null && endsSo) this.#end();
    else this.fail(error ?? brokeOff());
  }

  /** There will be no answer, or no more of it. */
  fail(error: Error): void {
    if (this.isOver) return;
    this.#failure = error;
    this.#end();
    this.#refuse?.(error);
  }

  // ── by the reader ───────────────────────────────────────────────────────────────────────────────────────────────────

  bytes(): Promise<Uint8Array> | Uint8Array {
    this.#isGathered = true;
    this.#goOn();
    if (this.isOver) return this.#whole();
    return new Promise<unknown>((came, failed) => {
      this.#waiter = { came, failed };
    }).then(() => this.#whole());
  }

  body(): Pieces {
    return this;
  }

  next(waiter: Waiter): Uint8Array | null | undefined {
    this.#waiter = null;
    const piece = this.#unread.shift();
    if (piece !== undefined) this.#unreadBytes -= piece.byteLength;
    if (this.#unreadBytes < maxUnreadBytes / 2) this.#goOn();
    if (piece !== undefined) return piece;
    if (this.#failure) throw this.#failure;
    if (this.isOver) return null;
    this.#waiter = waiter;
    return undefined;
  }

  cancel(): Promise<void> {
    if (!this.isOver) {
      const line = this.#line;
      this.#end();
      line?.cut();
    }
    this.#unread = [];
    return Promise.resolve();
  }

  /** Of its signal. */
  handleEvent(): void {
    if (this.isOver) return;
    const line = this.#line;
    this.fail(asError(this.signal.reason));
    this.#unread = [];
    line?.cut();
  }

  #whole(): Uint8Array {
    if (this.#failure) throw this.#failure;
    return joined(this.#unread);
  }

  // ── of an answer ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What comes after it; `null`: it has not ended. */
  #readHead(bytes: Uint8Array): Uint8Array | null {
    const before = this.#head;
    let left = before === null ? bytes : joined([before, bytes]);
    // Not read anew with each byte of one that drips.
    if (before !== null && !mayEndHead(left, before.byteLength)) {
      this.#head = left;
      return null;
    }
    for (;;) {
      const head = parseHead(left);
      if (head === null) {
        this.#head = left;
        return null;
      }
      left = left.subarray(head.endsAt);
      if (head.status === 101) throw new HttpFault("the answer changes to a protocol that was not asked for");
      // Said on the way, and not the answer (RFC 9110 §15.2).
      if (head.status < 200) continue;
      this.#head = null;
      this.status = head.status;
      this.headers = head.headers;
      this.keepsOpen = head.keepsOpen;
      this.keptMs = head.keptMs;
      this.#isCoded = head.isCoded;
      this.#leftBytes = typeof head.length === "number" ? head.length : null;
      this.length = this.#leftBytes;
      if (head.length === "chunked") this.#chunked = new ChunkedBody();
      return left;
    }
  }

  #readBody(bytes: Uint8Array): void {
    const chunked = this.#chunked;
    if (chunked) {
      const piece = chunked.push(bytes);
      if (piece.byteLength > 0) this.#pass(piece);
      if (chunked.fault) throw chunked.fault;
      if (!chunked.isDone) return;
      // What nobody asked for is the answer to nothing that follows.
      if (chunked.goesOn) this.keepsOpen = false;
      this.#end();
      return;
    }
    const left = this.#leftBytes;
    if (left === null) {
      if (bytes.byteLength > 0) this.#pass(bytes);
      return;
    }
    if (bytes.byteLength > left) this.keepsOpen = false;
    const piece = bytes.byteLength > left ? bytes.subarray(0, left) : bytes;
    this.#leftBytes = left - piece.byteLength;
    if (piece.byteLength > 0) this.#pass(piece);
    if (this.#leftBytes === 0) this.#end();
  }

  #pass(piece: Uint8Array): void {
    const waiter = this.#waiter;
    if (waiter && !this.#isGathered) {
      this.#waiter = null;
      waiter.came(piece);
      if (piece.byteLength >= largeBytes && this.#waiter === null) this.#pause();
      return;
    }
    this.#unread.push(piece);
    this.#unreadBytes += piece.byteLength;
    if (this.#unreadBytes > maxUnreadBytes && !this.#isGathered) this.#pause();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#line?.pause();
  }

  #goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#line?.resume();
  }

  #end(): void {
    this.isOver = true;
    this.#line = null;
    this.signal.removeEventListener("abort", this);
    // Not at once: whoever aborts it, or cuts its connection, is not done with it yet.
    if (this.#waiter) queueMicrotask(() => this.#tellEnd());
  }

  #tellEnd(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (this.#failure) waiter?.failed(this.#failure);
    else waiter?.came(null);
  }
}

const none: ResponseHeaders = { get: () => null };
