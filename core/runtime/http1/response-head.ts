import { Buffer } from "node:buffer";
import type { ResponseHeaders } from "../upstream-response.ts";
import { HttpFault } from "./fault.ts";

/** More than this is no head of an answer. */
const maxHeadBytes = 64 * 1_024;

export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** How long the body is (RFC 9112 §6.3): bytes, or until it says so, or until the connection ends. */
  readonly length: number | "chunked" | "to-close";
  /** The body is compressed. */
  readonly isCoded: boolean;
  /** Another request may follow on the connection. */
  readonly keepsOpen: boolean;
  /** How long the connection is kept for it, as the peer says; `Infinity`: it says nothing. */
  readonly keptMs: number;
  /** Where the body begins. */
  readonly endsAt: number;
}

/**
 * Reads the head of an answer at the start of `bytes`; `null`: it has not ended. In one pass over the bytes, because most
 * headers are never asked for. Throws `HttpFault`.
 */
export function parseHead(bytes: Uint8Array): ResponseHead | null {
  const framing = new Framing();
  let status = 0;
  let isOld = false;
  let from = 0;
  let colon = -1;
  for (let at = 0; at < bytes.byteLength; at += 1) {
    const byte = bytes[at];
    if (byte === 0x3a && colon === -1) colon = at;
    // RFC 9112 §2.2, RFC 9110 §5.5: whoever is next could take them for the end of a line.
    if (byte === 0 || (byte === carriageReturn && at + 1 < bytes.byteLength && bytes[at + 1] !== lineFeed))
      throw new HttpFault("a header of the answer has a character that none can carry");
    if (byte !== lineFeed) continue;
    const end = at > from && bytes[at - 1] === carriageReturn ? at - 1 : at;
    if (status === 0) {
      status = statusOf(bytes, end);
      isOld = bytes[7] === 0x30;
    } else if (end === from) {
      if (at >= maxHeadBytes) break;
      const length = framing.lengthOf(status);
      const keepsOpen = length !== "to-close" && framing.isPlain(length, isOld) && framing.keepsOpen(isOld);
      const headers = new Fields(bytes, at);
      const { isCoded, keptMs } = framing;
      return { status, headers, length, isCoded, keepsOpen, keptMs, endsAt: at + 1 };
    } else framing.read(bytes, from, colon, end);
    from = at + 1;
    colon = -1;
  }
  // However it was cut into pieces on its way.
  if (bytes.byteLength > maxHeadBytes) throw new HttpFault("the head of the answer is too long");
  return null;
}

/** Whether what came from `from` on ends the head, or makes it too long. */
export function mayEndHead(bytes: Uint8Array, from: number): boolean {
  for (let at = bytes.indexOf(lineFeed, from); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) {
    const last = bytes[at - 1] === carriageReturn ? at - 2 : at - 1;
    if (last < 0 || bytes[last] === lineFeed) return true;
  }
  return bytes.byteLength > maxHeadBytes;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** `HTTP/1.1 200 OK`, the reason left out or not (RFC 9112 §4). */
function statusOf(bytes: Uint8Array, end: number): number {
  let isLine =
    end >= 12 && isNamed(bytes, 0, "http/1.") && (bytes[7] === 0x30 || bytes[7] === 0x31) && bytes[8] === 0x20;
  isLine &&= end === 12 || bytes[12] === 0x20;
  const status = isLine ? numberAt(bytes, 9, 12) : null;
  if (status === null || status < 100) throw new HttpFault("the answer begins with no status line");
  return status;
}

/** `null`: something else than digits. */
function numberAt(bytes: Uint8Array, from: number, to: number): number | null {
  let number = 0;
  for (let at = from; at < to; at += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return null;
    number = number * 10 + digit;
  }
  return number;
}

/** What headers say of where the body ends, and of what comes after it. */
class Framing {
  isCoded = false;
  keptMs = Infinity;
  #length: number | null = null;
  #coding: string | null = null;
  #connection = "";

  read(bytes: Uint8Array, from: number, colon: number, end: number): void {
    if (colon <= from || isBlank(bytes[from]) || isBlank(bytes[colon - 1]))
      throw new HttpFault("a header of the answer has no name");
    // By the length first: no other header is looked at.
    const nameLength = colon - from;
    if (nameLength === 14 && isNamed(bytes, from, "content-length")) this.#readLength(bytes, colon + 1, end);
    else if (nameLength === 16 && isNamed(bytes, from, "content-encoding")) this.isCoded = true;
    else if (nameLength === 17 && isNamed(bytes, from, "transfer-encoding"))
      this.#coding = joinedTo(
        this.#coding,
        textOf(bytes, colon + 1, end)
          .trim()
          .toLowerCase(),
      );
    else if (nameLength === 10 && isNamed(bytes, from, "keep-alive"))
      this.keptMs = 1_000 * Number(/timeout=(\d{1,9})/i.exec(textOf(bytes, colon + 1, end))?.[1] ?? Infinity);
    else if (nameLength === 10 && isNamed(bytes, from, "connection"))
      this.#connection = joinedTo(
        this.#connection || null,
        textOf(bytes, colon + 1, end)
          .trim()
          .toLowerCase(),
      );
  }

  /** Throws `HttpFault`. */
  lengthOf(status: number): ResponseHead["length"] {
    if (status < 200 || status === 204 || status === 304) return 0;
    if (this.#coding !== null && this.#coding !== "identity") {
      if (this.#coding !== "chunked") throw new HttpFault("the answer has a transfer coding that was not asked for");
      return "chunked";
    }
    return this.#length ?? "to-close";
  }

  /** Where it says two things of its length, whoever is between may take it otherwise than we do (RFC 9112 §6.1, §6.3). */
  isPlain(length: ResponseHead["length"], isOld: boolean): boolean {
    if (this.#coding !== null && (isOld || length === 0 || this.#length !== null)) return false;
    return this.#length === null || this.#length === length;
  }

  keepsOpen(isOld: boolean): boolean {
    const connection = this.#connection;
    if (connection === "") return !isOld;
    return !hasWord(connection, "close") && (!isOld || hasWord(connection, "keep-alive"));
  }

  /** The same length more than once is one length (RFC 9112 §6.3). */
  #readLength(bytes: Uint8Array, from: number, end: number): void {
    const plain =
      this.#length === null && isBlank(bytes[from]) && end - from <= 16 ? numberAt(bytes, from + 1, end) : null;
    if (plain !== null && end > from + 1) {
      this.#length = plain;
      return;
    }
    for (const part of textOf(bytes, from, end).split(",")) {
      const word = part.trim();
      if (!/^\d{1,15}$/.test(word)) throw new HttpFault("the answer's length is not a number");
      const length = Number(word);
      if (this.#length !== null && this.#length !== length) throw new HttpFault("the answer has two lengths");
      this.#length = length;
    }
  }
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09;

/** `name`: in lower case. */
function isNamed(bytes: Uint8Array, from: number, name: string): boolean {
  // Sets the bit that tells small letters from capitals; a hyphen has it.
  for (let at = 0; at < name.length; at += 1)
    if (((bytes[from + at] ?? 0) | 0x20) !== name.charCodeAt(at)) return false;
  return true;
}

const joinedTo = (before: string | null, value: string): string => (before === null ? value : `${before}, ${value}`);

const hasWord = (list: string, word: string): boolean => list.split(",").some((one) => one.trim() === word);

/** And no more of what `trim` takes: in latin-1, that would be a byte of a letter. */
const blanks = /^[\t ]+|[\t\r ]+$/g;

/** Looked up in the text itself: few of them are ever asked for. */
class Fields implements ResponseHeaders {
  readonly #bytes: Uint8Array;
  readonly #endsAt: number;
  #text: string | null = null;
  #lower = "";

  constructor(bytes: Uint8Array, endsAt: number) {
    this.#bytes = bytes;
    this.#endsAt = endsAt;
  }

  get(name: string): string | null {
    if (this.#text === null) {
      this.#text = textOf(this.#bytes, 0, this.#endsAt);
      this.#lower = this.#text.toLowerCase();
    }
    const sought = `\n${name}:`;
    let found: string | null = null;
    for (let at = this.#lower.indexOf(sought); at !== -1; at = this.#lower.indexOf(sought, at + sought.length)) {
      const end = this.#text.indexOf("\n", at + 1);
      found = joinedTo(found, this.#text.slice(at + sought.length, end === -1 ? undefined : end).replace(blanks, ""));
    }
    return found;
  }
}

/** In latin-1: what `TextDecoder` has by that name is another one. */
const textOf = ({ buffer, byteOffset }: Uint8Array, from: number, to: number): string =>
  Buffer.from(buffer, byteOffset + from, to - from).toString("latin1");
