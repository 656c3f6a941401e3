import type { ResponseHeaders } from "../upstream-response.ts";
import { HttpFault } from "./fault.ts";

/** More than this is no head of an answer. */
export const maxHeadBytes = 64 * 1_024;

export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** How long the body is (RFC 9112 §6.3): bytes, or until it says so, or until the connection ends. */
  readonly length: number | "chunked" | "to-close";
  /** Another request may follow on the connection. */
  readonly keepsOpen: boolean;
}

/** `text`: the head in latin-1, without the empty line that ends it. Throws `HttpFault`. */
export function parseHead(text: string): ResponseHead {
  const lines = text.includes("\n ") || text.includes("\n\t") ? refuseFolded() : text;
  const firstEnd = lines.indexOf("\n");
  const first = firstEnd === -1 ? lines : lines.slice(0, firstEnd);
  const status = Number(first.slice(9, 12));
  if (!/^HTTP\/1\.[01] [1-9]\d\d(?: .*)?\r?$/.test(first)) throw new HttpFault("the answer begins with no status line");
  const isOld = first.charCodeAt(7) === 0x30;
  const headers = new FieldLines(firstEnd === -1 ? "" : lines.slice(firstEnd));
  const coding = headers.get("transfer-encoding")?.toLowerCase() ?? null;
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  const stated = headers.get("content-length");
  const length = bodyLength(status, coding, stated);
  const asksToClose = connection !== "" && /(?:^|,)\s*close\s*(?:,|$)/.test(connection);
  const asksToKeep = !isOld || /(?:^|,)\s*keep-alive\s*(?:,|$)/.test(connection);
  // Where it says two things of its length, whoever is between may take it otherwise than we do (RFC 9112 §6.1, §6.3).
  const isTwofold = coding !== null && (isOld || stated !== null || length === 0);
  const isPlain = length !== "to-close" && !isTwofold && (stated === null || length === Number(stated));
  return { status, headers, length, keepsOpen: isPlain && !asksToClose && asksToKeep };
}

const refuseFolded = (): never => {
  throw new HttpFault("a header of the answer is folded");
};

function bodyLength(status: number, coding: string | null, stated: string | null): ResponseHead["length"] {
  if (status === 204 || status === 304 || status < 200) return 0;
  if (coding !== null && coding !== "identity") {
    if (coding !== "chunked") throw new HttpFault("the answer has a transfer coding that is not asked for");
    return "chunked";
  }
  if (stated === null) return "to-close";
  if (/^\d{1,15}$/.test(stated)) return Number(stated);
  // The same length more than once is one length.
  const [length = "", ...others] = stated.split(",").map((one) => one.trim());
  if (/^\d{1,15}$/.test(length) && others.every((other) => other === length)) return Number(length);
  throw new HttpFault("the answer's length is not a number");
}

/** A return that ends no line, and NUL. */
const lineBreaking = /\r(?!\n|$)|\0/;

/** Looked up in the text itself: few of them are ever asked for. */
class FieldLines implements ResponseHeaders {
  readonly #text: string;
  readonly #lower: string;

  /** `text`: the lines, a line end before each. */
  constructor(text: string) {
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) {
      const colon = text.indexOf(":", at);
      const next = text.indexOf("\n", at + 1);
      if (colon <= at + 1 || (next !== -1 && colon > next)) throw new HttpFault("a header of the answer has no name");
      if (text.charCodeAt(colon - 1) <= 0x20) throw new HttpFault("a header of the answer ends its name with a space");
    }
    // RFC 9112 §2.2, RFC 9110 §5.5: whoever is next could take them for the end of a line.
    if (lineBreaking.test(text)) throw new HttpFault("a header of the answer has a character that none can carry");
    this.#text = text;
    this.#lower = text.toLowerCase();
  }

  get(name: string): string | null {
    const sought = `\n${name}:`;
    let found: string | null = null;
    for (let at = this.#lower.indexOf(sought); at !== -1; at = this.#lower.indexOf(sought, at + sought.length)) {
      const end = this.#text.indexOf("\n", at + 1);
      const value = this.#text.slice(at + sought.length, end === -1 ? undefined : end).trim();
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }
}
