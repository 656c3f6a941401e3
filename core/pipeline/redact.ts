import { Buffer } from "node:buffer";

/** Passes bytes on with every secret replaced. */
export interface Redactor {
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back because it could have been the start of a secret. */
  rest(): Uint8Array;
}

const mask = Buffer.from("***");
const nothing = new Uint8Array(0);

/** Secrets, as the bytes to look for. */
export type Needles = readonly Buffer[];

/** An answer that is in hand as a whole, with every secret replaced; the same array where it holds none. */
export function redacted(whole: Uint8Array, needles: Needles): Uint8Array {
  let bytes = asBuffer(whole);
  for (const needle of needles) bytes = replaceAll(bytes, needle);
  return bytes;
}

/**
 * A provider that repeats our credential in an answer must not hand it to the client. Bytes are held back only while
 * they could be the start of a secret that the next chunk completes; all others pass at once and unchanged.
 */
export function redactor(needles: Needles): Redactor {
  let held: Uint8Array = nothing;
  return {
    push(chunk) {
      let bytes = asBuffer(held.byteLength > 0 ? Buffer.concat([held, chunk]) : chunk);
      for (const needle of needles) bytes = replaceAll(bytes, needle);
      let keep = 0;
      for (const needle of needles) keep = Math.max(keep, openTail(bytes, needle));
      held = keep > 0 ? bytes.subarray(bytes.byteLength - keep) : nothing;
      return keep > 0 ? bytes.subarray(0, bytes.byteLength - keep) : bytes;
    },
    rest() {
      const last = held;
      held = nothing;
      return last;
    },
  };
}

/** The credentials among an upstream request's headers, as a provider would repeat them. */
export function secretsIn(headers: Readonly<Record<string, string>>): Needles {
  const needles: Buffer[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || !mayBeSecret(name)) continue;
    const needle = needleOf(value);
    if (needle.byteLength >= leastSecretBytes) needles.push(needle);
  }
  return needles;
}

/** Shorter ones would be found everywhere. */
const leastSecretBytes = 8;

const mayBeSecret = remembered((name) => /authorization|cookie|key|token|secret/i.test(name));
const needleOf = remembered((value) => Buffer.from(value.replace(/^(?:bearer|basic) +/i, "")));

/** Every call to a provider carries the same few headers. */
function remembered<Made>(make: (text: string) => Made): (text: string) => Made {
  const known = new Map<string, Made>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= maxRemembered) known.clear();
    const made = make(text);
    known.set(text, made);
    return made;
  };
}

const maxRemembered = 1_000;

function replaceAll(bytes: Buffer, needle: Buffer): Buffer {
  let at = bytes.indexOf(needle);
  if (at < 0) return bytes;
  const parts: Buffer[] = [];
  let from = 0;
  for (; at >= 0; at = bytes.indexOf(needle, from)) {
    parts.push(bytes.subarray(from, at), mask);
    from = at + needle.byteLength;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

/** How many bytes at the end are a beginning of `needle`. */
function openTail(bytes: Buffer, needle: Buffer): number {
  const first = needle[0];
  if (first === undefined) return 0;
  let at = bytes.indexOf(first, Math.max(0, bytes.byteLength - needle.byteLength + 1));
  for (; at >= 0; at = bytes.indexOf(first, at + 1)) {
    const length = bytes.byteLength - at;
    if (needle.compare(bytes, at, bytes.byteLength, 0, length) === 0) return length;
  }
  return 0;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
