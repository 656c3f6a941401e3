import type { Place } from "./place.ts";

/** What comes before the length of a request's body. */
export interface RequestHead {
  /** Line and headers of a POST, each with its line end. */
  readonly text: string;
  /** As many bytes as characters, in UTF-8 too. */
  readonly isAscii: boolean;
}
type Headers = Readonly<Record<string, string>>;

/** Throws `TypeError` on what no header can carry: fetch does the same, but for DEL, which it sends. */
export function requestHead(place: Place, headers: Headers): RequestHead {
  const known = lasts.get(place);
  if (known?.isOf(headers)) return known;
  const made = new MadeHead(place, headers);
  lasts.set(place, made);
  return made;
}

/** Of a place the head of its last request: the next has most often the same headers, and needs no looking at. */
const lasts = new WeakMap<Place, MadeHead>();

class MadeHead implements RequestHead {
  readonly text: string;
  readonly isAscii: boolean;
  readonly #names: readonly string[];
  readonly #values: readonly string[];

  constructor(place: Place, headers: Headers) {
    this.#names = Object.keys(headers);
    this.#values = Object.values(headers);
    this.text = textOf(place, headers);
    this.isAscii = ascii.test(this.text);
  }

  isOf(headers: Headers): boolean {
    let at = 0;
    for (const name in headers) {
      if (this.#names[at] !== name || this.#values[at] !== headers[name]) return false;
      at += 1;
    }
    return at === this.#names.length;
  }
}

function textOf(place: Place, headers: Headers): string {
  let head = `POST ${place.target} HTTP/1.1\r\nhost: ${place.authority}\r\n`;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || ownNames.has(name.toLowerCase())) continue;
    if (!token.test(name) || !sendable.test(value)) throw new TypeError(`the header ${printable(name)} cannot be sent`);
    head += `${name}: ${value}\r\n`;
  }
  return head;
}

/** Only the sender knows them. */
const ownNames: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding"]);

/** RFC 9110 §5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 §5.5: visible characters, spaces and tabs, in one byte each. */
const sendable = /^[\t\x20-\x7e\x80-\xff]*$/;
const ascii = /^[\0-\x7f]*$/;

const printable = (name: string): string => JSON.stringify(name.slice(0, 50));
