import type { Place } from "./place.ts";

/**
 * Line and headers of a POST, without the length and what follows it. Throws `TypeError` on what no header can carry:
 * fetch does the same.
 */
export function requestHead(place: Place, headers: Readonly<Record<string, string>>): string {
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

const printable = (name: string): string => JSON.stringify(name.slice(0, 50));
